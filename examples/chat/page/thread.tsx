// The thread of the three assistant-ui runtimes.
import {
  ActionBarPrimitive,
  AuiIf,
  ComposerPrimitive,
  ErrorPrimitive,
  MessagePrimitive,
  ThreadPrimitive,
  useAuiState,
  type EnrichedPartState,
} from "@assistant-ui/react";

export function Thread() {
  return (
    <ThreadPrimitive.Root>
      <ThreadPrimitive.Messages components={{ UserMessage, AssistantMessage, EditComposer }} />
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

function UserMessage() {
  return (
    <MessagePrimitive.Root data-role="user">
      <MessagePrimitive.Parts>{({ part }) => <Part part={part} />}</MessagePrimitive.Parts>
      <ActionBarPrimitive.Edit>Edit</ActionBarPrimitive.Edit>
    </MessagePrimitive.Root>
  );
}

function EditComposer() {
  return (
    <ComposerPrimitive.Root>
      <ComposerPrimitive.Input aria-label="Edited message" />
      <ComposerPrimitive.Send>Save</ComposerPrimitive.Send>
    </ComposerPrimitive.Root>
  );
}

function AssistantMessage() {
  return (
    <MessagePrimitive.Root data-role="assistant">
      <MessagePrimitive.Parts>{({ part }) => <Part part={part} />}</MessagePrimitive.Parts>
      <MessagePrimitive.Error>
        <ErrorPrimitive.Root role="alert">
          <ErrorPrimitive.Message />
        </ErrorPrimitive.Root>
      </MessagePrimitive.Error>
      <ActionBarPrimitive.Reload>Regenerate</ActionBarPrimitive.Reload>
    </MessagePrimitive.Root>
  );
}

function Part({ part }: { part: EnrichedPartState }) {
  if (part.type === "text") return <p>{part.text}</p>;
  if (part.type === "reasoning") return <p>({part.text})</p>;
  if (part.type !== "tool-call") return null;
  const isOpen = part.result === undefined && part.approval?.approved === undefined;
  // The server runs a tool after its approval; `confirm` is a tool of the page, and its result the answer.
  const decide =
    isOpen && part.approval ? (approved: boolean) => part.respondToApproval({ approved })
    : isOpen && part.toolName === "confirm" ? part.addResult
    : undefined;
  return (
    <pre>
      {part.toolName} {JSON.stringify(part.args)} {JSON.stringify(part.result)}
      {decide && <button onClick={() => decide(true)}>Yes</button>}
      {decide && <button onClick={() => decide(false)}>No</button>}
    </pre>
  );
}
