import {
  AssistantRuntimeProvider,
  unstable_createMessageConverter as createMessageConverter,
  useAssistantTransportRuntime,
  type AssistantTransportCommand,
  type AssistantTransportConnectionMetadata,
  type ThreadMessageLike,
} from "@assistant-ui/react";

import { config, Thread } from "../thread";

type State = { messages: ThreadMessageLike[] };

const converter = createMessageConverter((message: ThreadMessageLike) => message);

/** The user's message, until the state holds it. */
function asMessage(command: AssistantTransportCommand): ThreadMessageLike[] {
  return command.type === "add-message" ? [{ role: "user", content: command.message.parts }] : [];
}

function convert(state: State, { pendingCommands, isSending }: AssistantTransportConnectionMetadata) {
  const messages = [...state.messages, ...pendingCommands.flatMap(asMessage)];
  return {
    messages: converter.toThreadMessages(messages, isSending),
    isRunning: isSending,
    // It is JSON, which its type does not show.
    state: state as never,
  };
}

function withFailure(messages: ThreadMessageLike[], error: string): ThreadMessageLike[] {
  const status = { type: "incomplete", reason: "error", error } as const;
  const last = messages.at(-1);
  if (last?.role !== "assistant") return [...messages, { role: "assistant", content: [], status }];
  return [...messages.slice(0, -1), { ...last, status }];
}

export function Chat({ api }: { api: string }) {
  const runtime = useAssistantTransportRuntime<State>({
    api,
    protocol: "assistant-transport",
    initialState: { messages: [] },
    converter: convert,
    headers: {},
    // The commands are those that the state does not hold yet.
    onError: ({ message }, { commands, updateState }) =>
      updateState(({ messages }) => ({
        messages: withFailure([...messages, ...commands.flatMap(asMessage)], message),
      })),
  });
  return (
    <AssistantRuntimeProvider runtime={runtime} config={config}>
      <Thread />
    </AssistantRuntimeProvider>
  );
}
