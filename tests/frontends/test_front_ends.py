"""The real front ends in a real browser: what each shows of one and the same callback, and what it asks of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.frontends.conversation import (
    DOCUMENT,
    ERROR,
    FILE,
    FORECAST,
    PLACE,
    PROGRESS,
    SEEN,
    SOURCE,
    Talk,
    picked_city,
)
from tests.support.browser import open_page
from tests.support.require import require, require_packages
from tests.support.web_servers import serving_asgi, serving_wsgi

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Expect, Page

FOLDER = Path(__file__).resolve().parent
BUNDLE_SECONDS = 50
LEFT_SECONDS = 2

#: A part that a page shows: of what kind it is, and its fields.
Part = tuple[str, dict[str, Any]]

SHOWN = """
() => [...document.querySelectorAll("[data-part]")].map((part) => {
  const fields = [...part.querySelectorAll("[data-field]")].map((field) => [field.dataset.field, field.textContent]);
  return [part.closest("[data-role=user]") ? "question" : part.dataset.part, Object.fromEntries(fields)];
})
"""
WIDTHS = "() => Promise.all([...document.images].map(async (image) => (await image.decode(), image.naturalWidth)))"


# --- The front ends, and what each shows of the same answer ----------------------------------------


@dataclass(frozen=True)
class FrontEnd:
    """A page, the wire that it reads, and what it shows of the whole answer."""

    page: str
    wire: str
    shows: list[Part]
    #: Which of the bundles it is in.
    bundle: str = "latest"
    has_picture: bool = True
    #: What it takes for an error when the user has stopped the answer.
    error_at_stop: str | None = None

    def __str__(self) -> str:
        line = "" if self.bundle == "latest" else f"-{self.bundle}"
        return f"{self.page}{line}-{self.wire}"


def question(words: str) -> Part:
    """Return what the user asked, as it is shown."""
    return ("question", {"text": words})


def text(words: str) -> Part:
    """Return a text as it is shown."""
    return ("text", {"text": words})


def data(name: str, value: Any) -> Part:
    """Return data as it is shown in the message."""
    return ("data", {"name": name, "data": value})


def beside(value: Any) -> Part:
    """Return data as it is shown beside the message."""
    return ("data", {"data": value})


WEATHER: Part = ("tool-call", {"name": "get_weather", "args": PLACE, "result": FORECAST})
BEGIN = [
    question("Tell me all"),
    ("reasoning", {"text": "The user wonders about Paris."}),
    text("Let me look. "),
    WEATHER,
]
FILES: list[Part] = [("source", {"title": SOURCE["title"], "url": SOURCE["url"]}), ("file", {"type": FILE["mimeType"]})]
GUIDE: Part = ("document", {"title": DOCUMENT["title"], "type": DOCUMENT["mediaType"]})
# The client's reader keeps of a document what a page on the web has too.
GUIDE_OF_UNKNOWN_TYPE: Part = ("document", {"title": DOCUMENT["title"]})
PART = data("progress", PROGRESS)
END = text("It is sunny: 21 °C.")
# AG-UI does not support sources and files: they are custom events.
EVENTS = [
    data("source", SOURCE),
    data("file", FILE),
    data("source-document", DOCUMENT),
    PART,
    data("data", SEEN),
]
# The client gives the abort of its own request for an error of the run.
AG_UI_STOPPED = "signal is aborted without reason"

FRONT_ENDS = [
    *(
        FrontEnd("use-chat", "ui-message-stream", [*BEGIN, *FILES, GUIDE, PART, data("data", SEEN), END], bundle)
        for bundle in ("latest", "v6", "v5")
    ),
    FrontEnd("data-stream", "data-stream", [*BEGIN, *FILES, GUIDE_OF_UNKNOWN_TYPE, PART, END, beside(SEEN)]),
    # Here the same runtime ignores documents and data parts.
    FrontEnd(
        "data-stream",
        "ui-message-stream",
        [*BEGIN, *FILES, END, beside({"name": "progress", "data": PROGRESS}), beside({"name": "data", "data": SEEN})],
    ),
    FrontEnd("assistant-transport", "assistant-transport", [*BEGIN, *FILES, GUIDE, PART, END]),
    FrontEnd("ag-ui", "ag-ui", [*BEGIN, *EVENTS, END], has_picture=False, error_at_stop=AG_UI_STOPPED),
    FrontEnd("http-agent", "ag-ui", [*EVENTS, *BEGIN, END], has_picture=False, error_at_stop=AG_UI_STOPPED),
]

COROUTINE, FUNCTION = BACKENDS = ("coroutine in FastAPI", "function in Flask")


# --- A page and its backend ------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """Where the pages and the backends are, and the talks that the backends know by their names."""

    pages: str
    backends: dict[str, str]
    talks: dict[str, Talk]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Bundle the pages, and serve them and the backends."""
    require_packages("fastapi", "flask", "uvicorn")
    require(shutil.which("node"), "Node.js is not installed")
    require((FOLDER / "node_modules").is_dir(), "no front ends: run python3 dev.py test, which installs them")
    folder = tmp_path_factory.mktemp("pages")
    subprocess.run(["node", "bundle.mjs", folder], cwd=FOLDER, check=True, timeout=BUNDLE_SECONDS)

    from tests.frontends.backend import fastapi_app, flask_app

    talks: dict[str, Talk] = {}
    with serving_asgi(fastapi_app(talks, folder)) as fastapi, serving_wsgi(flask_app(talks)) as flask:
        yield Site(fastapi, dict(zip(BACKENDS, (fastapi, flask), strict=True)), talks)


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Give the pages one cache, for the bundles."""
    with browser.new_context() as context:
        yield context


@dataclass(frozen=True)
class Chat:
    """A page of a front end, and its conversation with the backend."""

    front_end: FrontEnd
    talk: Talk
    page: Page
    expect: Expect

    def ask(self, words: str) -> None:
        """Type a message and send it."""
        self.page.get_by_label("Message").fill(words)
        self.page.get_by_role("button", name="Send").click()

    def wait_for(self, words: str) -> None:
        """Wait until the assistant's words are shown."""
        self.expect(self.page.locator("[data-role=assistant] dd", has_text=words)).to_be_visible()

    def wait_for_end(self) -> None:
        """Wait until no answer is coming any more."""
        self.expect(self.page.locator("output")).to_have_text("ready")

    def shown(self) -> list[Part]:
        """Return all parts of all messages, as they are shown."""
        parts: list[Part] = []
        for kind, fields in self.page.evaluate(SHOWN):
            for name in fields.keys() & {"args", "result", "data"}:
                with suppress(ValueError):
                    fields[name] = json.loads(fields[name])
            parts.append((kind, fields))
        return parts

    def state(self) -> Any:
        """Return the state as it is shown."""
        return json.loads(self.page.locator("[data-state]").inner_text())


_numbers = count(1)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    name: str = request.param
    return name


@pytest.fixture(params=FRONT_ENDS, ids=str)
def chat(
    request: pytest.FixtureRequest, site: Site, context: BrowserContext, expect: Expect, backend: str
) -> Iterator[Chat]:
    """Open the page of a front end."""
    front_end: FrontEnd = request.param
    key = str(next(_numbers))
    talk = site.talks[key] = Talk()
    api = f"{site.backends[backend]}/api/{key}/{front_end.wire}"
    with open_page(context, f"{site.pages}/{front_end.bundle}/?page={front_end.page}&api={api}") as page:
        yield Chat(front_end, talk, page, expect)


# --- The tests -------------------------------------------------------------------------------------


def test_whole_answer_is_shown_as_it_comes_and_another_after_it(chat: Chat) -> None:
    chat.ask("Tell me all")
    chat.wait_for("Let me look.")
    # The callback waits for this.
    chat.talk.was_seen.happen()
    chat.wait_for("It is sunny")
    chat.wait_for_end()
    assert chat.shown() == chat.front_end.shows
    assert chat.state() == chat.talk.state
    assert chat.page.evaluate(WIDTHS) == ([1] if chat.front_end.has_picture else [])

    chat.ask("And tomorrow?")
    chat.wait_for("Rain")
    chat.wait_for_end()
    assert chat.shown() == [*chat.front_end.shows, question("And tomorrow?"), WEATHER, text("Rain ☔ tomorrow.")]
    assert chat.state() == chat.talk.state
    assert len(chat.talk.asked) == 2
    assert "Tell me all" in json.dumps(chat.talk.asked[1])
    assert chat.page.get_by_role("alert").count() == 0


@pytest.mark.parametrize("backend", [FUNCTION], indirect=True)
def test_error_is_shown_after_the_text(chat: Chat, caplog: pytest.LogCaptureFixture) -> None:
    chat.ask("Break off")
    chat.wait_for("So far, so good.")
    chat.talk.was_seen.happen()
    chat.expect(chat.page.get_by_role("alert")).to_have_text(ERROR)
    chat.wait_for_end()
    shown = [question("Break off"), text("So far, so good.")]
    assert chat.shown() == shown
    assert len(chat.talk.asked) == 1

    chat.ask("And tomorrow?")
    chat.wait_for("Rain")
    chat.wait_for_end()
    assert chat.shown() == [*shown, question("And tomorrow?"), WEATHER, text("Rain ☔ tomorrow.")]
    assert [record.name for record in caplog.records] == ["assistant_stream_ce"]


def test_stop_reaches_the_callback(chat: Chat) -> None:
    chat.ask("Tell me a story")
    chat.wait_for("Once upon a time")
    chat.page.get_by_role("button", name="Stop").click()
    chat.talk.has_left.result(LEFT_SECONDS)
    chat.wait_for_end()
    assert chat.shown() == [question("Tell me a story"), text("Once upon a time")]
    errors = [] if chat.front_end.error_at_stop is None else [chat.front_end.error_at_stop]
    assert chat.page.get_by_role("alert").all_inner_texts() == errors


@pytest.mark.parametrize("backend", [COROUTINE], indirect=True)
def test_tool_of_the_page_runs_there_and_its_result_is_posted(chat: Chat) -> None:
    chat.ask("Let me pick")
    chat.wait_for("Rome it is.")
    chat.wait_for_end()
    pick = ("tool-call", {"name": "pick_city", "args": {"options": ["Paris", "Rome"]}, "result": "Rome"})
    assert chat.shown() == [question("Let me pick"), text("Which city?"), pick, text("Rome it is.")]
    assert [picked_city(body) for body in chat.talk.asked] == [None, "Rome"]
