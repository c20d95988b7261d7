// assistant-ui's primitives: one thread for all of its runtimes.
import {
  AuiConfig,
  AuiIf,
  ComposerPrimitive,
  defineToolkit,
  ErrorPrimitive,
  MessagePrimitive,
  ThreadPrimitive,
  Tools,
  useAuiState,
  type EnrichedPartState,
  type ThreadMessage,
} from "@assistant-ui/react";

import { FilePart, Footer, Message, Part } from "./plain";
import { cityPicker, pickCity } from "./tools";

const { description, parameters } = cityPicker;
const toolkit = defineToolkit({
  pick_city: { type: "frontend", description, parameters, execute: pickCity, renderText: { running: "Choosing" } },
});

export const config = AuiConfig({ tools: Tools({ toolkit }) });

export function Thread() {
  const isRunning = useAuiState((store) => store.thread.isRunning);
  const state = useAuiState((store) => store.thread.state ?? dataNamed("state", store.thread.messages));
  return (
    <ThreadPrimitive.Root>
      <ThreadPrimitive.Messages>{() => <MessageOfThread />}</ThreadPrimitive.Messages>
      <ComposerPrimitive.Root>
        <ComposerPrimitive.Input aria-label="Message" />
        <ComposerPrimitive.Send>Send</ComposerPrimitive.Send>
        <AuiIf condition={(store) => store.thread.isRunning}>
          <ComposerPrimitive.Cancel>Stop</ComposerPrimitive.Cancel>
        </AuiIf>
      </ComposerPrimitive.Root>
      <Footer isRunning={isRunning} state={state} />
    </ThreadPrimitive.Root>
  );
}

function MessageOfThread() {
  const { role, metadata } = useAuiState((store) => store.message);
  return (
    <Message role={role}>
      <MessagePrimitive.Parts>{({ part }) => <ThreadPart part={part} />}</MessagePrimitive.Parts>
      {metadata.unstable_data?.map((data, index) => !isNamed("state", data) && <Part key={index} kind="data" data={data} />)}
      <MessagePrimitive.Error>
        <ErrorPrimitive.Root role="alert">
          <ErrorPrimitive.Message />
        </ErrorPrimitive.Root>
      </MessagePrimitive.Error>
    </Message>
  );
}

function ThreadPart({ part }: { part: EnrichedPartState }) {
  switch (part.type) {
    case "text":
    case "reasoning":
      return <Part kind={part.type} text={part.text} />;
    case "tool-call":
      return <Part kind="tool-call" name={part.toolName} args={part.args} result={part.result} />;
    case "source":
      return part.sourceType === "url" ? (
        <Part kind="source" title={part.title} url={part.url} />
      ) : (
        <Part kind="document" title={part.title} type={part.mediaType} />
      );
    case "file":
      return <FilePart type={part.mimeType} url={asUrl(part.data, part.mimeType)} />;
    case "data":
      return <Part kind="data" name={part.name} data={part.data} />;
  }
  throw new Error(`no component for ${part.type}`);
}

function asUrl(data: string, type: string): string {
  return /^[a-z]+:/i.test(data) ? data : `data:${type};base64,${data}`;
}

/** The UI message stream does not support a state: it arrives as data of that name. */
function dataNamed(name: string, messages: readonly ThreadMessage[]): unknown {
  const data: readonly unknown[] = messages.flatMap((message) => message.metadata.unstable_data ?? []);
  return data.findLast((value) => isNamed(name, value))?.data ?? null;
}

type Named = { name: string; data: unknown };

function isNamed(name: string, value: unknown): value is Named {
  return typeof value === "object" && value !== null && "name" in value && value.name === name;
}
