// What the pages have in common: how a part of a message looks, and a composer for those that bring none.
import { useState, type ReactNode } from "react";

/** One part of a message: its kind, and what it holds. */
export function Part({ kind, children, ...fields }: { kind: string; children?: ReactNode; [field: string]: unknown }) {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  return (
    <dl data-part={kind}>
      {known.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd data-field={name}>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
        </div>
      ))}
      {children}
    </dl>
  );
}

export function FilePart({ type, url }: { type: string; url: string }) {
  return (
    <Part kind="file" type={type}>
      <img src={url} alt="" />
    </Part>
  );
}

export function Message({ role, children }: { role: string; children: ReactNode }) {
  return <article data-role={role}>{children}</article>;
}

export function Composer({ isRunning, onSend, onStop }: {
  isRunning: boolean;
  onSend: (text: string) => void;
  onStop: () => void;
}) {
  const [text, setText] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onSend(text);
        setText("");
      }}
    >
      <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
      <button disabled={isRunning}>Send</button>
      <button type="button" onClick={onStop} disabled={!isRunning}>
        Stop
      </button>
    </form>
  );
}

/** What is shown beside the messages: whether an answer is coming, what went wrong, and the state. */
export function Footer({ isRunning, error, state }: { isRunning: boolean; error?: string; state?: unknown }) {
  return (
    <footer>
      <output>{isRunning ? "running" : "ready"}</output>
      {error && <p role="alert">{error}</p>}
      <pre data-state>{JSON.stringify(state ?? null)}</pre>
    </footer>
  );
}
