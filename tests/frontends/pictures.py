"""Makes the pictures of the README and the documentation from `examples/chat`: `python3 dev.py pictures`.

python -m tests.frontends.pictures FOLDER
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.frontends.chat_pages import Chat, build_pages, serving_chat
from tests.support.browser import ARGUMENTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Locator, Page

#: A rate at which one can read the answers.
SECONDS_PER_WORD = 0.05
#: How much slower everything is while the pictures are taken, each of which takes a while.
SLOW_MOTION = 4
#: How often a page that changes is shown.
FRAME_SECONDS = 0.09
PATIENCE = 60_000  # milliseconds
FILM = {"width": 800, "height": 560}
DESKTOP = {"width": 800, "height": 760}
PHONE = {"width": 390, "height": 760}
#: Device pixels for each pixel of the page.
SCALE = 2

#: A window around the page, whose caption names what is shown, and a pointer.
WINDOW = """
<!doctype html>
<meta charset="utf-8">
<style>
  body { margin: 0; display: grid; grid-template-rows: auto 1fr; height: 100vh; overflow: hidden }
  header { display: flex; gap: 0.75rem; align-items: center; padding: 0.5rem 1rem; color: #fff; background: #24292f;
    font: 1rem/1.5 system-ui, sans-serif }
  button { padding: 0 0.4rem; border: 0; border-radius: 0.3rem; font: inherit; color: inherit; background: none }
  button:active { background: #57606a }
  output { margin-left: auto; font-weight: bold }
  iframe { border: 0; width: 100%; height: 100% }
  svg { position: absolute; width: 22px; height: 22px; visibility: hidden; pointer-events: none }
</style>
<header><button onclick="frames[0].location.reload()">↻</button> Chat <output></output></header>
<iframe src="/?front-end=use-chat&thread=Demo"></iframe>
<svg viewBox="0 0 22 22"><path d="M2 1v17l4-4 3 7 3-1-3-7h6z" fill="#000" stroke="#fff" stroke-width="1.5"/></svg>
"""
MOVE_POINTER = """
([x, y]) => {
  const { style } = document.querySelector("svg");
  [style.left, style.top, style.visibility] = [`${x}px`, `${y}px`, "visible"];
}
"""


class Film:
    """Takes pictures of a page, each with the milliseconds for which it is shown."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.pictures: list[tuple[bytes, int]] = []

    @property
    def frame(self) -> Frame:
        """The chat in the window."""
        return self.page.frames[1]

    def caption(self, words: str) -> None:
        """Name what is shown."""
        self.page.locator("output").evaluate("(output, words) => { output.value = words }", words)

    def take(self, milliseconds: int) -> None:
        """Show the page as it is now for some time."""
        picture = self.page.screenshot()
        if self.pictures and self.pictures[-1][0] == picture:
            milliseconds += self.pictures.pop()[1]
        self.pictures.append((picture, milliseconds))

    def watch(self, end: Locator, seconds: float = 10) -> None:
        """Show the page as it changes, until an element is visible or some seconds have passed."""
        start = last = time.monotonic()
        while time.monotonic() < start + seconds * SLOW_MOTION and not end.is_visible():
            self.page.wait_for_timeout(FRAME_SECONDS * SLOW_MOTION * 1000)
            self.take(0)
            last, before = time.monotonic(), last
            picture, milliseconds = self.pictures.pop()
            self.pictures.append((picture, milliseconds + round(1000 * (last - before) / SLOW_MOTION)))

    def ask(self, words: str) -> None:
        """Type a message and send it."""
        field = self.frame.get_by_label("Message", exact=True)
        # It follows the pieces of the model more closely than a user's typing.
        for begin, end in pairwise([*range(0, len(words), 4), len(words)]):
            field.press_sequentially(words[begin:end])
            self.take(60)
        self.take(250)
        field.press("Enter")

    def click(self, button: Locator) -> None:
        """Move the pointer to a button and click it."""
        box = button.bounding_box()
        assert box is not None
        target = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for step in (3, 2, 1, 0):
            self.page.evaluate(MOVE_POINTER, [target[0] + 40 * step, target[1] + 25 * step])
            self.take(60)
        self.take(300)
        button.click()
        self.page.locator("svg").evaluate("(pointer) => { pointer.style.visibility = 'hidden' }")

    def save(self, path: Path) -> None:
        """Write an animation, in sixteen shades of each colour: a third fewer bytes."""
        pictures = (Image.open(BytesIO(picture)).convert("RGB") for picture, _ in self.pictures)
        first, *others = (picture.point(lambda value: min(255, (value + 8) // 17 * 17)) for picture in pictures)
        durations = [milliseconds for _, milliseconds in self.pictures]
        options = {"lossless": True, "quality": 100, "method": 6, "minimize_size": True, "loop": 0}
        first.save(path, save_all=True, append_images=others, duration=durations, **options)


def shoot_film(page: Page, path: Path) -> None:
    """Show tools, an approval, and an answer that goes on across a reload."""
    film = Film(page)
    page.goto("/window.html")
    film.frame.get_by_label("Message", exact=True).wait_for()
    answer = film.frame.locator("[data-role=assistant]").last.locator("p").last
    film.caption("Text, reasoning and tools")
    film.take(500)
    film.ask("What is the weather in Paris?")
    film.watch(answer.get_by_text("sunny"))
    film.take(800)
    film.caption("Arguments as the model writes them")
    film.ask("Write a note")
    film.watch(answer.get_by_text("is written."))
    film.take(800)
    film.caption("A tool that waits for the user")
    film.ask("Send a mail")
    yes = film.frame.get_by_role("button", name="Yes")
    film.watch(yes)
    film.click(yes)
    film.watch(answer.get_by_text("example.org."))
    film.take(800)
    film.caption("A reload in mid-answer")
    film.ask("Tell me a story")
    film.watch(film.page.locator("nothing"), seconds=1.5)
    film.click(page.locator("header button"))
    film.watch(film.page.locator("nothing"), seconds=1.5)
    film.click(film.frame.get_by_role("button", name="Stop"))
    film.take(1200)
    film.save(path)


def shoot_stills(browser: Browser, address: str, state: str, folder: Path) -> None:
    """Take a picture of a thread in light and dark, and on a phone."""
    for name, viewport, front_end in (("desktop", DESKTOP, "use-chat"), ("phone", PHONE, "assistant-transport")):
        options = {"viewport": viewport, "device_scale_factor": SCALE, "storage_state": state, "base_url": address}
        with browser.new_context(**options) as context:
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.goto(f"/?front-end={front_end}&thread=Picture")
            chat = Chat(page, expect, front_end)
            if name == "desktop":
                chat.ask("Write a note")
                chat.wait_for("The tool returned The note is written.")
                chat.ask("What is the weather in Paris?")
                chat.wait_for_part("sunny")
                chat.wait_for_end()
                chat.ask("Send a mail")
            chat.button("Yes").wait_for()
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
                picture.save(folder / f"chat-{name}-{scheme}.webp", lossless=True, quality=100, method=6)


@contextmanager
def served_chat() -> Iterator[str]:
    """Build the chat and serve it, with a slow model; give its address."""
    with tempfile.TemporaryDirectory() as folder:
        chat = Path(folder) / "chat"
        chat.mkdir()
        build_pages(chat)
        model = chat / "model.py"
        text, pace = model.read_text(encoding="utf-8"), SECONDS_PER_WORD * SLOW_MOTION
        model.write_text(text.replace("SECONDS_PER_WORD = 0.02", f"SECONDS_PER_WORD = {pace}"))
        with serving_chat("fastapi", chat, Path(folder) / "data") as address:
            yield address


def main(folder: Path) -> None:
    """Make all pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("The pictures need Chromium.")
    folder.mkdir(exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    with served_chat() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = browser.new_context(viewport=FILM, device_scale_factor=SCALE, base_url=address)
        context.set_default_timeout(PATIENCE)
        context.route("**/window.html", lambda route: route.fulfill(body=WINDOW, content_type="text/html"))
        page = context.new_page()
        page.goto("/")
        Chat(page, expect, "use-chat").log_in()
        page.get_by_label("Message", exact=True).wait_for()
        shoot_stills(browser, address, context.storage_state(), folder)
        shoot_film(page, folder / "chat.webp")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
