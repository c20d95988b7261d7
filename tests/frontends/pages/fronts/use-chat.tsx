import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls, type UIMessage } from "ai";

import { Composer, FilePart, Footer, Message, Part } from "../plain";
import { cityPicker, pickCity } from "../tools";

export function Chat({ api }: { api: string }) {
  const { messages, sendMessage, stop, status, error, addToolOutput } = useChat({
    transport: new DefaultChatTransport({ api }),
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
    async onToolCall({ toolCall: { toolName, toolCallId, input } }) {
      if (toolName !== cityPicker.name) return;
      // Not awaited: it waits for the answer that is being read.
      addToolOutput({ tool: toolName, toolCallId, output: await pickCity(input as { options: string[] }) });
    },
  });
  const isRunning = status === "submitted" || status === "streaming";
  const parts = messages.flatMap((message) => message.parts);
  return (
    <main>
      {messages.map((message) => (
        <Message key={message.id} role={message.role}>
          {message.parts.map((part, index) => (
            <UIPart key={index} part={part} />
          ))}
        </Message>
      ))}
      <Composer isRunning={isRunning} onSend={(text) => sendMessage({ text })} onStop={stop} />
      <Footer
        isRunning={isRunning}
        error={error?.message}
        state={parts.findLast((part): part is StatePart => part.type === "data-state")?.data}
      />
    </main>
  );
}

type StatePart = { type: "data-state"; data: unknown };

function UIPart({ part }: { part: UIMessage["parts"][number] }) {
  switch (part.type) {
    case "text":
    case "reasoning":
      return <Part kind={part.type} text={part.text} />;
    case "source-url":
      return <Part kind="source" title={part.title} url={part.url} />;
    case "source-document":
      return <Part kind="document" title={part.title} type={part.mediaType} />;
    case "file":
      return <FilePart type={part.mediaType} url={part.url} />;
    case "step-start":
    case "data-state":
      return null;
  }
  if (part.type.startsWith("tool-") && "input" in part) {
    const { input, output, errorText } = part;
    return <Part kind="tool-call" name={part.type.slice("tool-".length)} args={input} result={output} error={errorText} />;
  }
  if ("data" in part) return <Part kind="data" name={part.type.slice("data-".length)} data={part.data} />;
  throw new Error(`no component for ${part.type}`);
}
