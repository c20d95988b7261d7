import { HttpAgent, type CustomEvent, type Message as AgentMessage } from "ag-ui-client-v1";
import { useEffect, useMemo, useReducer, useState } from "react";

import { Composer, Footer, Message, Part } from "../plain";
import { cityPicker, pickCity } from "../tools";

export function Chat({ api }: { api: string }) {
  const agent = useMemo(() => new HttpAgent({ url: api }), [api]);
  const [, show] = useReducer((times: number) => times + 1, 0);
  const [events, setEvents] = useState<CustomEvent[]>([]);
  const [error, setError] = useState<string>();
  const [isRunning, setRunning] = useState(false);

  useEffect(() => {
    const subscription = agent.subscribe({
      onMessagesChanged: show,
      onStateChanged: show,
      onCustomEvent: ({ event }) => setEvents((events) => [...events, event]),
      onRunErrorEvent: ({ event }) => setError(event.message),
    });
    return () => subscription.unsubscribe();
  }, [agent]);

  async function send(content: string) {
    agent.addMessage({ id: crypto.randomUUID(), role: "user", content });
    setRunning(true);
    do await agent.runAgent({ tools: [cityPicker] });
    while (await answerCalls(agent));
    setRunning(false);
  }

  return (
    <main>
      {events.map(({ name, value }, index) => (
        <Part key={index} kind="data" name={name} data={value} />
      ))}
      {agent.messages.map((message) => (
        <Message key={message.id} role={message.role}>
          <AgentParts message={message} all={agent.messages} />
        </Message>
      ))}
      <Composer isRunning={isRunning} onSend={send} onStop={() => agent.abortRun()} />
      <Footer isRunning={isRunning} error={error} state={agent.state} />
    </main>
  );
}

/** Run the tools of the page that were called; return whether the assistant waits for a result. */
async function answerCalls(agent: HttpAgent): Promise<boolean> {
  const last = agent.messages.at(-1);
  const calls = last?.role === "assistant" ? (last.toolCalls ?? []) : [];
  for (const { id, function: call } of calls) {
    const content = await pickCity(JSON.parse(call.arguments));
    agent.addMessage({ id: crypto.randomUUID(), role: "tool", toolCallId: id, content });
  }
  return calls.length > 0;
}

function AgentParts({ message, all }: { message: AgentMessage; all: AgentMessage[] }) {
  if (message.role === "reasoning") return <Part kind="reasoning" text={message.content} />;
  if (message.role !== "user" && message.role !== "assistant") return null;
  const calls = message.role === "assistant" ? (message.toolCalls ?? []) : [];
  return (
    <>
      {message.content && <Part kind="text" text={message.content} />}
      {calls.map(({ id, function: { name, arguments: args } }) => (
        <Part key={id} kind="tool-call" name={name} args={JSON.parse(args)} result={resultOf(id, all)} />
      ))}
    </>
  );
}

function resultOf(id: string, messages: AgentMessage[]): unknown {
  const message = messages.find((message) => message.role === "tool" && message.toolCallId === id);
  return message?.content;
}
