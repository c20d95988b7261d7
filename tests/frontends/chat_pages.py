"""The chat of `examples/chat`: its pages, built as the documentation shows, its back ends, and what a user does."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.docs.clients import write_files
from tests.docs.commands import build_commands
from tests.support.browser import open_page
from tests.support.processes import serving
from tests.support.require import require, require_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Expect, Locator, Page

FOLDER = Path(__file__).resolve().parent
BUNDLE_SECONDS = 50
DOCUMENTATION = "docs/chat-backend.rst"

#: The aliases of each bundle; the first has the newest version of each front end.
BUNDLES = {
    "dist": [],
    "v6": ["--alias:ai=ai-v6", "--alias:@ai-sdk/react=ai-sdk-react-v6"],
    "v5": [f"--alias:ai={FOLDER / 'ai-v5.js'}", "--alias:@ai-sdk/react=ai-sdk-react-v5"],
}
FRONT_ENDS = ("use-chat", "data-stream", "assistant-transport", "ag-ui")

#: The commands of the back ends, and the option with the folder of the application.
_GUNICORN = ("gunicorn", "--threads", "8", "--bind", "127.0.0.1:0", "--chdir")
_UVICORN = ("uvicorn", "--port", "0", "--app-dir")
SERVERS = {
    "flask": (*_GUNICORN, "{folder}", "--workers", "2", "flask_app:app"),
    "fastapi": (*_UVICORN, "{folder}", "fastapi_app:app"),
    "django": (*_GUNICORN, "{folder}", "django_app:application"),
    "django-asgi": (*_UVICORN, "{folder}", "django_app:asgi_application"),
}

_SHOWN = """
() => [...document.querySelectorAll("[data-role] p, [data-role] pre")].map(
  (part) => [part.closest("[data-role]").dataset.role, part.textContent.trim()]
)
"""


# --- The application --------------------------------------------------------------------------------


def build_once(folder: Path) -> Path:
    """Build the pages and a model for tests in a folder, unless another process has; return the folder."""
    require(shutil.which("node"), "Node.js is not installed")
    require((FOLDER / "node_modules").is_dir(), "no front ends: run python3 dev.py test, which installs them")
    import fcntl

    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "done"
        if not done.exists():
            folder.mkdir(exist_ok=True)
            build_pages(folder)
            (folder / "model.py").rename(folder / "script.py")
            shutil.copy(FOLDER / "gated_model.py", folder / "model.py")
            done.touch()
    return folder


def build_pages(folder: Path) -> None:
    """Write the files of the documentation to a folder, and build a page of each bundle in it."""
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


@contextmanager
def serving_chat(back_end: str, folder: Path, data: Path, **environment: str) -> Iterator[str]:
    """Serve the chat of a folder with a back end, whose database and streams are in another one; give its address."""
    require_packages("django", "fastapi", "flask", "gunicorn", "itsdangerous", "uvicorn")
    data.mkdir()
    command = [word.format(folder=folder) for word in SERVERS[back_end]]
    environment |= {
        "CHAT_DATABASE": str(data / "chat.sqlite3"),
        "CHAT_STORE": str(data / "streams"),
        "SECRET_KEY": "the same in all processes",
    }
    with serving(*command, **environment) as address:
        yield address


@contextmanager
def logged_in(
    browser: Browser, expect: Expect, address: str, *, by_keyboard: bool = False, **options: Any
) -> Iterator[BrowserContext]:
    """Log in, and give the browser context of the user, with these options."""
    with browser.new_context(**options) as context:
        with open_page(context, address) as page:
            Chat(page, expect, "use-chat", by_keyboard).log_in()
            page.get_by_label("Message", exact=True).wait_for()
        yield context


# --- The page ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chat:
    """A page of a thread, used with the mouse or with the keyboard alone."""

    page: Page
    expect: Expect
    front_end: str
    by_keyboard: bool = False

    def log_in(self) -> None:
        """Log in as the user of the demo."""
        self.type(self.page.get_by_label("User"), "demo")
        self.type(self.page.get_by_label("Password"), "demo")
        self.click("Log in")

    def button(self, name: str) -> Locator:
        """Return the buttons of a name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def click(self, name: str, which: int = -1) -> None:
        """Click a button of a name, by default the last one."""
        self.press(self.button(name).nth(which))

    def press(self, element: Locator) -> None:
        """Click an element, or press Enter on it."""
        if self.by_keyboard:
            self.move_to(element)
            self.page.keyboard.press("Enter")
        else:
            element.click()

    def type(self, field: Locator, words: str) -> None:
        """Replace the text of a field."""
        if self.by_keyboard:
            self.move_to(field)
            self.page.keyboard.press("ControlOrMeta+a")
            self.page.keyboard.type(words)
        else:
            field.fill(words)

    def move_to(self, element: Locator) -> None:
        """Move the focus to an element by Shift+Tab: what is used most is at the end of the page."""
        element.wait_for()
        for _ in range(150):
            if element.evaluate("(element) => element === document.activeElement"):
                return
            self.page.keyboard.press("Shift+Tab")
        raise AssertionError(f"the keyboard does not reach {element}")

    def ask(self, words: str) -> None:
        """Type a message and send it."""
        self.type(self.page.get_by_label("Message", exact=True), words)
        if self.by_keyboard:
            self.page.keyboard.press("Enter")
        else:
            self.click("Send")

    def attach(self, path: Path) -> None:
        """Choose a file for the next message."""
        is_input = self.front_end == "use-chat"
        with self.page.expect_file_chooser() as chooser:
            self.press(self.page.get_by_label("Files") if is_input else self.button("Attach"))
        chooser.value.set_files(path)

    def edit(self, words: str, which: int = -1) -> None:
        """Edit a message of the user, by default the last one."""
        self.click("Edit", which)
        if self.front_end == "use-chat":
            self.ask(words)
        else:
            self.type(self.page.get_by_label("Edited message"), words)
            self.click("Save")

    def regenerate(self) -> None:
        """Ask for the last answer again."""
        # The new answer may have the same text: without this, the old one could be taken for it.
        with self.page.expect_request("**/api/**"):
            self.click("Regenerate")

    def stop(self) -> None:
        """Stop the answer, and wait until it is stored, which the server reports."""
        with self.page.expect_response("**/stop"):
            if self.by_keyboard:
                self.page.keyboard.press("Escape")
            else:
                self.click("Stop")

    def wait_for(self, words: str) -> None:
        """Wait until an answer ends with some words."""
        self.expect(self.last_answer.locator("p").last).to_have_text(words)
        self.wait_for_end()

    def wait_for_part(self, words: str) -> None:
        """Wait until the last answer contains some words."""
        self.expect(self.last_answer.locator("p").last).to_contain_text(words)

    def wait_for_end(self) -> None:
        """Wait until no answer is open."""
        self.expect(self.button("Stop")).to_have_count(0)

    @property
    def last_answer(self) -> Locator:
        """The last message of the assistant."""
        return self.page.locator("[data-role=assistant]").last

    def shown(self) -> list[list[str]]:
        """Return the parts of all messages as they are shown, each with the role."""
        parts: list[list[str]] = self.page.evaluate(_SHOWN)
        return parts

    def wait_until_shown(self, parts: list[list[str]]) -> None:
        """Wait until these parts of all messages are shown."""
        from playwright.sync_api import TimeoutError

        with suppress(TimeoutError):
            shown = f"(parts) => JSON.stringify(({_SHOWN})()) === JSON.stringify(parts)"
            self.page.wait_for_function(shown, arg=parts)
        assert self.shown() == parts

    def reload(self) -> None:
        """Load the page again."""
        self.page.reload()
        self.expect(self.page.locator("[data-role=assistant]").first).to_be_visible()
