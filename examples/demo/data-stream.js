// The data stream, decoded: lines of `code:json`, and the operations on the state that some of them carry.

const UNSAFE_KEYS = new Set(["__proto__", "constructor", "prototype"]);

/** Yields each frame of a response body as `{code, value, line}`. */
export async function* readFrames(body) {
  for await (const line of readLines(body)) {
    const colon = line.indexOf(":");
    yield { code: line.slice(0, colon), value: JSON.parse(line.slice(colon + 1)), line };
  }
}

/** Yields the lines of a response body that are not empty. */
export async function* readLines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield* lines.filter((line) => line.trim());
  }
}

/** Returns the state after one operation; the state given is left as it was. */
export function applyOperation(state, { type, path, value }) {
  if (path.length === 0) return type === "append-text" ? state + value : value;
  const [key, ...deeper] = path;
  if (UNSAFE_KEYS.has(key)) throw new Error(`The state cannot have a key named ${key}`);
  const copy = Array.isArray(state) ? [...state] : { ...state };
  copy[key] = applyOperation(copy[key] ?? null, { type, path: deeper, value });
  return copy;
}
