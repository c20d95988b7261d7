// The page: four tabs, each with a conversation of its own.

import { Answer, make, pretty } from "./answer.js";
import { FORMATS, readFrames } from "./formats.js";

const SHOWN_FRAMES = 400;

const inMilliseconds = (duration) => `${Math.max(0, Math.round(duration))} ms`;

/** One tab: its messages, its state, and at most one run at a time. */
class Conversation {
  constructor(panel) {
    panel.append(document.getElementById("conversation").content.cloneNode(true));
    this.name = panel.dataset.name;
    this.state = null;
    this.run = null;
    // The elements of the last question and its answer.
    this.last = [];
    const find = (selector) => panel.querySelector(selector);
    this.messages = find(".messages");
    this.form = find(".composer");
    this.input = find("textarea");
    this.sendButton = find(".send");
    this.stopButton = find(".stop");
    this.quickButtons = panel.querySelectorAll(".quick button");
    this.format = find("select");
    this.status = find(".status");
    this.statePanel = find(".state");
    this.frames = find(".frames");
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
    this.format.addEventListener("change", () => this.changeFormat());
    this.stopButton.addEventListener("click", () => this.stop());
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && this.isShown()) this.stop();
    });
  }

  async showSource(element) {
    const response = await fetch(`api/tabs/${this.name}`);
    element.textContent = await response.json();
  }

  async send(prompt) {
    if (this.run || !prompt.trim()) return;
    this.input.value = "";
    const question = { prompt, run_id: crypto.randomUUID(), state: this.state };
    await this.show(question, (signal) => this.ask(question, signal));
  }

  ask(question, signal) {
    return this.post(`api/chat/${this.name}`, question, signal);
  }

  post(path, question, signal) {
    return fetch(`${path}/${this.format.value}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(question),
      signal,
    });
  }

  /** Shows a question and its answer, whose response `open` returns. */
  async show({ prompt, run_id: id, state }, open, aborter = new AbortController()) {
    this.messages.querySelector(".welcome")?.remove();
    this.frames.textContent = "";
    const answer = new Answer(state, (changed) => this.showState(changed));
    this.last = [make("p", "prompt", prompt), answer.element];
    this.messages.append(...this.last);
    this.showState(state);
    const run = { id, aborter, stoppedAt: null, format: FORMATS[this.format.value] };
    this.run = run;
    this.showRunning(true);
    let failure = null;
    try {
      await this.receive(await open(aborter.signal), answer, run);
    } catch (error) {
      failure = error;
    }
    answer.end();
    const end = await this.endOf(id);
    // Meanwhile the answer is read again, or a later one.
    if (this.run !== run) return;
    this.report(run, answer, failure, end);
    this.run = null;
    this.showRunning(false);
    this.keepEndInView();
  }

  async receive(response, answer, run) {
    if (!response.ok) throw new Error(`The server answered with status ${response.status}.`);
    const { separator, decoder } = run.format;
    const decode = decoder(answer);
    for await (const frame of readFrames(response.body, separator)) {
      if (this.run !== run) return;
      this.showFrame(frame + (separator ?? "\n"));
      decode(frame);
      this.keepEndInView();
    }
  }

  changeFormat() {
    this.say(`The next answer comes as ${this.format.selectedOptions[0].label}.`);
  }

  stop() {
    if (!this.run || this.run.stoppedAt !== null) return;
    this.run.stoppedAt = Date.now();
    this.stopButton.disabled = true;
    this.say("Stopped. Waiting for the callback…");
    this.cancel(this.run);
  }

  /** Disconnects, which cancels the run. */
  cancel({ aborter }) {
    aborter.abort();
  }

  /** Says how the answer ended. Server and page have the same clock. */
  report({ stoppedAt, format }, answer, failure, end) {
    if (failure && stoppedAt === null) {
      answer.showError(failure.message);
      return this.say("The answer could not be received.");
    }
    if (end?.cancelled_at || stoppedAt !== null) answer.addNote("Stopped");
    if (!end?.cancelled_at) {
      if (stoppedAt !== null) return this.say("Stopped. The callback was not cancelled.");
      if (end?.reason === "failed") return this.say("The callback failed.");
      const limits = format.lacks ? ` This format carries no ${format.lacks}.` : "";
      return this.say((answer.finishReason ? `Finished (${answer.finishReason}).` : "Finished.") + limits);
    }
    if (stoppedAt === null) return this.say("Stopped from another tab.");
    const cancelled = inMilliseconds(end.cancelled_at - stoppedAt);
    const ended = inMilliseconds(Math.max(end.ended_at, end.cancelled_at) - stoppedAt);
    this.say(`Stopped. The callback was cancelled after ${cancelled} and had ended after ${ended}.`);
  }

  /** Returns how and when the run ended, when it has; null if the server does not know it. */
  async endOf(id) {
    try {
      return await (await fetch(`api/runs/${id}`)).json();
    } catch {
      return null;
    }
  }

  showState(state) {
    this.state = state;
    this.statePanel.textContent = pretty(state);
    this.statePanel.scrollTop = this.statePanel.scrollHeight;
  }

  showFrame(text) {
    this.frames.append(text);
    if (this.frames.childNodes.length > SHOWN_FRAMES) this.frames.firstChild.remove();
    this.frames.scrollTop = this.frames.scrollHeight;
  }

  showRunning(isRunning) {
    this.keepFocus();
    // While busy, a screen reader waits; it reads the answer once, when it is whole.
    this.messages.setAttribute("aria-busy", String(isRunning));
    this.sendButton.hidden = isRunning;
    this.stopButton.hidden = !isRunning;
    this.stopButton.disabled = false;
    for (const button of this.quickButtons) button.disabled = isRunning;
    if (isRunning) this.say("Streaming…");
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

/** A tab whose answers continue without the page; the last question is kept in the browser. */
class ResumableConversation extends Conversation {
  constructor(panel, storage) {
    super(panel);
    this.storage = storage;
    this.follow();
  }

  get question() {
    return JSON.parse(this.storage.getItem(this.name));
  }

  ask(question, signal) {
    this.storage.setItem(this.name, JSON.stringify(question));
    return this.post("api/streams", question, signal);
  }

  /** Shows the answer to the last question from its beginning; false if there is none. */
  async follow() {
    const { question, run: former } = this;
    if (!question) return false;
    this.run = null;
    former?.aborter.abort();
    this.following?.abort();
    const aborter = (this.following = new AbortController());
    const path = `api/streams/${question.run_id}/${this.format.value}`;
    const response = await fetch(path, { signal: aborter.signal }).catch(() => null);
    // Meanwhile a question was asked, or another format chosen.
    if (this.run || aborter.signal.aborted) return true;
    if (response?.status !== 200) {
      if (!this.stopButton.hidden) this.showRunning(false);
      return false;
    }
    await this.show(question, () => response, aborter);
    return true;
  }

  /** Reads the same answer in the other format. */
  async changeFormat() {
    if (!this.question) return super.changeFormat();
    for (const element of this.last) element.remove();
    if (!(await this.follow())) super.changeFormat();
  }

  cancel({ id }) {
    fetch(`api/streams/${id}`, { method: "DELETE" });
  }
}

/** A tab that shows the last question of any browser tab, and stops its answer. */
class SharedConversation extends ResumableConversation {
  constructor(panel) {
    super(panel, localStorage);
    // Called for what other tabs store.
    addEventListener("storage", ({ key, newValue }) => {
      if (key === this.name && newValue) this.follow();
    });
  }
}

const CONVERSATIONS = {
  blocking: (panel) => new Conversation(panel),
  coroutine: (panel) => new Conversation(panel),
  resumable: (panel) => new ResumableConversation(panel, sessionStorage),
  shared: (panel) => new SharedConversation(panel),
};

function showTab(tabs, chosen) {
  for (const tab of tabs) {
    const isChosen = tab === chosen;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !isChosen;
  }
}

function listenToTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const choose = (tab) => {
    history.replaceState(null, "", `#${tab.dataset.name}`);
    showTab(tabs, tab);
  };
  showTab(tabs, tabs.find(({ dataset }) => `#${dataset.name}` === location.hash) ?? tabs[0]);
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = tabs[(index + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  }
}

listenToTabs();
for (const panel of document.querySelectorAll(".panel")) CONVERSATIONS[panel.dataset.name](panel);
