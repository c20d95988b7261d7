// Decodes what a loopback server answers, and checks its headers.
import { PLAIN_TYPE, decode, harnessWarn, spied } from "./clients.mjs";

const mediaType = (h) => (h.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
const checkHeaders = (protocol, h) => {
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

// Decodes a server's response; the result has its status, headers and timing too.
// Options: method, json (the body), headers, headerCheck, lenient, initialState.
export const decodeLive = async (protocol, url, { method, json, headers, headerCheck = true, ...options }) => {
  const t0 = performance.now();
  const ms = () => Math.round((performance.now() - t0) * 10) / 10;
  const chunkMs = [];
  let response = null;
  const open = async () => {
    const u = new URL(url);
    if (!["127.0.0.1", "localhost", "[::1]"].includes(u.hostname))
      throw new Error("--url accepts only a loopback server");
    const r = await fetch(u, {
      method: method ?? (json !== undefined ? "POST" : "GET"),
      headers: { ...(json !== undefined ? { "content-type": "application/json" } : {}), ...headers },
      ...(json !== undefined ? { body: json } : {}),
      redirect: "error",
    });
    response = { status: r.status, headers: Object.fromEntries(r.headers), headersMs: ms() };
    if (!r.ok) throw new Error(`HTTP ${r.status}: ${(await r.text()).slice(0, 500)}`);
    if (!r.body) throw new Error("response has no body");
    if (headerCheck) checkHeaders(protocol, r.headers);
    return spied(r);
  };
  const out = await decode(protocol, open, { ...options, onChunk: () => chunkMs.push(ms()) });
  const timing = { firstChunkMs: chunkMs[0] ?? null, lastChunkMs: chunkMs.at(-1) ?? null, endMs: ms(), chunkMs };
  return { ...out, response, timing };
};
