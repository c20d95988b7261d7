import {
  AssistantRuntimeProvider,
  unstable_createMessageConverter as createMessageConverter,
  useAssistantTransportRuntime,
  type AssistantTransportConnectionMetadata,
  type ThreadMessageLike,
} from "@assistant-ui/react";
import { useEffect } from "react";

import type { ChatProps } from "../main";
import { config, Thread } from "../thread";

type State = { messages: ThreadMessageLike[] };

const converter = createMessageConverter((message: ThreadMessageLike) => message);

function convert(state: State, { pendingCommands, isSending }: AssistantTransportConnectionMetadata) {
  // The messages of the user that the state does not contain yet.
  const pending = pendingCommands.flatMap((command): ThreadMessageLike[] =>
    command.type === "add-message" ? [{ role: "user", content: command.message.parts }] : [],
  );
  return { messages: converter.toThreadMessages([...state.messages, ...pending], isSending), isRunning: isSending };
}

export function Chat({ api, headers, history, isOpen, stop }: ChatProps) {
  const runtime = useAssistantTransportRuntime<State>({
    api,
    resumeApi: `${api}/stream`,
    resumeStateApi: `${api}/state`,
    headers,
    protocol: "assistant-transport",
    initialState: { messages: history },
    converter: convert,
    capabilities: { edit: true },
    onCancel: ({ error }) => error ?? stop(),
    onError: ({ message }, { updateState }) =>
      updateState(({ messages }) => {
        const status = { type: "incomplete", reason: "error", error: message } as const;
        return { messages: [...messages, { role: "assistant", content: [], status }] };
      }),
  });
  useEffect(() => {
    if (isOpen) runtime.thread.resumeRun({ parentId: null });
  }, [isOpen, runtime]);
  return (
    <AssistantRuntimeProvider runtime={runtime} config={config}>
      <Thread />
    </AssistantRuntimeProvider>
  );
}
