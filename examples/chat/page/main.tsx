// Logs in, loads a thread and shows its front end, all named by the address: ?front-end=use-chat&thread=1
import { StrictMode, useEffect, useState, type ComponentType } from "react";
import { createRoot } from "react-dom/client";

import type { State } from "./parts";

export type Headers = { [name: string]: string };
export type Stored = {
  messages: any[];
  state: State;
  // Whether an answer to the messages is being sent.
  isOpen: boolean;
};
export type ChatProps = {
  thread: string;
  api: string;
  headers: Headers;
  stored: Stored;
  load: () => Promise<Stored>;
  // Resolves when the answer is stored as far as it came.
  stop: () => Promise<void>;
};

type Session = { csrf: string | null; threads: string[] };
type LoadedProps = ChatProps & { Chat: ComponentType<ChatProps>; threads: string[]; number: number };

const frontEnds = {
  "use-chat": "AI SDK",
  "data-stream": "Data stream",
  "assistant-transport": "Assistant transport",
  "ag-ui": "AG-UI",
};
const address = new URLSearchParams(location.search);
const frontEnd = address.get("front-end") ?? "use-chat";
const thread = address.get("thread") ?? "1";
const api = `/api/threads/${encodeURIComponent(thread)}/${frontEnd}`;

function linkTo(frontEnd: string, thread: string) {
  return `?front-end=${frontEnd}&thread=${encodeURIComponent(thread)}`;
}

async function fetchJson(path: string, options?: RequestInit) {
  const response = await fetch(path, options);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

// How often the thread was loaded: more than once when the network was away.
let loads = 0;

function App() {
  const [props, setProps] = useState<LoadedProps>();
  const [error, setError] = useState<string>();

  async function enter(session: Promise<Session>, number = 0) {
    try {
      const { csrf, threads } = await session;
      if (csrf === null) return setError("");
      const load = () => fetchJson(api);
      const [{ Chat }, stored] = await Promise.all([import(`./front-ends/${frontEnd}.tsx`), load()]);
      const headers = { "x-csrftoken": csrf };
      // Leaving does not stop an answer, so that it can be resumed.
      async function stop() {
        if (number === loads) await fetchJson(`${api}/stop`, { method: "POST", headers }).catch(() => {});
      }
      loads = Math.max(loads, number);
      const loaded = { Chat, thread, api, headers, stored, load, stop, threads, number };
      // Strict mode loads twice: the front ends keep their first history.
      setProps((props) => (props && props.number >= number ? props : loaded));
    } catch (error) {
      setError((error as Error).message);
    }
  }

  function logIn(form: FormData) {
    return enter(fetchJson("/api/login", { method: "POST", body: JSON.stringify(Object.fromEntries(form)) }));
  }

  useEffect(() => {
    enter(fetchJson("/api/session"));
    // After the network was away, the answer is resumed as after a reload.
    const reconnect = () => enter(fetchJson("/api/session"), loads + 1);
    addEventListener("online", reconnect);
    return () => removeEventListener("online", reconnect);
  }, []);

  if (props) {
    return (
      <>
        <nav aria-label="Front ends">
          {Object.entries(frontEnds).map(([name, label]) => (
            <a key={name} href={linkTo(name, thread)} aria-current={name === frontEnd ? "page" : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <nav aria-label="Threads">
          {[...props.threads, crypto.randomUUID()].map((id, index) => (
            <a key={id} href={linkTo(frontEnd, id)} aria-current={id === thread ? "page" : undefined}>
              {index < props.threads.length ? id : "New thread"}{" "}
            </a>
          ))}
        </nav>
        <props.Chat key={props.number} {...props} />
      </>
    );
  }
  if (error === undefined) return null;
  return (
    <form action={logIn}>
      <input name="user" aria-label="User" placeholder="User" />
      <input name="password" aria-label="Password" placeholder="Password" type="password" />
      <button>Log in</button>
      {error && <p role="alert">{error}</p>}
    </form>
  );
}

// The page follows an answer that grows, unless the user has scrolled up.
let height = 0;
new ResizeObserver(() => {
  const isAtEnd = scrollY + innerHeight > height - 100;
  height = document.documentElement.scrollHeight;
  if (isAtEnd) scrollTo(0, height);
}).observe(document.body);

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
