import { AssistantRuntimeProvider } from "@assistant-ui/react";
import { useDataStreamRuntime } from "@assistant-ui/react-data-stream";

import type { ChatProps } from "../main";
import { config, Thread } from "../thread";

export function Chat({ api, headers, history, stop }: ChatProps) {
  const runtime = useDataStreamRuntime({
    api,
    headers,
    initialMessages: history,
    onCancel: stop,
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
