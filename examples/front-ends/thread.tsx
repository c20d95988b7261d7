import { AuiIf, ComposerPrimitive, ErrorPrimitive, MessagePrimitive, ThreadPrimitive, useAuiState } from "@assistant-ui/react";
import type { EnrichedPartState } from "@assistant-ui/react";

export function Thread() {
  return (
    <ThreadPrimitive.Root>
      <ThreadPrimitive.Messages>{() => <Message />}</ThreadPrimitive.Messages>
      <ComposerPrimitive.Root>
        <ComposerPrimitive.Input aria-label="Message" />
        <ComposerPrimitive.Send>Send</ComposerPrimitive.Send>
        <AuiIf condition={(store) => store.thread.isRunning}>
          <ComposerPrimitive.Cancel>Stop</ComposerPrimitive.Cancel>
        </AuiIf>
      </ComposerPrimitive.Root>
    </ThreadPrimitive.Root>
  );
}

function Message() {
  const role = useAuiState((store) => store.message.role);
  return (
    <article aria-label={role}>
      <MessagePrimitive.Parts>{({ part }) => <Part part={part} />}</MessagePrimitive.Parts>
      <MessagePrimitive.Error>
        <ErrorPrimitive.Root role="alert">
          <ErrorPrimitive.Message />
        </ErrorPrimitive.Root>
      </MessagePrimitive.Error>
    </article>
  );
}

function Part({ part }: { part: EnrichedPartState }) {
  if (part.type === "text") return <p>{part.text}</p>;
  if (part.type === "tool-call") return <pre>{JSON.stringify([part.toolName, part.args, part.result])}</pre>;
  return null;
}
