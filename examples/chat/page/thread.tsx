// The thread of the three assistant-ui runtimes.
import {
  ActionBarPrimitive,
  AttachmentPrimitive,
  AuiConfig,
  AuiIf,
  ComposerPrimitive,
  CompositeAttachmentAdapter,
  defineToolkit,
  ErrorPrimitive,
  MessagePrimitive,
  SimpleImageAttachmentAdapter,
  SimpleTextAttachmentAdapter,
  ThreadPrimitive,
  Tools,
  useAui,
  useAuiState,
  type EnrichedPartState,
  type ThreadMessage,
} from "@assistant-ui/react";
import { parsePartialJsonObject } from "assistant-stream/utils";

import { File, Reasoning, Source, StatePanel, Text, type State } from "./parts";
import { getTimeZone, ToolCall } from "./tools";

const toolkit = defineToolkit({
  get_time_zone: {
    type: "frontend",
    description: "Return the time zone of the user.",
    parameters: { type: "object", properties: {} },
    execute: async () => getTimeZone(),
    renderText: { running: "Reading the time zone" },
  },
});

export const config = AuiConfig({ tools: Tools({ toolkit }) });
export const attachments = new CompositeAttachmentAdapter([
  new SimpleImageAttachmentAdapter(),
  new SimpleTextAttachmentAdapter(),
]);

export function Thread() {
  const state = useAuiState((store) => store.thread.state as State | null);
  // AG-UI begins no answer while an approval is open.
  const waits = useAuiState((store) => isInterrupted(store.thread.messages.at(-1)));
  return (
    <ThreadPrimitive.Root>
      <StatePanel state={state} />
      <ThreadPrimitive.Messages components={{ UserMessage, AssistantMessage, EditComposer }} />
      <ComposerPrimitive.Root>
        <ComposerPrimitive.Input
          aria-label="Message"
          placeholder={waits ? "Please decide first" : "Write a message"}
          readOnly={waits}
        />
        <ComposerPrimitive.AddAttachment>Attach</ComposerPrimitive.AddAttachment>
        <ComposerPrimitive.Send>Send</ComposerPrimitive.Send>
        <AuiIf condition={(store) => store.thread.isRunning}>
          <ComposerPrimitive.Cancel>Stop</ComposerPrimitive.Cancel>
        </AuiIf>
        <ComposerPrimitive.Attachments>{() => <Attachment />}</ComposerPrimitive.Attachments>
      </ComposerPrimitive.Root>
    </ThreadPrimitive.Root>
  );
}

function isInterrupted(message?: ThreadMessage): boolean {
  return message?.status?.type === "requires-action" && message.status.reason === "interrupt";
}

function Attachment() {
  return (
    <AttachmentPrimitive.Root>
      <AttachmentPrimitive.Name /> <AttachmentPrimitive.Remove>Remove</AttachmentPrimitive.Remove>
    </AttachmentPrimitive.Root>
  );
}

function UserMessage() {
  // The stored message has them among its parts.
  const attachments = useAuiState((store) => store.message.attachments);
  return (
    <MessagePrimitive.Root data-role="user">
      <MessagePrimitive.Parts>{({ part }) => <Part part={part} />}</MessagePrimitive.Parts>
      {attachments?.flatMap(({ content }) => content ?? []).map((part, index) => (
        <Part key={index} part={part as EnrichedPartState} />
      ))}
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
      <Regenerate />
    </MessagePrimitive.Root>
  );
}

// AG-UI splits an answer at its tool calls: the button below its end is for all of it.
function Regenerate() {
  const aui = useAui();
  const index = useAuiState((store) => store.message.index);
  const isEnd = useAuiState((store) => store.thread.messages[index + 1]?.role !== "assistant");
  const isBusy = useAuiState(({ thread }) => thread.isRunning || isInterrupted(thread.messages.at(-1)));

  function regenerate() {
    const { messages, capabilities } = aui.thread.getState();
    const place = messages.findLastIndex(({ role }, position) => position < index && role === "user");
    const question = messages[place];
    if (capabilities.reload) return aui.thread.startRun({ parentId: question.id });
    // The assistant transport edits only: the question is asked again.
    aui.thread.append({ ...question, sourceId: question.id, parentId: messages[place - 1]?.id ?? null });
  }
  if (!isEnd) return null;
  return (
    <button onClick={regenerate} disabled={isBusy}>
      Regenerate
    </button>
  );
}

function Part({ part }: { part: EnrichedPartState }) {
  switch (part.type) {
    case "text":
      return <Text text={part.text} />;
    case "reasoning":
      return <Reasoning text={part.text} />;
    case "source":
      return part.sourceType === "url" ? <Source url={part.url} title={part.title} /> : null;
    case "image":
      return <File data={part.image} type="image/*" name={part.filename} />;
    case "file":
      return <File data={part.data} type={part.mimeType} name={part.filename} />;
    case "data":
      return <DataPart name={part.name} data={part.data} />;
    case "tool-call":
      return <ToolCall name={part.toolName} input={inputOf(part)} output={part.result} decide={decisionOf(part)} />;
  }
  return null;
}

// AG-UI has events of its own for neither sources nor files.
function DataPart({ name, data }: { name: string; data: any }) {
  if (name === "source") return <Source url={data.url} title={data.title} />;
  return name === "file" ? <File data={data.data} type={data.mimeType} /> : null;
}

type ToolCallState = EnrichedPartState & { type: "tool-call" };

// The runtime of AG-UI parses the arguments when they are complete.
function inputOf({ args, argsText }: ToolCallState) {
  return Object.keys(args).length > 0 ? args : (parsePartialJsonObject(argsText) ?? {});
}

function decisionOf(part: ToolCallState) {
  if (part.result !== undefined || part.approval?.approved !== undefined) return undefined;
  // The server runs a tool after its approval; `confirm` is a tool of the page, and its result the answer.
  if (part.approval) return (approved: boolean) => part.respondToApproval({ approved });
  return part.toolName === "confirm" ? part.addResult : undefined;
}
