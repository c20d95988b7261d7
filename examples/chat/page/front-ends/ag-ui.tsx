import { HttpAgent } from "@ag-ui/client";
import { AssistantRuntimeProvider, type AssistantRuntime } from "@assistant-ui/react";
import { useAgUiRuntime } from "@assistant-ui/react-ag-ui";
import { useState } from "react";

import { createHistory } from "../history";
import type { ChatProps } from "../main";
import { attachments, config, Thread } from "../thread";

export function Chat(props: ChatProps) {
  const { api, headers, thread } = props;
  const [agent] = useState(() => new HttpAgent({ url: api, headers, threadId: thread }));
  const [history] = useState(() =>
    createHistory(props, {
      runtime: () => runtime,
      convert: withInterrupts,
      showState: (state) => runtime.thread.importExternalState(state),
    }),
  );
  const runtime: AssistantRuntime = useAgUiRuntime({
    agent,
    onCancel: props.stop,
    adapters: { attachments, history },
  });
  return (
    <AssistantRuntimeProvider runtime={runtime} config={config}>
      <Thread />
    </AssistantRuntimeProvider>
  );
}

// This runtime finds the approvals that are open in the metadata of their message.
function withInterrupts(message: any) {
  const interrupts = message.content
    .filter(({ approval, result }: any) => approval && approval.approved === undefined && result === undefined)
    .map(({ approval, toolCallId }: any) => ({ id: approval.id, reason: "tool_call", toolCallId }));
  if (interrupts.length === 0) return message;
  const status = { type: "requires-action", reason: "interrupt" };
  return { ...message, status, metadata: { ...message.metadata, custom: { agui: { interrupts } } } };
}
