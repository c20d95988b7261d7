// The thread of the three assistant-ui runtimes.
import {
  ActionBarPrimitive,
  AuiConfig,
  AuiIf,
  ComposerPrimitive,
  defineToolkit,
  ErrorPrimitive,
  MessagePrimitive,
  ThreadPrimitive,
  Tools,
  type EnrichedPartState,
} from "@assistant-ui/react";
import { parsePartialJsonObject } from "assistant-stream/utils";

import { File, getTimeZone, Reasoning, Source, ToolCall } from "./parts";

const toolkit = defineToolkit({
  get_time_zone: {
    type: "frontend",
    description: "Return the time zone of the user.",
    parameters: { type: "object", properties: {} },
    execute: async () => getTimeZone(),
  },
});

export const config = AuiConfig({ tools: Tools({ toolkit }) });

export function Thread() {
  return (
    <ThreadPrimitive.Root>
      <ThreadPrimitive.Messages components={{ UserMessage, AssistantMessage, EditComposer }} />
      <ComposerPrimitive.Root>
        <ComposerPrimitive.Input aria-label="Message" placeholder="Write a message" />
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
  switch (part.type) {
    case "text":
      return <p>{part.text}</p>;
    case "reasoning":
      return <Reasoning text={part.text} />;
    case "source":
      return part.sourceType === "url" ? <Source url={part.url} title={part.title} /> : null;
    case "image":
      return <File data={part.image} type="image/*" />;
    case "file":
      return <File data={part.data} type={part.mimeType} />;
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
