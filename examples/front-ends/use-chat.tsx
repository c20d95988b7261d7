import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, getToolName, isToolUIPart, type UIMessage } from "ai";
import { createRoot } from "react-dom/client";

const transport = new DefaultChatTransport({ api: "/use-chat" });

function Chat() {
  const { messages, sendMessage, stop, status, error } = useChat({ transport });
  const isRunning = status === "submitted" || status === "streaming";
  return (
    <main>
      {messages.map((message) => (
        <article key={message.id} aria-label={message.role}>
          {message.parts.map((part, index) => (
            <Part key={index} part={part} />
          ))}
        </article>
      ))}
      {error && <p role="alert">{error.message}</p>}
      <form action={(form) => void sendMessage({ text: String(form.get("text")) })}>
        <input name="text" aria-label="Message" />
        <button disabled={isRunning}>Send</button>
        <button type="button" disabled={!isRunning} onClick={stop}>
          Stop
        </button>
      </form>
    </main>
  );
}

function Part({ part }: { part: UIMessage["parts"][number] }) {
  if (part.type === "text") return <p>{part.text}</p>;
  if (isToolUIPart(part)) return <pre>{JSON.stringify([getToolName(part), part.input, part.output])}</pre>;
  return null;
}

createRoot(document.getElementById("root")!).render(<Chat />);
