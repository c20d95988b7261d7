// The stored messages for the runtimes of the data stream and of AG-UI, which leave it to the page to follow an answer.
import { ExportedMessageRepository, type AssistantRuntime, type ThreadHistoryAdapter } from "@assistant-ui/react";
import { AssistantMessageAccumulator, DataStreamDecoder } from "assistant-stream";
import { asAsyncIterableStream } from "assistant-stream/utils";

import type { ChatProps } from "./main";
import type { State } from "./parts";

type Options = {
  runtime: () => AssistantRuntime;
  // Changes a stored message for the runtime.
  convert?: (message: any) => any;
  // Shows the state where the runtime does not read it from the messages.
  showState?: (state: State) => void;
};

export function createHistory(chat: ChatProps, { runtime, convert, showState }: Options): ThreadHistoryAdapter {
  const repository = (messages: any[]) =>
    ExportedMessageRepository.fromArray(convert ? messages.map(convert) : messages);
  return {
    async load() {
      const { messages, state, isOpen } = chat.stored;
      return { ...repository(messages), state, unstable_resume: isOpen };
    },

    // The server stores the messages.
    async append() {},

    // The open answer, whatever front end has begun it, as a data stream.
    async *resume({ abortSignal }) {
      let shown: unknown = null;
      try {
        const api = `/api/threads/${encodeURIComponent(chat.thread)}/data-stream/stream`;
        const response = await fetch(api, { headers: chat.headers, signal: abortSignal });
        // Nothing, if the answer has ended meanwhile.
        if (!response.body) return;
        const chunks = response.body.pipeThrough(new DataStreamDecoder());
        const messages = asAsyncIterableStream(chunks.pipeThrough(new AssistantMessageAccumulator()));
        for await (const { content, status, metadata } of messages) {
          if (metadata.unstable_state !== shown) showState?.((shown = metadata.unstable_state) as State);
          yield { content, status, metadata };
        }
      } finally {
        if (abortSignal.aborted) await chat.stop();
        // The stored answer has the id by which the server knows it.
        const { messages, state } = await chat.load();
        runtime().thread.import(repository(messages));
        showState?.(state);
      }
    },
  };
}
