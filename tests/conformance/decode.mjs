#!/usr/bin/env node
// Decodes wire bytes with the client code that real front ends run.
// Usage and output: README.md in this folder.
import { readFileSync } from "node:fs";
import { PLAIN_TYPE, PROTOCOLS, decode, exitStatus, fail, harnessWarn, jsonSafe, outcome, storedResponse } from "./clients.mjs";

// ------------------------------------------------------------------- args ---
const usage = () => {
  process.stderr.write(
    `usage: node decode.mjs <protocol> <file|-> [--fragment N] [--lenient] [--initial-state JSON]\n` +
      `       node decode.mjs <protocol> --url URL [--method POST] [--json '{...}'] [--header 'k: v']... [--no-header-check]\n` +
      `protocols: ${PROTOCOLS.join(", ")}\n`,
  );
  process.exit(2);
};

const opts = { headers: {}, positional: [], headerCheck: true };
{
  const argv = process.argv.slice(2);
  for (let i = 0; i < argv.length; i++) {
    const a = argv[i];
    const next = () => (i + 1 < argv.length ? argv[++i] : usage());
    if (a === "--fragment") opts.fragment = Number(next());
    else if (a === "--url") opts.url = next();
    else if (a === "--method") opts.method = next();
    else if (a === "--json") opts.json = next();
    else if (a === "--header") {
      const h = next();
      const c = h.indexOf(":");
      if (c < 1) usage();
      opts.headers[h.slice(0, c).trim()] = h.slice(c + 1).trim();
    } else if (a === "--lenient") opts.lenient = true;
    else if (a === "--initial-state") opts.initialState = JSON.parse(next());
    else if (a === "--no-header-check") opts.headerCheck = false;
    else if (a.startsWith("--")) usage();
    else opts.positional.push(a);
  }
}
const [protocol, file] = opts.positional;
if (!PROTOCOLS.includes(protocol)) usage();
if (!opts.url === !file) usage(); // exactly one source
if (opts.fragment !== undefined && !(Number.isInteger(opts.fragment) && opts.fragment > 0)) usage();

// ----------------------------------------------------------------- source ---
const readStdin = async () => {
  const parts = [];
  for await (const p of process.stdin) parts.push(p);
  return Buffer.concat(parts);
};

const t0 = performance.now();
const ms = () => Math.round((performance.now() - t0) * 10) / 10;
const chunkTimes = [];

let responseInfo;
const openResponse = async () => {
  if (!opts.url) return storedResponse(protocol, file === "-" ? await readStdin() : readFileSync(file), opts.fragment);
  const u = new URL(opts.url);
  if (!["127.0.0.1", "localhost", "[::1]"].includes(u.hostname))
    throw new Error("--url accepts only a loopback server");
  const r = await fetch(u, {
    method: opts.method ?? (opts.json !== undefined ? "POST" : "GET"),
    headers: {
      ...(opts.json !== undefined ? { "content-type": "application/json" } : {}),
      ...opts.headers,
    },
    ...(opts.json !== undefined ? { body: opts.json } : {}),
    redirect: "error",
  });
  responseInfo = { status: r.status, headers: Object.fromEntries(r.headers), headersMs: ms() };
  if (!r.ok) throw new Error(`HTTP ${r.status}: ${(await r.text()).slice(0, 500)}`);
  if (!r.body) throw new Error("response has no body");
  if (opts.headerCheck) checkHeaders(r.headers);
  return r;
};

const mediaType = (h) => (h.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
const checkHeaders = (h) => {
  const sse = !(protocol in PLAIN_TYPE);
  const want = sse ? "text/event-stream" : "text/plain";
  if (mediaType(h) !== want) harnessWarn(`content-type is ${h.get("content-type")}, expected ${want}`);
  // useDataStreamRuntime picks its decoder from these two headers.
  const data = h.get("x-vercel-ai-data-stream")?.trim() === "v1";
  const ui = h.get("x-vercel-ai-ui-message-stream")?.trim() === "v1";
  if (protocol in PLAIN_TYPE && !data)
    harnessWarn("no 'x-vercel-ai-data-stream: v1': useDataStreamRuntime would decode this as a UI message stream");
  if (["ui-message-stream", "ai-sdk-ui", "ai-sdk-ui-v6", "ai-sdk-ui-v5"].includes(protocol) && (!ui || data))
    harnessWarn("'x-vercel-ai-ui-message-stream: v1' is absent or contradicted by a data-stream header");
};

// ------------------------------------------------------------------- main ---
let finished = false;
const finishUp = () => {
  if (finished) return;
  finished = true;
  const out = outcome();
  if (opts.url) {
    out.response = responseInfo ?? null;
    out.timing = {
      firstChunkMs: chunkTimes[0] ?? null,
      lastChunkMs: chunkTimes.at(-1) ?? null,
      endMs: ms(),
      chunkMs: chunkTimes,
    };
  }
  const code = exitStatus(out);
  process.stdout.write(JSON.stringify(out, jsonSafe, 2) + "\n", () => process.exit(code));
};
// A client that waits for ever on a truncated stream leaves the event loop empty.
process.on("beforeExit", () => {
  fail("the client never settled: the stream ended without the end it waits for");
  finishUp();
});

await decode(protocol, openResponse, {
  lenient: opts.lenient,
  initialState: opts.initialState,
  onChunk: () => chunkTimes.push(ms()),
});
finishUp();
