import { AssistantRuntimeProvider } from "@assistant-ui/react";
import { useDataStreamRuntime } from "@assistant-ui/react-data-stream";
import { createRoot } from "react-dom/client";

import { Thread } from "./thread";

function Chat() {
  const runtime = useDataStreamRuntime({ api: "/data-stream" });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <Thread />
    </AssistantRuntimeProvider>
  );
}

createRoot(document.getElementById("root")!).render(<Chat />);
