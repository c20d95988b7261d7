#!/usr/bin/env node
// Resumes an answer of a loopback server as the AI SDK does after a reload, and as `EventSource` does after each cut,
// and prints what was received: { "transports": { version: { nothing, texts, ids } }, "events": [[id, data], ...] }.
import { EventSourceParserStream } from "eventsource-parser/stream";

const [base] = process.argv.slice(2);
const versions = { 5: await import("ai-v5"), 6: await import("ai-v6"), 7: await import("ai") };

const resumed = async ({ DefaultChatTransport }) => {
  const transport = new DefaultChatTransport({ api: `${base}/chat` });
  const nothing = await transport.reconnectToStream({ chatId: "unknown" });
  return { nothing, stream: await transport.reconnectToStream({ chatId: "live/1" }) };
};
const read = async ({ nothing, stream }) => {
  const texts = [];
  let id = null;
  for await (const chunk of stream) {
    if (chunk.type === "start") id = chunk.messageId;
    if (chunk.type === "text-delta") texts.push(chunk.delta);
  }
  return { nothing, texts, id };
};

// A connection of `EventSource`, which Node.js 20 has not: it is cut after some events. Returns null at a 204.
const connect = async (last, most) => {
  const response = await fetch(`${base}/events/live%2F1`, { headers: last ? { "last-event-id": last } : {} });
  if (response.status === 204) return null;
  const parsed = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  const events = [];
  for await (const event of parsed) {
    events.push([event.id ?? null, event.data]);
    if (events.length === most) break;
  }
  return events;
};

const live = await Promise.all(Object.values(versions).map(resumed));
const events = await connect(null, 3);
await fetch(`${base}/go`);
const answers = await Promise.all(live.map(read));
for (;;) {
  const last = events.findLast(([id]) => id !== null)?.[0];
  const more = await connect(last, 4);
  if (more === null) break;
  events.push(...more);
}
const transports = Object.fromEntries(Object.keys(versions).map((version, i) => [version, answers[i]]));
process.stdout.write(JSON.stringify({ transports, events }));
