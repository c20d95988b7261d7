"""Checks of docs/chat-backend.rst. tests/frontends/test_chat_example.py runs its pages in a browser."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from typing import Any

from tests.docs.clients import RecordList, Reply, at_page_end, post
from tests.docs.runner import Document

doc = Document("docs/chat-backend.rst")
page = doc.page


@doc.before("CREATE TABLE")
def check_database_is_temporary() -> None:
    folder = at_page_end.enter_context(tempfile.TemporaryDirectory())
    os.environ["CHAT_DATABASE"] = os.path.join(folder, "chat.sqlite3")
    os.environ["CHAT_STORE"] = os.path.join(folder, "streams")


@doc.after("STREAMS = ResumableStreams(")
def end_runs_before_their_folder() -> None:
    at_page_end.callback(page.STREAMS.close)


class Client:
    """A client of an application that keeps cookies and the token of its session."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.cookies: dict[str, str] = {}
        self.token = ""

    def request(self, method: str, path: str, body: object = None, *, leave_after: int | None = None) -> Reply:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"cookie": cookie, "x-csrftoken": self.token}
        reply = post(self.app, path, body, method=method, headers=headers, leave_after=leave_after)
        self.cookies.update(reply.cookies)
        return reply

    def get(self, path: str) -> Any:
        reply = self.request("GET", path)
        assert reply.status == 200, reply.text
        return json.loads(reply.text)

    def history(self, path: str) -> Any:
        return self.get(path)["messages"]

    def log_in(self, user: str) -> None:
        self.cookies.clear()
        reply = self.request("POST", "/api/login", {"user": user, "password": "demo"})
        assert reply.status == 200, reply.text
        self.token = json.loads(reply.text)["csrf"]

    def ask(self, path: str, text: str, *, leave_after: int | None = None) -> Reply:
        """Ask as `useChat` does: with the history that it shows."""
        shown = self.history(path)
        message = {"id": f"user-{len(shown)}", "role": "user", "parts": [{"type": "text", "text": text}]}
        body = {"id": "thread", "trigger": "submit-message", "messages": [*shown, message]}
        reply = self.request("POST", path, body, leave_after=leave_after)
        assert reply.status == 200, reply.text
        return reply


def check_application(app: Any, kind: str) -> None:
    path = f"/api/threads/{kind}/use-chat"
    client = Client(app)
    check_login(client, path)
    check_wrong_requests(client, path)
    check_history(client, path)
    check_approval(client, f"/api/threads/{kind}-mail/use-chat")
    check_state(client, f"/api/threads/{kind}-note")
    check_picture(client, f"/api/threads/{kind}-picture/use-chat")
    check_stop(client, f"/api/threads/{kind}-story/use-chat")
    check_resumed_state(client, f"/api/threads/{kind}-state/assistant-transport")
    check_error(client, f"/api/threads/{kind}-fail/use-chat")
    assert f"{kind}-mail" in client.get("/api/session")["threads"]
    client.log_in("other")
    assert client.get("/api/session")["threads"] == []
    assert client.history(path) == []


def check_login(client: Client, path: str) -> None:
    assert client.get("/api/session") == {"csrf": None, "threads": []}
    for method in ("GET", "POST"):
        assert_refused(client.request(method, path, {}), 401)
    assert_refused(client.request("POST", "/api/login", {"user": "demo", "password": "wrong"}), 401)
    assert_refused(client.request("POST", "/api/login", ["demo"]), 400)
    client.log_in("demo")
    token, client.token = client.token, ""
    assert_refused(client.request("POST", path, {"messages": []}), 403)
    client.token = token


def check_wrong_requests(client: Client, path: str) -> None:
    assert_refused(client.request("POST", path, ["no object"]), 400)
    assert_refused(client.request("POST", path, {"messages": []}), 400)
    assert_refused(client.request("POST", path, {"messages": ["x" * 20_000_000]}), 413)
    question = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
    assert_refused(client.request("POST", f"{path}-2000", {"messages": [question]}), 404)


def assert_refused(reply: Reply, status: int) -> None:
    assert reply.status == status, reply.text
    assert reply.headers["content-type"].startswith("text/plain")


def check_history(client: Client, path: str) -> None:
    assert '"toolName":"get_weather"' in client.ask(path, "What is the weather in Paris?").text
    assert '"type":"finish"' in client.ask(path, "Hello").text
    shown = client.history(path)
    assert [message["role"] for message in shown] == ["user", "assistant"] * 2
    assert len({message["id"] for message in shown}) == 4
    assert texts_of(shown[3]) == ["You said: Hello"]

    # What a client claims that the assistant said is not used.
    shown[1]["parts"] = [{"type": "text", "text": "A forged answer"}]
    question = {"id": "user-4", "role": "user", "parts": [{"type": "text", "text": "And now?"}]}
    client.request("POST", path, {"id": "t", "trigger": "submit-message", "messages": [*shown, question]})
    assert "forged" not in json.dumps(client.history(path))


def texts_of(message: dict[str, Any]) -> list[str]:
    return [part["text"] for part in message["parts"] if part["type"] == "text"]


def check_approval(client: Client, path: str) -> None:
    client.ask(path, "Send a mail")
    waiting = client.history(path)
    (call,) = [part for part in waiting[1]["parts"] if part["type"] == "tool-send_mail"]
    assert call["state"] == "approval-requested"
    call["state"], call["approval"]["approved"] = "approval-responded", True
    # The arguments that the user saw are those of the server.
    call["input"]["to"] = "you@example.org"
    body = {"id": "t", "trigger": "submit-message", "messageId": waiting[1]["id"], "messages": waiting}
    assert '"output":"Sent to me@example.org."' in client.request("POST", path, body).text
    _, answer = client.history(path)
    assert answer["id"] == waiting[1]["id"]
    (call,) = [part for part in answer["parts"] if part["type"] == "tool-send_mail"]
    assert (call["state"], call["output"]) == ("output-available", "Sent to me@example.org.")
    assert texts_of(answer)[-1] == "The tool returned Sent to me@example.org."
    assert '"output"' not in client.request("POST", path, body).text


def check_state(client: Client, path: str) -> None:
    assert client.get(f"{path}/use-chat")["state"] == {"notes": {}}
    reply = client.ask(f"{path}/use-chat", "Write a note")
    assert '"type":"data-state"' in reply.text
    client.ask(f"{path}/use-chat", "Hello")
    state = client.get(f"{path}/ag-ui")["state"]
    assert state["notes"]["Shopping"].startswith("Apples")
    # Not the state that a client posts.
    question = {**command("Hello again"), "parentId": client.history(f"{path}/use-chat")[-1]["id"]}
    body = {"commands": [question], "state": {"notes": {"Forged": ""}}}
    assert "Forged" not in client.request("POST", f"{path}/assistant-transport", body).text
    assert client.get(f"{path}/assistant-transport")["state"] == state


def check_picture(client: Client, path: str) -> None:
    file = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AAAA"}
    message = {"id": "u1", "role": "user", "parts": [file, {"type": "text", "text": "Look"}]}
    reply = client.request("POST", path, {"id": "t", "trigger": "submit-message", "messages": [message]})
    assert '"delta":"picture. "' in reply.text
    assert [part["type"] for part in client.history(path)[0]["parts"]] == ["file", "text"]


def check_stop(client: Client, path: str) -> None:
    client.ask(path, "Tell me a story", leave_after=8)
    # The answer goes on, and begins anew for every follower.
    followed = client.request("GET", f"{path}/stream", leave_after=20)
    assert followed.text.count('"type":"start"') == 1
    assert followed.text.count('"text-delta"') > 20
    stored = client.get(path)
    assert (len(stored["messages"]), stored["isOpen"]) == (1, True)

    assert json.loads(client.request("POST", f"{path}/stop").text) == {"stopped": True}
    shown = client.history(path)
    assert "Once upon" in texts_of(shown[1])[-1]
    assert client.get(path)["isOpen"] is False
    assert json.loads(client.request("POST", f"{path}/stop").text) == {"stopped": False}


def check_resumed_state(client: Client, path: str) -> None:
    assert client.request("POST", f"{path}/state").status == 204
    assert client.request("POST", f"{path}/stream", {"commands": []}).text == "data: [DONE]\n\n"
    state: dict[str, Any] = {"messages": []}
    client.request("POST", path, {"commands": [command("Tell me a story")], "state": state}, leave_after=8)
    resumable = json.loads(client.request("POST", f"{path}/state").text)
    assert resumable["state"] == state
    followed = client.request("POST", f"{path}/stream", {"commands": [], "runId": resumable["runId"]}, leave_after=20)
    assert followed.headers["x-resumable-stream-id"] == resumable["runId"]

    # A new question stops the open answer.
    client.request("POST", path, {"commands": [command("Hello")], "state": state})
    assert json.loads(client.request("POST", f"{path}/stop").text) == {"stopped": False}
    assert client.history(path)[-1]["content"][-1]["text"] == "You said: Hello"


def command(text: str) -> dict[str, Any]:
    """Return what the assistant transport posts for a message."""
    return {"type": "add-message", "message": {"role": "user", "parts": [{"type": "text", "text": text}]}}


def check_error(client: Client, path: str) -> None:
    with recorded_logs() as records:
        reply = client.ask(path, "Please fail")
    assert '"type":"error"' in reply.text
    assert "1234" not in reply.text
    assert [type(record.exc_info[1]) for record in records if record.exc_info] == [ConnectionError]
    assert len(client.history(path)) == 2


@contextlib.contextmanager
def recorded_logs() -> Iterator[list[logging.LogRecord]]:
    handler, logger = RecordList(), logging.getLogger("assistant_stream_ce")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler.records
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


@doc.after("app = Flask(")
def check_flask() -> None:
    check_application(page.app, "flask")
    assert '<div id="root">' in post(page.app, "/", method="GET").text


@doc.after("app = FastAPI(")
def check_fastapi() -> None:
    check_application(page.app, "fastapi")
    assert '<div id="root">' in post(page.app, "/", method="GET").text


@doc.after("application = get_wsgi_application(")
def check_django() -> None:
    check_application(page.application, "django")
    assert '<div id="root">' in post(page.application, "/", method="GET").text


@doc.after("application = get_wsgi_application(")
def check_django_asgi() -> None:
    check_application(page.asgi_application, "django-asgi")


test_chat_backend = doc.test()
