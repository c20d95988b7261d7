"""The pictures of README.md and the documentation, which `python3 dev.py pictures` makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, ROOT

PICTURES = sorted((DOCS / "pictures").iterdir())
MOVING = DOCS / "pictures" / "chat.webp"


def chunks_of(picture: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of a WebP file: https://developers.google.com/speed/webp/docs/riff_container"""
    data = picture.read_bytes()
    assert (data[:4], data[8:12]) == (b"RIFF", b"WEBP")
    place = 12
    while place < len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def test_pictures_are_small() -> None:
    assert MOVING.stat().st_size < 600_000
    assert sum(picture.stat().st_size for picture in PICTURES) < 1_500_000


def test_moving_picture_is_short_and_legible() -> None:
    chunks = list(chunks_of(MOVING))
    durations = [int.from_bytes(data[12:15], "little") for name, data in chunks if name == b"ANMF"]
    assert 10_000 <= sum(durations) <= 15_000
    (header,) = (data for name, data in chunks if name == b"VP8X")
    assert int.from_bytes(header[4:7], "little") + 1 >= 800


def test_readme_describes_its_pictures() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"(?:src|srcset)=\"(docs/[^\"]+)\"", text)
    assert str(MOVING.relative_to(ROOT)) in shown
    assert not [path for path in shown if not (ROOT / path).is_file()]
    assert all(re.search(r"\balt=\"[^\"]{40,}\"", tag) for tag in re.findall(r"<img [^>]*>", text))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_every_picture_is_shown_with_a_description(picture: Path) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.rst"))
    options = re.findall(rf"^ *\.\. (?:image|figure):: pictures/{re.escape(picture.name)}\n((?: +:.*\n)+)", pages, re.M)
    assert options
    assert all(":alt:" in option for option in options)
