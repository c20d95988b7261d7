// The parts of a message that all front ends show alike, and the tool that runs in the page.

export function getTimeZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

type ToolCallProps = { name: string; input: any; output: unknown; decide?: (isApproved: boolean) => void };

export function ToolCall({ name, input, output, decide }: ToolCallProps) {
  // The arguments of a note are shown while the model writes them.
  if (name === "write_note") return <Note {...input} />;
  return (
    <pre>
      {name} {JSON.stringify(input)} {JSON.stringify(output)}
      {decide && <button onClick={() => decide(true)}>Yes</button>}
      {decide && <button onClick={() => decide(false)}>No</button>}
    </pre>
  );
}

function Note({ title, text }: { title?: string; text?: string }) {
  return (
    <aside aria-label="Note">
      <h2>{title}</h2>
      <p>{text}</p>
    </aside>
  );
}

export function Reasoning({ text }: { text: string }) {
  return <p className="reasoning">({text})</p>;
}

export function Source({ url, title }: { url: string; title?: string }) {
  return (
    <a href={url} target="_blank" rel="noreferrer">
      {title ?? url}
    </a>
  );
}

export function File({ data, type }: { data: string; type: string }) {
  const url = data.startsWith("data:") || data.startsWith("https:") ? data : `data:${type};base64,${data}`;
  if (type.startsWith("image/")) return <img src={url} alt="Picture of the assistant" />;
  return (
    <a href={url} download>
      {type}
    </a>
  );
}
