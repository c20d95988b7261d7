// The client code that real front ends run, behind one function: `decode`.
// Used by decode.mjs (one stream) and worker.mjs (many).
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { inspect } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));

// The decoding that is under way. Clients log to the console and reject promises that nobody holds, so there
// is one at a time.
let run;

// ---------------------------------------------------------------- capture ---
const render = (args) =>
  args
    .map((a) =>
      typeof a === "string" ? a : a instanceof Error ? `${a.name}: ${a.message}` : inspect(a, { depth: 4 }),
    )
    .join(" ");
console.warn = (...args) => run.warnings.push(render(args));
console.error = (...args) => run.warnings.push(render(args));
// stdout carries the results only, so a chatty client must not reach it.
console.log = console.info = console.debug = () => {};
export const harnessWarn = (text) => run.warnings.push(`harness: ${text}`);

const describe = (e) =>
  e instanceof Error ? `${e.name}: ${e.message}` : typeof e === "string" ? e : inspect(e);
const fail = (e) => {
  // Not of a stream, but of this program.
  if (!run) throw e;
  run.error ??= describe(e);
};
process.on("unhandledRejection", fail);
process.on("uncaughtException", fail);

// ----------------------------------------------------------------- source ---
// The content types of the formats that are not server-sent events.
export const PLAIN_TYPE = {
  "data-stream": "text/plain; charset=utf-8",
  "ai-sdk-v4-data-stream": "text/plain; charset=utf-8",
};

const bytesToStream = (bytes, n) => {
  let at = 0;
  return new ReadableStream({
    pull(c) {
      if (at >= bytes.length) return c.close();
      const end = n ? Math.min(at + n, bytes.length) : bytes.length;
      c.enqueue(new Uint8Array(bytes.subarray(at, end)));
      at = end;
    },
  });
};

// A response of stored bytes, handed over `fragment` at a time, or all at once.
export const storedResponse = (protocol, bytes, fragment) => {
  run.rawParts.push(bytes);
  return new Response(bytesToStream(bytes, fragment), {
    headers: { "content-type": PLAIN_TYPE[protocol] ?? "text/event-stream" },
  });
};

// A live response whose bytes are noted as they are read.
export const spied = (response) =>
  new Response(
    response.body.pipeThrough(
      new TransformStream({
        transform(p, c) {
          run.rawParts.push(Buffer.from(p));
          c.enqueue(p);
        },
      }),
    ),
    { status: response.status, headers: response.headers },
  );

// -------------------------------------------------------------- utilities ---
const record = (c) => {
  run.onChunk?.();
  run.chunks.push(structuredClone(c));
};
const recorder = () =>
  new TransformStream({
    transform(c, ctl) {
      record(c);
      ctl.enqueue(c);
    },
  });
const drain = async (stream, each) => {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    each(value);
  }
};
const rawText = () => Buffer.concat(run.rawParts).toString("utf8");
const requireDone = () => {
  if (!/(^|\r\n|\n|\r)data: ?\[DONE\](\r\n|\n|\r)(\r\n|\n|\r)/.test(rawText()))
    harnessWarn("the stream did not end with a complete 'data: [DONE]' event");
};
// Wall-clock values would make two decodes of the same bytes differ, and
// `content` is only an alias of `parts`.
const tidyAuiMessage = (m) => {
  if (!m) return null;
  const { content: _alias, ...rest } = m;
  const { timing: _t, ...metadata } = rest.metadata ?? {};
  return {
    ...rest,
    parts: rest.parts.map(({ timing: _p, ...p }) => p),
    metadata,
  };
};
export const jsonSafe = (_k, v) =>
  v === undefined ? undefined : typeof v === "bigint" ? v.toString() : v;

// ---------------------------------------------------------------- clients ---
const assistantStream = async (kind, response) => {
  const m = await import("assistant-stream");
  const strict = !run.lenient;
  const decoder =
    kind === "data-stream"
      ? new m.DataStreamDecoder({ strict })
      : kind === "assistant-transport"
        ? new m.AssistantTransportDecoder({ strict })
        : new m.UIMessageStreamDecoder({ onData: (d) => record({ type: "onData", ...d }) });
  let last = null;
  const acc = new m.AssistantMessageAccumulator({
    strict,
    onError: (e) => run.streamErrors.push(String(e)),
    ...(run.initialState !== undefined
      ? { initialMessage: m.unstable_createInitialMessage({ unstable_state: run.initialState }) }
      : {}),
  });
  try {
    await drain(response.body.pipeThrough(decoder).pipeThrough(recorder()).pipeThrough(acc), (v) => {
      last = v;
    });
  } finally {
    run.message = tidyAuiMessage(last);
  }
  if (kind === "ui-message-stream") auditUiFrames();
  if (kind === "data-stream") auditDataFrames();
};

// Frames the data-stream decoder discards without a word.
const auditDataFrames = () => {
  const answered = new Set();
  const argsSeen = new Map(); // id -> any argument text since its begin frame
  for (const line of rawText().split(/\r\n|\r|\n/)) {
    const at = line.indexOf(":");
    if (at < 0) continue;
    const code = line.slice(0, at);
    if (code === "i" || code === "j") harnessWarn(`client ignores frame code ${code}`);
    if (!"abc9".includes(code) || code.length !== 1) continue;
    let v;
    try {
      v = JSON.parse(line.slice(at + 1));
    } catch {
      continue; // the client itself warned
    }
    if (code === "b") argsSeen.set(v.toolCallId, false);
    if (code === "c" && v.argsTextDelta) argsSeen.set(v.toolCallId, true);
    if (code === "9" && argsSeen.get(v.toolCallId) === false && Object.keys(v.args ?? {}).length)
      harnessWarn(`client ignores the args of frame 9 after a begin frame: ${v.toolCallId}`);
    if (code === "a") {
      if (answered.has(v.toolCallId)) harnessWarn(`client ignores the second result for ${v.toolCallId}`);
      answered.add(v.toolCallId);
    }
  }
};

// assistant-stream's UI decoder ignores frames it does not know without a word;
// report them so that "nothing dropped" can be asserted.
const UI_KNOWN = new Set(
  ("start text-start text-delta text-end reasoning-start reasoning-delta reasoning-end source source-url file " +
    "tool-call-start tool-call-delta tool-call-end tool-result tool-input-start tool-input-delta tool-input-available " +
    "tool-input-error tool-output-available tool-output-error start-step finish-step finish error").split(" "),
);
const sseData = (text) => {
  const out = [];
  for (const block of text.split(/(?:\r\n|\r|\n){2,}/)) {
    const d = block
      .split(/\r\n|\r|\n/)
      .filter((l) => l.startsWith("data:"))
      .map((l) => l.slice(5).replace(/^ /, ""));
    if (d.length) out.push(d.join("\n"));
  }
  return out;
};
const auditUiFrames = () => {
  const started = new Set();
  for (const d of sseData(rawText())) {
    if (d === "[DONE]") break;
    let v;
    try {
      v = JSON.parse(d);
    } catch {
      continue; // the client itself warned
    }
    const t = v?.type;
    if (typeof t !== "string" || t.startsWith("data-")) continue;
    if (!UI_KNOWN.has(t)) harnessWarn(`client ignores frame type ${t}`);
    if (["tool-input-start", "tool-input-available", "tool-input-error", "tool-call-start"].includes(t))
      started.add(v.toolCallId);
    if (t.startsWith("tool-output-") && !started.has(v.toolCallId))
      harnessWarn(`client ignores ${t} for unknown tool call ${v.toolCallId}`);
    if (t === "tool-input-delta" && !started.has(v.toolCallId))
      harnessWarn(`client ignores ${t} for unknown tool call ${v.toolCallId}`);
  }
};

const aiSdkV4 = async (response) => {
  const ui = await import("@ai-sdk/ui-utils");
  const [forParts, forChat] = response.body.tee();
  const on = (name) => (value) => {
    if (name === "error") run.streamErrors.push(String(value));
    record({ type: name, value });
  };
  const partsDone = ui.processDataStream({
    stream: forParts,
    onTextPart: on("text"),
    onReasoningPart: on("reasoning"),
    onReasoningSignaturePart: on("reasoning_signature"),
    onRedactedReasoningPart: on("redacted_reasoning"),
    onSourcePart: on("source"),
    onFilePart: on("file"),
    onDataPart: on("data"),
    onErrorPart: on("error"),
    onToolCallStreamingStartPart: on("tool_call_streaming_start"),
    onToolCallDeltaPart: on("tool_call_delta"),
    onToolCallPart: on("tool_call"),
    onToolResultPart: on("tool_result"),
    onMessageAnnotationsPart: on("message_annotations"),
    onFinishMessagePart: on("finish_message"),
    onFinishStepPart: on("finish_step"),
    onStartStepPart: on("start_step"),
  });
  let last = null;
  let data = [];
  let n = 0;
  const chat = ui.callChatApi({
    api: "/api/chat",
    body: { messages: [] },
    streamProtocol: "data",
    credentials: undefined,
    headers: undefined,
    abortController: undefined,
    restoreMessagesOnFailure: () => {},
    onResponse: undefined,
    onUpdate: (u) => {
      last = u.message;
      if (u.data) data = u.data; // cumulative
    },
    onFinish: () => {},
    onToolCall: undefined,
    generateId: () => `generated-${++n}`,
    fetch: async () => new Response(forChat, { headers: response.headers }),
    lastMessage: undefined,
    requestType: "generate",
  });
  const [a, b] = await Promise.allSettled([partsDone, chat]);
  if (last) {
    const { createdAt: _c, ...m } = last;
    run.message = { ...m, data };
  }
  if (a.status === "rejected") throw a.reason;
  if (b.status === "rejected" && !run.streamErrors.includes(b.reason?.message)) throw b.reason;
};

const aiSdkUi = async (pkg, response) => {
  const ai = await import(pkg);
  const transport = new ai.DefaultChatTransport({ api: "/api/chat", fetch: async () => response });
  const stream = await transport.sendMessages({
    trigger: "submit-message",
    chatId: "harness",
    messageId: undefined,
    messages: [{ id: "u1", role: "user", parts: [{ type: "text", text: "hi" }] }],
    abortSignal: undefined,
  });
  const carried = [];
  let failure = null;
  let last = null;
  const spied = stream.pipeThrough(
    new TransformStream({
      transform(c, ctl) {
        record(c);
        if (c.type === "error") carried.push(c.errorText);
        ctl.enqueue(c);
      },
    }),
  );
  const onError = (e) => {
    const i = carried.indexOf(e?.message);
    if (i >= 0) run.streamErrors.push(carried.splice(i, 1)[0]);
    else failure ??= e;
  };
  for await (const m of ai.readUIMessageStream({ stream: spied, onError })) last = m;
  run.message = last;
  if (failure) throw failure;
  requireDone();
  for (const p of last?.parts ?? [])
    if (p.state === "streaming" || p.state === "input-streaming")
      harnessWarn(`part ${p.type} was never finished (state ${p.state})`);
};

const openaiChat = async (response) => {
  const { default: OpenAI, APIError } = await import("openai");
  const client = new OpenAI({
    apiKey: "unused",
    baseURL: "http://127.0.0.1/v1",
    maxRetries: 0,
    fetch: async () => response,
  });
  const s = client.chat.completions.stream({ model: "harness", messages: [{ role: "user", content: "hi" }] });
  s.on("chunk", record);
  try {
    run.message = structuredClone(await s.finalChatCompletion());
  } catch (e) {
    try {
      run.message = structuredClone(s.currentChatCompletionSnapshot ?? null);
    } catch {
      run.message = null;
    }
    if (e instanceof APIError) run.streamErrors.push(e.message);
    else throw e;
  }
  // After an error event the client reads no further, so the end was perhaps never seen.
  if (!run.streamErrors.length) requireDone();
};

const agUi = async (pkg, response) => {
  const { HttpAgent } = await import(pkg);
  const agent = new HttpAgent({
    url: "http://127.0.0.1/agent",
    threadId: "harness-thread",
    fetch: async () => response,
    ...(run.initialState !== undefined ? { initialState: run.initialState } : {}),
  });
  let failure = null;
  const finish = {};
  try {
    const r = await agent.runAgent(
      { runId: "harness-run" },
      {
        onEvent: ({ event }) => void record(event),
        onRunErrorEvent: ({ event }) => void run.streamErrors.push(event.message),
        onRunFailed: ({ error }) => void (failure ??= error),
        onRunFinishedEvent: (p) => {
          finish.outcome = p.outcome;
          finish.pendingToolCallIds = p.pendingToolCallIds;
        },
      },
    );
    finish.result = r.result;
  } catch (e) {
    failure ??= e;
  }
  run.message = { messages: agent.messages, state: agent.state, ...finish };
  if (failure && !run.streamErrors.includes(failure.message)) throw failure;
  if (pkg === "@ag-ui/client") await auditAgUiEvents();
  if (!run.streamErrors.length && !run.chunks.some((c) => c.type === "RUN_FINISHED"))
    harnessWarn("the run never finished (no RUN_FINISHED or RUN_ERROR)");
};

// What the newest client converts or strips. The 0.0.59 line checks every event with a schema of its own.
const auditAgUiEvents = async () => {
  const { EventSchemas } = await import("@ag-ui/core/schemas");
  for (const d of sseData(rawText())) {
    let v;
    try {
      v = JSON.parse(d);
    } catch {
      continue;
    }
    const p = EventSchemas.safeParse(v);
    if (!p.success)
      harnessWarn(`event ${v?.type} fails the published schema: ${JSON.stringify(p.error.issues).slice(0, 300)}`);
  }
};

// ------------------------------------------------------------------- main ---
const CLIENTS = {
  "data-stream": ["assistant-stream", (response) => assistantStream("data-stream", response)],
  "assistant-transport": ["assistant-stream", (response) => assistantStream("assistant-transport", response)],
  "ui-message-stream": ["assistant-stream", (response) => assistantStream("ui-message-stream", response)],
  "ai-sdk-v4-data-stream": ["@ai-sdk/ui-utils", aiSdkV4],
  "ai-sdk-ui": ["ai", (response) => aiSdkUi("ai", response)],
  "ai-sdk-ui-v6": ["ai-v6", (response) => aiSdkUi("ai-v6", response)],
  "ai-sdk-ui-v5": ["ai-v5", (response) => aiSdkUi("ai-v5", response)],
  "openai-chat": ["openai", openaiChat],
  "ag-ui": ["@ag-ui/client", (response) => agUi("@ag-ui/client", response)],
  "ag-ui-v0": ["ag-ui-client-v0", (response) => agUi("ag-ui-client-v0", response)],
};
export const PROTOCOLS = Object.keys(CLIENTS);

const clientName = (dir) => {
  const pkg = JSON.parse(readFileSync(join(here, "node_modules", dir, "package.json"), "utf8"));
  return `${pkg.name}@${pkg.version}`;
};

// What was decoded so far: the object that README.md describes.
const outcome = () => ({
  protocol: run.protocol,
  client: run.client,
  chunks: run.chunks,
  message: run.message,
  streamErrors: run.streamErrors,
  warnings: run.warnings,
  error: run.error,
});

export const exitStatus = ({ error, warnings }) => (error === null && warnings.length === 0 ? 0 : 1);

// A client that never settles on a truncated stream leaves the event loop empty.
let giveUp = () => {};
process.on("beforeExit", () => giveUp());

// Decodes the response that `open` returns; never rejects.
// Options: lenient, initialState, onChunk (called for every decoded chunk).
export const decode = async (protocol, open, options = {}) => {
  const [dir, client] = CLIENTS[protocol];
  run = {
    ...options,
    protocol,
    client: clientName(dir),
    chunks: [],
    message: null,
    streamErrors: [],
    warnings: [],
    error: null,
    rawParts: [], // every byte the client was given, for the end-marker checks
  };
  const unsettled = new Promise((_, reject) => {
    giveUp = () => reject("the client never settled: the stream ended without the end it waits for");
  });
  try {
    await Promise.race([open().then(client), unsettled]);
  } catch (e) {
    fail(e);
  }
  await new Promise((r) => setTimeout(r, 0)); // let late rejections land
  return outcome();
};
