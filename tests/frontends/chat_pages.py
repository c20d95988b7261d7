"""The pages of `examples/chat`, built as its documentation shows."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.docs.clients import write_files
from tests.docs.commands import build_commands
from tests.support.require import require

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = Path(__file__).resolve().parent
BUNDLE_SECONDS = 50
DOCUMENTATION = "docs/chat-backend.rst"

#: The aliases of each bundle; the first has the newest version of each front end.
BUNDLES = {
    "dist": [],
    "v6": ["--alias:ai=ai-v6", "--alias:@ai-sdk/react=ai-sdk-react-v6"],
    "v5": [f"--alias:ai={FOLDER / 'ai-v5.js'}", "--alias:@ai-sdk/react=ai-sdk-react-v5"],
}

_SHOWN = """
() => [...document.querySelectorAll("[data-role] p, [data-role] pre")].map(
  (part) => [part.closest("[data-role]").dataset.role, part.textContent.trim()]
)
"""


def build_pages(folder: Path) -> None:
    """Write the files of the documentation to a folder, and build a page of each bundle in it."""
    require(shutil.which("node"), "Node.js is not installed")
    require((FOLDER / "node_modules").is_dir(), "no front ends: run python3 dev.py test, which installs them")
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


def log_in(page: Page) -> None:
    """Log in on a page."""
    page.get_by_label("User").fill("demo")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()


def shown_parts(page: Page) -> list[list[str]]:
    """Return the parts of all messages as a page shows them, each with the role."""
    parts: list[list[str]] = page.evaluate(_SHOWN)
    return parts


def wait_until_shown(page: Page, parts: list[list[str]]) -> None:
    """Wait until a page shows these parts of all messages."""
    from playwright.sync_api import TimeoutError

    with suppress(TimeoutError):
        page.wait_for_function(f"(parts) => JSON.stringify(({_SHOWN})()) === JSON.stringify(parts)", arg=parts)
    assert shown_parts(page) == parts
