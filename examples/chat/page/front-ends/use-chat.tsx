import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, getToolName, isToolUIPart, type UIMessage } from "ai";
import {
  lastAssistantMessageIsCompleteWithApprovalResponses as isDecided,
  lastAssistantMessageIsCompleteWithToolCalls as hasResults,
} from "ai";
import { useRef, useState } from "react";

import type { ChatProps } from "../main";
import { File, Reasoning, Source, StatePanel, Text, type State } from "../parts";
import { getTimeZone, ToolCall } from "../tools";

type Message = UIMessage<unknown, { state: State }>;

export function Chat({ thread, api, headers, stored, stop }: ChatProps) {
  const chat = useChat<Message>({
    id: thread,
    messages: stored.messages,
    resume: stored.isOpen,
    transport: new DefaultChatTransport({
      api,
      headers,
      prepareReconnectToStreamRequest: () => ({ api: `${api}/stream` }),
    }),
    sendAutomaticallyWhen: (answer) => isDecided(answer) || hasResults(answer),
    onToolCall({ toolCall: { toolName: tool, toolCallId } }) {
      // Not awaited: it waits for the answer that is being read.
      if (tool === "get_time_zone") chat.addToolOutput({ tool, toolCallId, output: getTimeZone() });
    },
  });
  const [edited, setEdited] = useState<Message>();
  const isRunning = chat.status === "submitted" || chat.status === "streaming";

  const files = useRef<HTMLInputElement>(null);
  const state = chat.messages.flatMap(({ parts }) => parts).findLast((part) => part.type === "data-state");

  function send(form: FormData) {
    const text = String(form.get("text"));
    chat.sendMessage({ text, files: files.current?.files ?? undefined, messageId: edited?.id });
    setEdited(undefined);
  }

  return (
    <main onKeyDown={({ key }) => key === "Escape" && isRunning && stop()}>
      <StatePanel state={state?.data} />
      {chat.messages.map((message) => (
        <article key={message.id} data-role={message.role}>
          {message.parts.map((part, index) => (
            <Part key={index} part={part} decide={(id, approved) => chat.addToolApprovalResponse({ id, approved })} />
          ))}
          {message.role === "user" && <button onClick={() => setEdited(message)}>Edit</button>}
          {message.role === "assistant" && (
            <button onClick={() => chat.regenerate({ messageId: message.id })}>Regenerate</button>
          )}
        </article>
      ))}
      {chat.error && <p role="alert">{chat.error.message}</p>}
      <form action={send} key={edited?.id}>
        <input
          name="text"
          aria-label="Message"
          placeholder="Write a message"
          autoFocus={edited !== undefined}
          defaultValue={edited && textOf(edited)}
        />
        <button disabled={isRunning}>Send</button>
        {isRunning && (
          <button type="button" onClick={stop}>
            Stop
          </button>
        )}
        <input type="file" ref={files} aria-label="Files" accept="image/*,text/*" multiple />
      </form>
    </main>
  );
}

function textOf(message: Message): string {
  return message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

function Part({ part, decide }: { part: Message["parts"][number]; decide: (id: string, approved: boolean) => void }) {
  switch (part.type) {
    case "text":
      return <Text text={part.text} />;
    case "reasoning":
      return <Reasoning text={part.text} />;
    case "source-url":
      return <Source url={part.url} title={part.title} />;
    case "file":
      return <File data={part.url} type={part.mediaType} name={part.filename} />;
  }
  if (!isToolUIPart(part)) return null;
  const { input, output, errorText, state, approval } = part;
  const answer = state === "approval-requested" ? (approved: boolean) => decide(approval.id, approved) : undefined;
  return <ToolCall name={getToolName(part)} input={input} output={output ?? errorText} decide={answer} />;
}
