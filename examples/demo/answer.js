// An assistant's answer in the page. Data reaches the document only as text nodes.

/** Makes an element; children may be elements or strings. */
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

export const pretty = (value) => JSON.stringify(value, null, 2);

/** A part whose text grows: an element around a single text node. */
class GrowingText {
  constructor(tag, className) {
    this.node = document.createTextNode("");
    this.element = make(tag, className, this.node);
  }

  append(text) {
    this.node.appendData(text);
  }
}

/** A tool call: its arguments as they come in, then its result. */
class ToolCard {
  constructor(name) {
    this.badge = make("span", "badge", "running");
    this.argumentsText = new GrowingText("pre", "arguments");
    this.hasResult = false;
    const header = make("header", "", make("code", "tool-name", name), this.badge);
    this.element = make("section", "tool", header, make("h3", "", "Arguments"), this.argumentsText.element);
    this.element.setAttribute("aria-label", `Tool call ${name}`);
  }

  finish(result, isError) {
    this.hasResult = true;
    this.setBadge(isError ? "failed" : "done");
    this.element.append(make("h3", "", "Result"), make("pre", "result", pretty(result)));
  }

  setBadge(word) {
    this.badge.textContent = word;
    this.badge.dataset.state = word;
  }
}

/** The parts of an answer, in the order in which the stream brings them. The decoders of formats.js call its methods. */
export class Answer {
  constructor(state, onState) {
    this.element = make("article", "answer streaming");
    this.element.setAttribute("aria-label", "Answer");
    this.state = state;
    this.onState = onState;
    this.calls = new Map();
    this.growing = null;
    this.finishReason = null;
  }

  appendText(text) {
    this.growingPart("text", () => new GrowingText("p", "text")).append(text);
  }

  appendReasoning(text) {
    const part = this.growingPart("reasoning", () => {
      const grown = new GrowingText("p", "");
      const details = make("details", "reasoning", make("summary", "", "Reasoning"), grown.element);
      details.open = true;
      return { append: (more) => grown.append(more), element: details };
    });
    part.append(text);
  }

  beginCall(id, name) {
    const card = new ToolCard(name);
    this.calls.set(id, card);
    this.add(card.element);
  }

  appendArguments(id, text) {
    this.calls.get(id)?.argumentsText.append(text);
  }

  finishCall(id, result, isError) {
    this.calls.get(id)?.finish(result, isError);
  }

  addSource({ url, title }) {
    const isSafe = /^https?:\/\//i.test(url);
    const chip = make(isSafe ? "a" : "span", "source-chip", title ?? url);
    if (isSafe) Object.assign(chip, { href: url, target: "_blank", rel: "noopener noreferrer" });
    const last = this.element.lastElementChild;
    const row = last?.classList.contains("sources") ? last : make("div", "sources");
    row.append(chip);
    this.add(row);
  }

  setState(state) {
    this.state = state;
    this.onState(state);
  }

  showError(message) {
    const alert = make("p", "error", message);
    alert.setAttribute("role", "alert");
    this.add(alert);
  }

  addNote(text) {
    this.add(make("p", "note", text));
  }

  finish(reason) {
    this.finishReason = reason;
  }

  /** Marks the answer as complete: its stream has ended, and some formats carry no results. */
  end() {
    this.element.classList.remove("streaming");
    for (const card of this.calls.values()) if (!card.hasResult) card.setBadge("called");
  }

  /** Appends a part; whatever grew until now is complete. */
  add(element) {
    this.growing = null;
    this.element.append(element);
  }

  growingPart(kind, create) {
    if (this.growing?.kind !== kind) {
      const part = create();
      this.add(part.element);
      this.growing = { kind, part };
    }
    return this.growing.part;
  }
}
