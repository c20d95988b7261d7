"""Answers of `examples/chat` that go on while their page is reloaded, offline or stopped from another tab."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.frontends.chat_pages import FOLDER, build_pages, log_in, shown_parts, wait_until_shown
from tests.frontends.gates import Gates, serving_gates
from tests.frontends.network import Network, network_to
from tests.support.browser import open_page
from tests.support.processes import serving
from tests.support.require import require_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Expect, Page

FLASK, FASTAPI = SERVERS = ("Flask, two processes", "FastAPI")
COMMANDS = {
    FLASK: ("gunicorn", "--workers", "2", "--threads", "8", "--bind", "127.0.0.1:0", "--chdir"),
    FASTAPI: ("uvicorn", "--port", "0", "--app-dir"),
}
APPLICATIONS = {FLASK: "flask_app:app", FASTAPI: "fastapi_app:app"}

#: The front ends that resume, with the bundle of each.
FRONT_ENDS = [("use-chat", "dist"), ("use-chat", "v6"), ("use-chat", "v5"), ("assistant-transport", "dist")]

FIRST, SECOND, WHOLE = (
    "The first part,",
    "The first part, the second part,",
    ("The first part, the second part, the third part."),
)
#: What the browser itself reports when the network is lost.
NETWORK_LOST = "net::ERR_"


@pytest.fixture(scope="module")
def gates() -> Iterator[Gates]:
    """Serve the gates at which the models wait."""
    with serving_gates() as gates:
        yield gates


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory, gates: Gates) -> Iterator[dict[str, Network]]:
    """Build the pages, and run the applications, with files for their streams, behind networks."""
    require_packages("flask", "fastapi", "itsdangerous", "gunicorn", "uvicorn")
    folder = tmp_path_factory.mktemp("resume")
    build_pages(folder)
    shutil.copy(FOLDER / "gated_model.py", folder / "model.py")
    environment = {
        "CHAT_DATABASE": str(folder / "chat.sqlite3"),
        "CHAT_STORE": str(folder / "streams"),
        "SECRET_KEY": "the same in all processes",
        "GATES": gates.address,
    }
    with ExitStack() as stack:
        networks: dict[str, Network] = {}
        for server in SERVERS:
            command = (*COMMANDS[server], str(folder), APPLICATIONS[server])
            address = stack.enter_context(serving(*command, **environment))
            networks[server] = stack.enter_context(network_to(address))
        yield networks


@dataclass(frozen=True)
class Tab:
    """A page of a thread."""

    page: Page
    expect: Expect

    def ask(self, words: str) -> None:
        """Type a message and send it."""
        self.page.get_by_label("Message", exact=True).fill(words)
        self.page.get_by_role("button", name="Send", exact=True).click()

    def stop(self) -> None:
        """Click Stop."""
        self.page.get_by_role("button", name="Stop").click()

    def wait_for(self, words: str) -> None:
        """Wait until the answer begins with some words."""
        self.expect(self.page.locator("[data-role=assistant] p")).to_contain_text(words)

    def wait_for_end(self) -> None:
        """Wait until no answer is open."""
        self.expect(self.page.get_by_role("button", name="Stop")).to_have_count(0)

    def reload_to(self, parts: list[list[str]]) -> None:
        """Load the page again, until it shows the parts; an answer that has just ended may be replayed."""
        self.page.reload()
        wait_until_shown(self.page, parts)

    def shown(self) -> list[list[str]]:
        """Return the parts of all messages as they are shown, each with the role."""
        return shown_parts(self.page)


@dataclass(frozen=True)
class Chat:
    """A thread of a front end, in the tabs of one browser."""

    network: Network
    path: str
    context: BrowserContext
    expect: Expect
    stack: ExitStack
    #: A question that is asked in no other thread.
    question: str

    def open_tab(self, *expected_reports: str) -> Tab:
        """Open the thread in a tab, which logs in if it is the first. Other reports of the browser fail the test."""
        page = self.stack.enter_context(
            open_page(self.context, f"{self.network.address}/{self.path}", *expected_reports)
        )
        if len(self.context.pages) == 1:
            log_in(page)
        return Tab(page, self.expect)


_threads = count(1)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """Name the server."""
    name: str = request.param
    return name


@pytest.fixture(params=FRONT_ENDS, ids="-".join)
def chat(
    request: pytest.FixtureRequest, networks: dict[str, Network], server: str, browser: Browser, expect: Expect
) -> Iterator[Chat]:
    """Begin a new thread in a front end."""
    front_end, bundle = request.param
    thread = next(_threads)
    path = f"{bundle}.html?front-end={front_end}&thread={thread}"
    with browser.new_context() as context, ExitStack() as stack:
        yield Chat(networks[server], path, context, expect, stack, f"Question {thread}")


def test_answer_goes_on_across_a_reload(chat: Chat, gates: Gates) -> None:
    tab = chat.open_tab()
    tab.ask(chat.question)
    tab.wait_for(FIRST)
    tab.page.reload()
    tab.wait_for(FIRST)
    gates.open(f"{chat.question}/2")
    tab.wait_for(SECOND)
    tab.page.reload()
    tab.wait_for(SECOND)
    gates.open(f"{chat.question}/3")
    tab.wait_for(WHOLE)
    tab.wait_for_end()
    shown = [["user", chat.question], ["assistant", WHOLE]]
    assert tab.shown() == shown
    tab.reload_to(shown)


def test_answer_goes_on_while_the_network_is_away(chat: Chat, gates: Gates) -> None:
    tab = chat.open_tab(NETWORK_LOST)
    tab.ask(chat.question)
    tab.wait_for(FIRST)
    chat.context.set_offline(True)
    chat.network.cut()
    gates.open(f"{chat.question}/2")
    gates.wait_until_reached(f"{chat.question}/3")
    assert tab.shown()[1] == ["assistant", FIRST]
    chat.context.set_offline(False)
    tab.wait_for(SECOND)
    gates.open(f"{chat.question}/3")
    tab.wait_for(WHOLE)
    tab.wait_for_end()
    shown = [["user", chat.question], ["assistant", WHOLE]]
    assert tab.shown() == shown
    tab.reload_to(shown)


def test_another_tab_stops_the_answer(chat: Chat) -> None:
    tab = chat.open_tab()
    tab.ask("Tell me a story")
    tab.wait_for(FIRST)
    other = chat.open_tab()
    other.wait_for(FIRST)
    other.stop()
    for each in (other, tab):
        each.wait_for_end()
    whole = tab.shown()
    assert [role for role, _ in whole] == ["user", "assistant"]
    # A front end may leave at once where Stop is clicked.
    (_, (_, text)), (_, (_, beginning)) = whole, other.shown()
    assert text.startswith(beginning)
    for each in (other, tab):
        # The stored answer may have a piece that came too late to be shown.
        each.page.reload()
        each.wait_for(text)
        each.wait_for_end()
        assert [role for role, _ in each.shown()] == ["user", "assistant"]
