import {
  AssistantRuntimeProvider,
  unstable_createMessageConverter as createMessageConverter,
  useAssistantTransportRuntime,
  type AssistantTransportConnectionMetadata,
  type ThreadMessageLike,
} from "@assistant-ui/react";
import { useEffect } from "react";

import type { ChatProps } from "../main";
import type { State } from "../parts";
import { attachments, config, Thread } from "../thread";

type ChatState = State & { messages: ThreadMessageLike[] };

const converter = createMessageConverter((message: ThreadMessageLike) => message);

function convert(state: ChatState, { pendingCommands, isSending }: AssistantTransportConnectionMetadata) {
  // The messages of the user that the state does not contain yet.
  const pending = pendingCommands.flatMap((command): ThreadMessageLike[] =>
    command.type === "add-message" ? [{ role: "user", content: command.message.parts }] : [],
  );
  const messages = converter.toThreadMessages([...state.messages, ...pending], isSending);
  // It is JSON, which its type does not show.
  return { messages, state: state as never, isRunning: isSending };
}

export function Chat({ api, headers, stored, stop }: ChatProps) {
  const runtime = useAssistantTransportRuntime<ChatState>({
    api,
    resumeApi: `${api}/stream`,
    resumeStateApi: `${api}/state`,
    headers,
    protocol: "assistant-transport",
    initialState: { ...stored.state, messages: stored.messages },
    converter: convert,
    capabilities: { edit: true },
    adapters: { attachments },
    onCancel: ({ error }) => error ?? stop(),
    onError: ({ message }, { updateState }) =>
      updateState(({ messages, ...state }) => {
        const status = { type: "incomplete", reason: "error", error: message } as const;
        return { ...state, messages: [...messages, { role: "assistant", content: [], status }] };
      }),
  });
  useEffect(() => {
    if (stored.isOpen) runtime.thread.resumeRun({ parentId: null });
  }, [stored, runtime]);
  return (
    <AssistantRuntimeProvider runtime={runtime} config={config}>
      <Thread />
    </AssistantRuntimeProvider>
  );
}
