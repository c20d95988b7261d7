import {
  AssistantRuntimeProvider,
  unstable_createMessageConverter as createMessageConverter,
  useAssistantTransportRuntime,
  type AssistantTransportCommand,
  type AssistantTransportConnectionMetadata,
  type ThreadMessageLike,
} from "@assistant-ui/react";
import { createRoot } from "react-dom/client";

import { Thread } from "./thread";

type State = { messages: ThreadMessageLike[] };

const converter = createMessageConverter((message: ThreadMessageLike) => message);

/** Returns the message of the user that the state does not contain yet. */
function pendingMessage(command: AssistantTransportCommand): ThreadMessageLike[] {
  return command.type === "add-message" ? [{ role: "user", content: command.message.parts }] : [];
}

function convert({ messages }: State, { pendingCommands, isSending }: AssistantTransportConnectionMetadata) {
  const all = [...messages, ...pendingCommands.flatMap(pendingMessage)];
  return { messages: converter.toThreadMessages(all, isSending), isRunning: isSending };
}

function Chat() {
  const runtime = useAssistantTransportRuntime<State>({
    api: "/assistant-transport",
    protocol: "assistant-transport",
    initialState: { messages: [] },
    converter: convert,
    headers: {},
    onError: ({ message: error }, { commands, updateState }) =>
      updateState(({ messages }) => {
        const status = { type: "incomplete", reason: "error", error } as const;
        const failed: ThreadMessageLike = { role: "assistant", content: [], status };
        return { messages: [...messages, ...commands.flatMap(pendingMessage), failed] };
      }),
  });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <Thread />
    </AssistantRuntimeProvider>
  );
}

createRoot(document.getElementById("root")!).render(<Chat />);
