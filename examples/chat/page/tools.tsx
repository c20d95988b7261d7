// The tools: what their calls look like, whose arguments grow while the model writes them, and the one of the page.
import type { ComponentType, ReactNode } from "react";

export function getTimeZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

type ToolCallProps = {
  name: string;
  // The model writes one field after the other.
  input: any;
  output: any;
  // The answer of the user, if the tool waits for it.
  decide?: (isApproved: boolean) => void;
};

const cards: { [name: string]: ComponentType<ToolCallProps> } = {
  get_weather: Weather,
  send_mail: Mail,
  write_note: Note,
  confirm: Question,
};

export function ToolCall(props: ToolCallProps) {
  const Card = Object.hasOwn(cards, props.name) ? cards[props.name] : OtherTool;
  return <Card {...props} input={props.input ?? {}} />;
}

function Weather(call: ToolCallProps) {
  const { input, output } = call;
  return (
    <Card call={call} label="Weather" title={`Weather in ${input.city ?? "…"}`}>
      {output === undefined && <span className="quiet">Looking …</span>}
      {output?.celsius !== undefined && <strong className="large">{output.celsius} °C</strong>}
      <span>{output?.sky}</span>
    </Card>
  );
}

function Mail(call: ToolCallProps) {
  const { input, output, decide } = call;
  return (
    <Card call={call} label="Mail" title={`Mail to ${input.to ?? "…"}`}>
      <blockquote>{input.text}</blockquote>
      {decide && <span>Send it?</span>}
      {typeof output === "string" && <span className="quiet">{output}</span>}
    </Card>
  );
}

function Question(call: ToolCallProps) {
  const { input, output } = call;
  return (
    <Card call={call} label="Question" title={input.question ?? "…"}>
      {typeof output === "boolean" && <span className="quiet">Your answer: {output ? "Yes" : "No"}</span>}
    </Card>
  );
}

function Note({ input: { title, text } }: ToolCallProps) {
  return (
    <aside aria-label="Note" className="card">
      <h2>{title}</h2>
      <p>{text}</p>
    </aside>
  );
}

function OtherTool(call: ToolCallProps) {
  return (
    <section aria-label={call.name} className="card">
      <Call {...call} />
      <Decision {...call} />
    </section>
  );
}

type CardProps = { call: ToolCallProps; label: string; title: string; children: ReactNode };

function Card({ call, label, title, children }: CardProps) {
  return (
    <section aria-label={label} className="card">
      <h2>{title}</h2>
      {children}
      <Decision {...call} />
      <details>
        <summary>Call</summary>
        <Call {...call} />
      </details>
    </section>
  );
}

function Decision({ decide }: ToolCallProps) {
  if (!decide) return null;
  return (
    <div>
      <button onClick={() => decide(true)}>Yes</button>
      <button onClick={() => decide(false)}>No</button>
    </div>
  );
}

function Call({ name, input, output }: ToolCallProps) {
  return (
    <pre>
      {name} {JSON.stringify(input)} {JSON.stringify(output)}
    </pre>
  );
}
