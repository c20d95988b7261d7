// The page: three tabs, each with a conversation of its own. Data reaches the document only as text nodes.

import { applyOperation, readFrames, readLines } from "./data-stream.js";

const WIRE_LINES = 400;

/** Makes an element; children may be elements or strings. */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

const pretty = (value) => JSON.stringify(value, null, 2);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const inMilliseconds = (duration) => `${Math.max(0, Math.round(duration))} ms`;

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
  constructor({ toolName }) {
    this.badge = make("span", "badge", "arguments");
    this.argumentsText = new GrowingText("pre", "arguments");
    this.element = make(
      "section",
      "tool",
      make("header", "", make("code", "tool-name", toolName), this.badge),
      make("h3", "", "Arguments"),
      this.argumentsText.element,
    );
    this.element.setAttribute("aria-label", `Tool call ${toolName}`);
  }

  appendArguments({ argsTextDelta, isFinal }) {
    this.argumentsText.append(argsTextDelta);
    if (isFinal) this.setBadge("running");
  }

  finish({ result, isError }) {
    this.setBadge(isError ? "failed" : "done");
    this.element.append(make("h3", "", "Result"), make("pre", "result", pretty(result)));
  }

  setBadge(word) {
    this.badge.textContent = word;
    this.badge.dataset.state = word;
  }
}

/** An assistant's answer: parts in the order in which the stream brings them. */
class Answer {
  constructor() {
    this.element = make("article", "answer streaming");
    this.tools = new Map();
    this.growing = null;
    this.finishReason = null;
    this.failed = false;
  }

  apply(code, value) {
    Answer.frames[code]?.call(this, value);
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

  beginToolCall(value) {
    const card = new ToolCard(value);
    this.tools.set(value.toolCallId, card);
    this.add(card.element);
  }

  addSource({ url, title }) {
    const safe = /^https?:\/\//i.test(url);
    const chip = make(safe ? "a" : "span", "source-chip", title ?? url);
    if (safe) Object.assign(chip, { href: url, target: "_blank", rel: "noopener noreferrer" });
    const last = this.element.lastElementChild;
    const row = last?.classList.contains("sources") ? last : make("div", "sources");
    row.append(chip);
    this.add(row);
  }

  showError(message) {
    this.failed = true;
    const alert = make("p", "error", message);
    alert.setAttribute("role", "alert");
    this.add(alert);
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

  static frames = {
    0: Answer.prototype.appendText,
    g: Answer.prototype.appendReasoning,
    b: Answer.prototype.beginToolCall,
    c(value) {
      this.tools.get(value.toolCallId)?.appendArguments(value);
    },
    a(value) {
      this.tools.get(value.toolCallId)?.finish(value);
    },
    h: Answer.prototype.addSource,
    3: Answer.prototype.showError,
    d({ finishReason }) {
      this.finishReason = finishReason;
    },
    // Steps (f, e) and application data (2, also the keepalive) have nothing to show here.
  };
}

/** One tab: its messages, its state, and at most one run at a time. */
class Conversation {
  constructor(panel) {
    panel.append(document.getElementById("conversation").content.cloneNode(true));
    this.kind = panel.dataset.kind;
    this.state = null;
    this.run = null;
    const find = (selector) => panel.querySelector(selector);
    this.messages = find(".messages");
    this.form = find(".composer");
    this.input = find("textarea");
    this.sendButton = find(".send");
    this.stopButton = find(".stop");
    this.quickButtons = panel.querySelectorAll(".quick button");
    this.status = find(".status");
    this.statePanel = find(".state");
    this.wire = find(".wire");
    this.format = find(".format");
    this.isShown = () => !panel.hidden;
    this.listen();
    this.showSource(find(".source"));
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(this.input.value);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.send(this.input.value);
    });
    for (const button of this.quickButtons) {
      button.addEventListener("click", () => this.send(button.dataset.prompt));
    }
    this.stopButton.addEventListener("click", () => this.stop());
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && this.isShown()) this.stop();
    });
  }

  async showSource(element) {
    const response = await fetch(`api/callbacks/${this.kind}`);
    element.textContent = (await response.json()).source;
  }

  async send(prompt) {
    if (this.run || !prompt.trim()) return;
    this.input.value = "";
    await this.show(prompt, crypto.randomUUID(), () => this.post(`api/chat/${this.kind}`, prompt));
  }

  /** Shows a prompt and its answer, whose response `open` requests. */
  async show(prompt, id, open) {
    this.messages.querySelector(".welcome")?.remove();
    this.messages.append(make("p", "prompt", prompt));
    this.wire.textContent = "";
    const answer = new Answer();
    this.messages.append(answer.element);
    this.run = { id, aborter: new AbortController(), stoppedAt: null };
    this.showRunning(true);
    try {
      await this.receive(await open(), answer);
      if (this.run.stoppedAt === null) this.report(answer);
      else await this.reportStop(answer);
    } catch (error) {
      if (this.run.stoppedAt === null) this.reportFailure(answer, error);
      else await this.reportStop(answer);
    } finally {
      answer.element.classList.remove("streaming");
      this.run = null;
      this.showRunning(false);
      this.keepEndInView();
    }
  }

  post(url, prompt) {
    return fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt, state: this.state, run_id: this.run.id }),
      signal: this.run.aborter.signal,
    });
  }

  async receive(response, answer) {
    if (!response.ok) throw new Error(`The server answered with status ${response.status}.`);
    for await (const { code, value, line } of readFrames(response.body)) {
      this.showWire(line);
      if (code === "aui-state") this.changeState(value);
      else answer.apply(code, value);
      this.keepEndInView();
    }
  }

  stop() {
    if (!this.run || this.run.stoppedAt !== null) return;
    this.run.stoppedAt = Date.now();
    this.stopButton.disabled = true;
    this.cancel();
  }

  /** Cancels the run: the callback learns that its reader has left. */
  cancel() {
    this.run.aborter.abort();
  }

  report(answer) {
    if (answer.failed) this.say("The callback failed.");
    else if (answer.finishReason) this.say(`Finished (${answer.finishReason}).`);
    else this.say("The connection ended before the answer did.");
  }

  reportFailure(answer, error) {
    answer.showError(error.message);
    this.say("The answer could not be received.");
  }

  /** Ask the server when the callback was cancelled and ended; both clocks are this machine's. */
  async reportStop(answer) {
    const { id, stoppedAt } = this.run;
    answer.element.append(make("p", "note", "Stopped"));
    this.say("Stopped. Waiting for the callback…");
    const times = await this.timesOf(id);
    if (!times?.learned_at) return this.say("Stopped. The callback was not cancelled.");
    const learned = inMilliseconds(times.learned_at - stoppedAt);
    const ended = inMilliseconds(times.ended_at - stoppedAt);
    this.say(`Stopped. The callback was cancelled after ${learned} and had ended after ${ended}.`);
  }

  async timesOf(id) {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const response = await fetch(`api/runs/${id}`);
      const times = response.ok ? await response.json() : null;
      if (times?.ended_at) return times;
      await pause(50);
    }
    return null;
  }

  changeState(operations) {
    this.state = operations.reduce(applyOperation, this.state);
    this.statePanel.textContent = pretty(this.state);
    this.statePanel.scrollTop = this.statePanel.scrollHeight;
  }

  showWire(line) {
    this.wire.append(`${line}\n`);
    if (this.wire.childNodes.length > WIRE_LINES) this.wire.firstChild.remove();
    this.wire.scrollTop = this.wire.scrollHeight;
  }

  showRunning(running) {
    this.keepFocus();
    // While busy, a screen reader waits; it reads the answer once, when it is whole.
    this.messages.setAttribute("aria-busy", String(running));
    this.sendButton.hidden = running;
    this.stopButton.hidden = !running;
    this.stopButton.disabled = false;
    for (const button of this.quickButtons) button.disabled = running;
    if (running) this.say("Streaming…");
  }

  /** Moves the focus to the input from buttons that go away; elsewhere it stays. */
  keepFocus() {
    const { activeElement } = document;
    const stays = activeElement !== document.body && !activeElement.closest(".composer, .quick");
    if (this.isShown() && !stays) this.input.focus();
  }

  say(text) {
    this.status.textContent = text;
  }

  /** Follows the answer, unless the reader has scrolled up. */
  keepEndInView() {
    const { scrollHeight, scrollTop, clientHeight } = this.messages;
    if (scrollHeight - scrollTop - clientHeight < 160) this.messages.scrollTop = scrollHeight;
  }
}

/** The tab whose answers go on without the page: after a reload they are shown from their beginning. */
class ResumableConversation extends Conversation {
  static KEY = "open-answer";

  constructor(panel) {
    super(panel);
    this.format.hidden = false;
    this.format.addEventListener("change", () => this.showFrames());
    const open = sessionStorage.getItem(ResumableConversation.KEY);
    if (open) this.resume(JSON.parse(open));
  }

  post(url, prompt) {
    const { id } = this.run;
    sessionStorage.setItem(ResumableConversation.KEY, JSON.stringify({ id, prompt, state: this.state }));
    return this.withFrames(id, super.post(`api/streams/${id}`, prompt));
  }

  async resume({ id, prompt, state }) {
    const response = await fetch(`api/streams/${id}/data-stream`);
    if (response.status !== 200 || this.run) return;
    // The answer changes the state in which it began.
    this.state = state;
    await this.show(prompt, id, () => this.withFrames(id, response));
  }

  cancel() {
    fetch(`api/streams/${this.run.id}`, { method: "DELETE" });
  }

  /** Waits for a response and shows the frames of its run, which exists then. */
  async withFrames(id, response) {
    const arrived = await response;
    this.shownId = id;
    this.showFrames();
    return arrived;
  }

  /** Reads the run once more, in the format that is chosen. */
  async showFrames() {
    this.frames?.abort();
    if (!this.shownId) return;
    const { signal } = (this.frames = new AbortController());
    this.wire.textContent = "";
    try {
      const response = await fetch(`api/streams/${this.shownId}/${this.format.value}`, { signal });
      for await (const line of readLines(response.body)) super.showWire(line);
    } catch (error) {
      if (!signal.aborted) this.wire.append(error.message);
    }
  }

  showWire() {}
}

function showTab(tabs, chosen) {
  sessionStorage.setItem("tab", chosen.id);
  for (const tab of tabs) {
    const selected = tab === chosen;
    tab.setAttribute("aria-selected", String(selected));
    tab.tabIndex = selected ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !selected;
  }
}

function listenToTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const before = tabs.find(({ id }) => id === sessionStorage.getItem("tab"));
  if (before) showTab(tabs, before);
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => showTab(tabs, tab));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = tabs[(index + step + tabs.length) % tabs.length];
      showTab(tabs, next);
      next.focus();
    });
  }
}

listenToTabs();
for (const panel of document.querySelectorAll(".panel")) {
  if (panel.dataset.kind === "resumable") new ResumableConversation(panel);
  else new Conversation(panel);
}
