// Operations on the state: those of assistant-ui's formats, and the JSON patches of AG-UI.

const UNSAFE_KEYS = new Set(["__proto__", "constructor", "prototype"]);

/** Returns the state after one operation; the state given is left as it was. */
export function applyOperation(state, { type, path, value }) {
  if (path.length === 0) return type === "append-text" ? state + value : value;
  const [key, ...deeper] = path;
  if (UNSAFE_KEYS.has(key)) throw new Error(`The state cannot have a key named ${key}`);
  const copy = Array.isArray(state) ? [...state] : { ...state };
  copy[key] = applyOperation(copy[key] ?? null, { type, path: deeper, value });
  return copy;
}

/** Returns a change of a JSON patch as an operation. Only additions and replacements: this state never shrinks. */
export function operationOf({ path, value }) {
  const keys = path.split("/").slice(1);
  return { type: "set", path: keys.map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~")), value };
}
