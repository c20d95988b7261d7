import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, getToolName, isToolUIPart, type UIMessage } from "ai";
import { lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";
import { useState } from "react";

import type { ChatProps } from "../main";

export function Chat({ thread, api, headers, history, isOpen, stop }: ChatProps) {
  const chat = useChat({
    id: thread,
    messages: history,
    resume: isOpen,
    transport: new DefaultChatTransport({
      api,
      headers,
      prepareReconnectToStreamRequest: () => ({ api: `${api}/stream` }),
    }),
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  const [edited, setEdited] = useState<UIMessage>();
  const isRunning = chat.status === "submitted" || chat.status === "streaming";

  function send(form: FormData) {
    chat.sendMessage({ text: String(form.get("text")), messageId: edited?.id });
    setEdited(undefined);
  }

  return (
    <main>
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
        <input name="text" aria-label="Message" defaultValue={edited && textOf(edited)} />
        <button disabled={isRunning}>Send</button>
        {isRunning && (
          <button type="button" onClick={stop}>
            Stop
          </button>
        )}
      </form>
    </main>
  );
}

function textOf(message: UIMessage): string {
  return message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

function Part({ part, decide }: { part: UIMessage["parts"][number]; decide: (id: string, approved: boolean) => void }) {
  if (part.type === "text") return <p>{part.text}</p>;
  if (part.type === "reasoning") return <p>({part.text})</p>;
  if (!isToolUIPart(part)) return null;
  return (
    <pre>
      {getToolName(part)} {JSON.stringify(part.input)} {JSON.stringify(part.output ?? part.errorText)}
      {part.state === "approval-requested" && (
        <>
          <button onClick={() => decide(part.approval.id, true)}>Yes</button>
          <button onClick={() => decide(part.approval.id, false)}>No</button>
        </>
      )}
    </pre>
  );
}
