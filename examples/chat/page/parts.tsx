// The parts of a message that all front ends show alike, and the state.

// What `chat.py` keeps in `controller.state`.
export type State = { notes: { [title: string]: string } };

export function StatePanel({ state }: { state?: State | null }) {
  const notes = Object.entries(state?.notes ?? {});
  if (notes.length === 0) return null;
  return (
    <details className="state" aria-label="State">
      <summary>Notes: {notes.map(([title]) => title).join(", ")}</summary>
      <dl>
        {notes.map(([title, text]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

// A text file, as assistant-ui sends it.
const attachment = /\s*<attachment name="(.*?)">\n([^]*?)\n<\/attachment>/g;

export function Text({ text }: { text: string }) {
  const said = text.replace(attachment, "");
  return (
    <>
      {said && <p>{said}</p>}
      {[...text.matchAll(attachment)].map(([, name, content], index) => (
        <details key={index}>
          <summary>{name}</summary>
          {content}
        </details>
      ))}
    </>
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

export function File({ data, type, name }: { data: string; type: string; name?: string }) {
  const url = data.startsWith("data:") || data.startsWith("https:") ? data : `data:${type};base64,${data}`;
  if (type.startsWith("image/")) return <img src={url} alt={name ?? "Picture"} />;
  return (
    <a href={url} download={name ?? ""}>
      {name ?? type}
    </a>
  );
}
