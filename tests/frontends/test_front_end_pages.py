"""The pages of docs/front-ends.rst in a browser, built by its commands, with its server."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.clients import server
from tests.docs.commands import build_commands
from tests.support.browser import open_page
from tests.support.require import require, require_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Expect

DOCUMENTATION = "docs/front-ends.rst"
NODE_MODULES = Path(__file__).resolve().parent / "node_modules"
BUNDLE_SECONDS = 50

BUILDS = {shlex.split(command)[2].removesuffix(".tsx"): command for command in build_commands(DOCUMENTATION)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Serve the application of the documentation; give its folder and its address."""
    require_packages("fastapi", "uvicorn")
    require(shutil.which("node"), "Node.js is not installed")
    require(NODE_MODULES.is_dir(), "no front ends: run python3 dev.py test, which installs them")
    folder = tmp_path_factory.mktemp("front-ends")
    with server(DOCUMENTATION, "uvicorn chat:app", folder) as (_, address):
        yield folder, address


def test_documentation_builds_each_front_end() -> None:
    assert list(BUILDS) == ["use-chat", "data-stream", "assistant-transport", "ag-ui"]


@pytest.mark.parametrize("name", BUILDS)
def test_question_is_answered(browser: Browser, expect: Expect, site: tuple[Path, str], name: str) -> None:
    folder, address = site
    words = [NODE_MODULES / ".bin" / "esbuild", *shlex.split(BUILDS[name])[2:], "--log-level=error"]
    environment = {**os.environ, "NODE_PATH": str(NODE_MODULES)}
    subprocess.run(words, cwd=folder, env=environment, check=True, timeout=BUNDLE_SECONDS)
    with open_page(browser, address) as page:
        for number in (1, 2):
            page.get_by_label("Message").fill(f"Question {number}")
            page.get_by_role("button", name="Send").click()
            answer = page.get_by_role("article", name="assistant").last
            expect(page.get_by_role("article", name="user").nth(number - 1)).to_have_text(f"Question {number}")
            expect(answer).to_contain_text("It is 21 degrees.")
            if name != "assistant-transport":
                expect(page.locator("pre")).to_have_count(number)
                expect(page.locator("pre").last).to_have_text('["get_weather",{"city":"Paris"},{"celsius":21}]')
            expect(page.get_by_role("button", name="Send")).to_be_visible()
        assert page.get_by_role("alert").count() == 0
