"""A real browser for tests: one Chromium for a module, and pages whose complaints fail the test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.support.require import require

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Expect, Page

PATIENCE = 15_000  # milliseconds
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Not for longer: while Playwright runs, its thread can run no other event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one Chromium for all the tests of a module."""
    require(find_spec("playwright") is not None, "playwright is not installed")
    chromium = shutil.which("chromium")
    require(chromium is not None, "chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def expect(browser: Browser) -> Expect:
    """Give Playwright's assertions, which wait for what they expect."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    return expect


@contextmanager
def open_page(browser: Browser | BrowserContext, address: str, *expected: str) -> Iterator[Page]:
    """Open a page; any warning or error of the browser fails the test, but those that contain what is expected."""
    complaints: list[str] = []
    with browser.new_page() as page:
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        page.goto(address)
        yield page
    assert [line for line in complaints if not any(part in line for part in expected)] == []
