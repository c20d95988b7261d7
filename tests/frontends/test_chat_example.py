"""The pages of `examples/chat` in a browser, with its Flask back end and SQLite."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.clients import write_files
from tests.docs.commands import build_commands
from tests.support.browser import open_page
from tests.support.processes import serving
from tests.support.require import require, require_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Expect, Page

FOLDER = Path(__file__).resolve().parent
BUNDLE_SECONDS = 50
DOCUMENTATION = "docs/chat-backend.rst"

#: The aliases of each bundle; the first has the newest version of each front end.
BUNDLES = {
    "dist": [],
    "v6": ["--alias:ai=ai-v6", "--alias:@ai-sdk/react=ai-sdk-react-v6"],
    "v5": [f"--alias:ai={FOLDER / 'ai-v5.js'}", "--alias:@ai-sdk/react=ai-sdk-react-v5"],
}

#: The front ends, with the bundle of each.
CHATS = [
    ("use-chat", "dist"),
    ("use-chat", "v6"),
    ("use-chat", "v5"),
    ("data-stream", "dist"),
    ("assistant-transport", "dist"),
    ("ag-ui", "dist"),
]

SHOWN = """
() => [...document.querySelectorAll("[data-role] p, [data-role] pre")].map(
  (part) => [part.closest("[data-role]").dataset.role, part.innerText.trim()]
)
"""

WEATHER = 'get_weather {"city":"Paris"} {"city":"Paris","celsius":21,"sky":"sunny"}'
WEATHER_TURN = [
    ["user", "What is the weather in Paris?"],
    ["assistant", "Let me look."],
    ["assistant", WEATHER],
    ["assistant", 'The tool returned {"city":"Paris","celsius":21,"sky":"sunny"}'],
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build the pages and run the application."""
    require_packages("flask")
    require(shutil.which("node"), "Node.js is not installed")
    require((FOLDER / "node_modules").is_dir(), "no front ends: run python3 dev.py test, which installs them")
    folder = tmp_path_factory.mktemp("chat")
    # Only the files that the page of the documentation shows, built with its command.
    write_files(DOCUMENTATION, folder)
    (build,) = build_commands(DOCUMENTATION)
    index = (folder / "page" / "index.html").read_text(encoding="utf-8")
    for bundle, aliases in BUNDLES.items():
        words = [FOLDER / "node_modules" / ".bin" / "esbuild", *shlex.split(build)[2:], *aliases, "--log-level=error"]
        command = [str(word).replace("page/dist", f"page/{bundle}") for word in words]
        environment = {**os.environ, "NODE_PATH": str(FOLDER / "node_modules")}
        subprocess.run(command, cwd=folder, env=environment, check=True, timeout=BUNDLE_SECONDS)
        (folder / "page" / f"{bundle}.html").write_text(index.replace("dist/", f"{bundle}/"), encoding="utf-8")
    server = ("flask", "--app", str(folder / "flask_app"), "run", "--port", "0")
    with serving(*server, CHAT_DATABASE=str(folder / "chat.sqlite3")) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Give the pages one cache, for the bundles."""
    with browser.new_context() as context:
        yield context


@dataclass(frozen=True)
class Chat:
    """The page of a front end."""

    front_end: str
    page: Page
    expect: Expect

    def click(self, name: str) -> None:
        """Click the last button of a name."""
        self.page.get_by_role("button", name=name, exact=True).last.click()

    def ask(self, words: str) -> None:
        """Type a message and send it."""
        self.page.get_by_label("Message", exact=True).fill(words)
        self.click("Send")

    def edit(self, words: str) -> None:
        """Edit the last message of the user."""
        self.click("Edit")
        if self.front_end == "use-chat":
            self.ask(words)
        else:
            self.page.get_by_label("Edited message").fill(words)
            self.click("Save")

    def wait_for(self, words: str) -> None:
        """Wait until an answer ends with some words."""
        last = self.page.locator("[data-role=assistant]").last.locator("p").last
        self.expect(last).to_have_text(words)
        self.expect(self.page.get_by_role("button", name="Stop")).to_have_count(0)

    def shown(self) -> list[list[str]]:
        """Return the parts of all messages as they are shown, each with the role."""
        parts: list[list[str]] = self.page.evaluate(SHOWN)
        return parts

    def reload(self) -> None:
        """Load the page again."""
        self.page.reload()
        self.expect(self.page.locator("[data-role=assistant]").first).to_be_visible()


_threads = count(1)


@pytest.fixture(params=CHATS, ids="-".join)
def chat(request: pytest.FixtureRequest, address: str, context: BrowserContext, expect: Expect) -> Iterator[Chat]:
    """Open a new thread in a front end."""
    front_end, bundle = request.param
    context.clear_cookies()
    with open_page(context, f"{address}/{bundle}.html?front-end={front_end}&thread={next(_threads)}") as page:
        page.get_by_label("User").fill("demo")
        page.get_by_label("Password").fill("demo")
        page.get_by_role("button", name="Log in").click()
        yield Chat(front_end, page, expect)


def test_conversation_survives_a_reload(chat: Chat) -> None:
    chat.ask("What is the weather in Paris?")
    chat.wait_for('The tool returned {"city":"Paris","celsius":21,"sky":"sunny"}')
    assert chat.shown() == WEATHER_TURN

    chat.ask("Hello")
    chat.wait_for("You said: Hello")
    chat.edit("Hello again")
    chat.wait_for("You said: Hello again")
    if chat.front_end != "assistant-transport":  # which cannot regenerate
        chat.click("Regenerate")
        chat.wait_for("You said: Hello again")
    shown = [*WEATHER_TURN, ["user", "Hello again"], ["assistant", "You said: Hello again"]]
    assert chat.shown() == shown
    chat.reload()
    assert chat.shown() == shown

    chat.ask("Bye")
    chat.wait_for("You said: Bye")
    shown += [["user", "Bye"], ["assistant", "You said: Bye"]]
    assert chat.shown() == shown
    chat.reload()
    assert chat.shown() == shown


#: What the page shows of an approved and of a denied call, with the arguments and the result.
APPROVALS = {
    "approval": [
        ('send_mail {"to":"me@example.org","text":"Send a mail"}', '"Sent to me@example.org."'),
        ('send_mail {"to":"me@example.org","text":"Send another mail"}', '"The user did not approve this call."'),
    ],
    "confirm": [('confirm {"question":"Send it?"}', "true"), ('confirm {"question":"Send it?"}', "false")],
}


def returned(result: str) -> str:
    """Return the text of the model about a result."""
    return f"The tool returned {json.loads(result)}" if result.startswith('"') else f"The tool returned {result}"


@pytest.mark.parametrize("chat", [one for one in CHATS if one[1] != "v5"], indirect=True, ids="-".join)
def test_tool_waits_for_the_user_across_a_reload(chat: Chat) -> None:
    is_question = chat.front_end in ("data-stream", "assistant-transport")
    (sent, sent_result), (_, denied_result) = APPROVALS["confirm" if is_question else "approval"]
    chat.ask("Send a mail")
    chat.expect(chat.page.get_by_role("button", name="Yes")).to_be_visible()
    if chat.front_end != "ag-ui":  # whose runtime keeps open approvals in the page
        chat.reload()
    chat.click("Yes")
    chat.wait_for(returned(sent_result))
    shown = [["user", "Send a mail"], ["assistant", f"{sent} {sent_result}"]]
    shown += [["assistant", returned(sent_result)]]
    assert chat.shown() == shown

    chat.ask("Send another mail")
    chat.click("No")
    chat.wait_for(returned(denied_result))
    before = chat.shown()
    assert before[: len(shown)] == shown
    assert chat.page.get_by_role("button", name="Yes").count() == 0
    chat.reload()
    assert chat.shown() == before
    chat.ask("Hello")
    chat.wait_for("You said: Hello")


def test_stopped_answer_is_stored(chat: Chat) -> None:
    chat.ask("Tell me a story")
    chat.expect(chat.page.locator("[data-role=assistant] p")).to_contain_text("another one")
    chat.click("Stop")
    chat.expect(chat.page.get_by_role("button", name="Stop")).to_have_count(0)
    chat.ask("Hello")
    chat.wait_for("You said: Hello")
    chat.reload()
    (_, _), (_, story), *rest = chat.shown()
    assert story.startswith("Once upon a time")
    assert rest == [["user", "Hello"], ["assistant", "You said: Hello"]]


def test_error_is_shown_without_its_text(chat: Chat) -> None:
    chat.ask("Please fail")
    alert = chat.page.get_by_role("alert")
    chat.expect(alert).to_be_visible()
    assert "1234" not in alert.inner_text()
