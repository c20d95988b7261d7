import { AssistantRuntimeProvider, type AssistantRuntime } from "@assistant-ui/react";
import { useDataStreamRuntime } from "@assistant-ui/react-data-stream";
import { useState } from "react";

import { createHistory } from "../history";
import type { ChatProps } from "../main";
import { attachments, config, Thread } from "../thread";

export function Chat(props: ChatProps) {
  const [history] = useState(() => createHistory(props, { runtime: () => runtime }));
  const runtime: AssistantRuntime = useDataStreamRuntime({
    api: props.api,
    headers: props.headers,
    adapters: { attachments, history },
    onCancel: props.stop,
    // The server finds the stored messages by their ids.
    sendExtraMessageFields: true,
    // The run waits for the answer of the user, and goes on in further steps.
    unstable_humanToolNames: ["confirm"],
    maxSteps: 10,
  });
  return (
    <AssistantRuntimeProvider runtime={runtime} config={config}>
      <Thread />
    </AssistantRuntimeProvider>
  );
}
