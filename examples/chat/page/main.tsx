// Logs in, loads a thread and shows its front end, all named by the address: ?front-end=use-chat&thread=1
import { StrictMode, useEffect, useState, type ComponentType } from "react";
import { createRoot } from "react-dom/client";

export type Headers = { [name: string]: string };
export type ChatProps = { thread: string; api: string; headers: Headers; history: any[] };

type Session = { csrf: string | null; threads: string[] };
type LoadedProps = ChatProps & { Chat: ComponentType<ChatProps>; threads: string[] };

const address = new URLSearchParams(location.search);
const frontEnd = address.get("front-end") ?? "use-chat";
const thread = address.get("thread") ?? "1";
const api = `/api/threads/${encodeURIComponent(thread)}/${frontEnd}`;

async function fetchJson(path: string, options?: RequestInit) {
  const response = await fetch(path, options);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

function App() {
  const [props, setProps] = useState<LoadedProps>();
  const [error, setError] = useState<string>();

  async function enter(session: Promise<Session>) {
    try {
      const { csrf, threads } = await session;
      if (csrf === null) return setError("");
      const [{ Chat }, history] = await Promise.all([import(`./front-ends/${frontEnd}.tsx`), fetchJson(api)]);
      // Strict mode loads twice: the front ends keep their first history.
      setProps((props) => props ?? { Chat, thread, api, headers: { "x-csrftoken": csrf }, history, threads });
    } catch (error) {
      setError((error as Error).message);
    }
  }

  function logIn(form: FormData) {
    return enter(fetchJson("/api/login", { method: "POST", body: JSON.stringify(Object.fromEntries(form)) }));
  }

  useEffect(() => {
    enter(fetchJson("/api/session"));
  }, []);

  if (props) {
    return (
      <>
        <nav>
          {[...props.threads, crypto.randomUUID()].map((id, index) => (
            <a key={id} href={`?front-end=${frontEnd}&thread=${encodeURIComponent(id)}`}>
              {index < props.threads.length ? id : "New thread"}{" "}
            </a>
          ))}
        </nav>
        <props.Chat {...props} />
      </>
    );
  }
  if (error === undefined) return null;
  return (
    <form action={logIn}>
      <input name="user" aria-label="User" />
      <input name="password" aria-label="Password" type="password" />
      <button>Log in</button>
      {error && <p role="alert">{error}</p>}
    </form>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
