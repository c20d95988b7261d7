import { HttpAgent } from "@ag-ui/client";
import { AssistantRuntimeProvider, ExportedMessageRepository } from "@assistant-ui/react";
import { useAgUiRuntime } from "@assistant-ui/react-ag-ui";
import { useMemo } from "react";

import type { ChatProps } from "../main";
import { config, Thread } from "../thread";

export function Chat({ thread, api, headers, history, stop }: ChatProps) {
  const agent = useMemo(() => new HttpAgent({ url: api, headers, threadId: thread }), [api, headers, thread]);
  // The server stores the answers.
  const stored = useMemo(
    () => ({ load: async () => ExportedMessageRepository.fromArray(history), append: async () => {} }),
    [history],
  );
  const runtime = useAgUiRuntime({ agent, onCancel: stop, adapters: { history: stored } });
  return (
    <AssistantRuntimeProvider runtime={runtime} config={config}>
      <Thread />
    </AssistantRuntimeProvider>
  );
}
