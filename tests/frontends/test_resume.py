"""Answers of `examples/chat` that go on while their page is reloaded, offline or stopped from another tab.

The tabs of a front end and a back end show one thread, which grows from test to test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.frontends.chat_pages import FRONT_ENDS, Chat, logged_in, serving_chat
from tests.frontends.gates import Gates, serving_gates
from tests.frontends.network import Network, network_to
from tests.support.browser import open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Expect

#: Flask runs in two processes.
BACK_ENDS = ("flask", "fastapi", "django-asgi")

#: Back end, front end and bundle.
CHATS = [
    *((back_end, front_end, "dist") for back_end in BACK_ENDS for front_end in FRONT_ENDS),
    ("flask", "use-chat", "v6"),
    ("fastapi", "use-chat", "v5"),
]

#: What follows the question in its answer, as it grows.
FIRST, SECOND, WHOLE = (
    ": the first part,",
    ": the first part, the second part,",
    ": the first part, the second part, the third part.",
)
#: What the browser and the front ends report when the network is lost.
NETWORK_LOST = ("net::ERR_", "network error")


@dataclass(frozen=True)
class BackEnd:
    """A back end behind a network, and the browser of its user."""

    network: Network
    context: BrowserContext


@dataclass(frozen=True)
class Thread:
    """A thread of a front end and a back end."""

    back_end: BackEnd
    front_end: str
    bundle: str
    expect: Expect
    stack: ExitStack

    def open_tab(self, *expected_reports: str) -> Chat:
        """Open the thread in a tab. Other reports of the browser than those expected fail the test."""
        path = f"{self.bundle}.html?front-end={self.front_end}&thread={self.front_end}-{self.bundle}"
        address = f"{self.back_end.network.address}/{path}"
        page = self.stack.enter_context(open_page(self.back_end.context, address, *expected_reports))
        page.get_by_label("Message", exact=True).wait_for()
        return Chat(page, self.expect, self.front_end)


@pytest.fixture(scope="module")
def gates() -> Iterator[Gates]:
    """Serve the gates at which the models wait."""
    with serving_gates() as gates:
        yield gates


@pytest.fixture(scope="module")
def start(
    browser: Browser, expect: Expect, built_chat: Path, gates: Gates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], BackEnd]]:
    """Return a function that starts a back end, once, with a model that waits at the gates, and logs in."""
    data = tmp_path_factory.mktemp("resume")
    with ExitStack() as stack:

        @cache
        def start(name: str) -> BackEnd:
            address = stack.enter_context(serving_chat(name, built_chat, data / name, GATES=gates.address))
            network = stack.enter_context(network_to(address))
            return BackEnd(network, stack.enter_context(logged_in(browser, expect, network.address)))

        yield start


@pytest.fixture(scope="module", params=CHATS, ids="-".join)
def thread(request: pytest.FixtureRequest, start: Callable[[str], BackEnd], expect: Expect) -> Iterator[Thread]:
    """Begin a thread."""
    name, front_end, bundle = request.param
    with ExitStack() as stack:
        yield Thread(start(name), front_end, bundle, expect, stack)


@pytest.fixture(scope="module")
def tab(thread: Thread) -> Chat:
    """Open the thread in a tab, whose network may be lost."""
    return thread.open_tab(*NETWORK_LOST)


@pytest.fixture
def question(request: pytest.FixtureRequest) -> str:
    """Return a question that no other test asks."""
    return f"Question of {request.node.name}"


def test_answer_goes_on_across_a_reload(tab: Chat, gates: Gates, question: str) -> None:
    before = tab.shown()
    tab.ask(question)
    tab.wait_for_part(question + FIRST)
    tab.page.reload()
    tab.wait_for_part(question + FIRST)
    gates.open(f"{question}/2")
    tab.wait_for_part(question + SECOND)
    tab.page.reload()
    tab.wait_for_part(question + SECOND)
    gates.open(f"{question}/3")
    tab.wait_for(question + WHOLE)
    shown = [*before, ["user", question], ["assistant", question + WHOLE]]
    assert tab.shown() == shown
    # An answer that has just ended may be replayed.
    tab.page.reload()
    tab.wait_until_shown(shown)


def test_answer_goes_on_while_the_network_is_away(thread: Thread, tab: Chat, gates: Gates, question: str) -> None:
    before = tab.shown()
    tab.ask(question)
    tab.wait_for_part(question + FIRST)
    thread.back_end.context.set_offline(True)
    thread.back_end.network.cut()
    gates.open(f"{question}/2")
    gates.wait_until_reached(f"{question}/3")
    assert tab.shown()[-1] == ["assistant", question + FIRST]
    thread.back_end.context.set_offline(False)
    tab.wait_for_part(question + SECOND)
    gates.open(f"{question}/3")
    tab.wait_for(question + WHOLE)
    shown = [*before, ["user", question], ["assistant", question + WHOLE]]
    assert tab.shown() == shown
    tab.page.reload()
    tab.wait_until_shown(shown)


def test_another_tab_stops_the_answer(thread: Thread, tab: Chat) -> None:
    before = tab.shown()
    tab.ask("Tell me a story")
    tab.wait_for_part("and on")
    other = thread.open_tab()
    other.wait_for_part("and on")
    other.stop()
    for each in (other, tab):
        each.wait_for_end()
    whole = tab.shown()[len(before) :]
    assert [role for role, _ in whole] == ["user", "assistant"]
    # Where Stop is clicked, a front end may leave at once.
    (_, (_, text)), (_, (_, beginning)) = whole, other.shown()[len(before) :]
    assert text.startswith(beginning)
    for each in (other, tab):
        # The stored answer may have a piece that came too late to be shown.
        each.page.reload()
        each.wait_for_part(text)
        each.wait_for_end()
        assert [role for role, _ in each.shown()[len(before) :]] == ["user", "assistant"]
