import { AssistantRuntimeProvider } from "@assistant-ui/react";
import { useDataStreamRuntime } from "@assistant-ui/react-data-stream";

import { config, Thread } from "../thread";

export function Chat({ api }: { api: string }) {
  const runtime = useDataStreamRuntime({ api, maxSteps: 10 });
  return (
    <AssistantRuntimeProvider runtime={runtime} config={config}>
      <Thread />
    </AssistantRuntimeProvider>
  );
}
