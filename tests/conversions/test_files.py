"""Files of clients: content that is passed on, and URLs."""

from __future__ import annotations

import pytest

from assistant_stream_ce.conversions.files import UnsafeFileError, data_url, file_part, is_base64, is_url
from assistant_stream_ce.message import FilePart


def test_content_and_urls_are_distinguished() -> None:
    assert is_url("https://example.org/a.png")
    assert is_url("data:image/png;base64,AA==")
    assert not is_url("iVBORw0KGgo=")


def test_a_file_as_a_data_url() -> None:
    assert data_url(FilePart("AA==", "image/png")) == "data:image/png;base64,AA=="
    assert data_url(FilePart("https://example.org/a.png", "image/png")) == "https://example.org/a.png"


@pytest.mark.parametrize(
    ("text", "is_valid"), [("AA==", True), ("", True), ("AA=", False), ("\u00e9", False), ("A A", False)]
)
def test_base64(text: str, is_valid: bool) -> None:
    assert is_base64(text) is is_valid


@pytest.mark.parametrize("media_type", [None, 5, "", "no type", "a/b\r\nx: y"])
def test_a_media_type_that_is_none(media_type: object) -> None:
    assert file_part("AA==", media_type).mime_type == "application/octet-stream"


def test_the_reason_does_not_quote_the_content() -> None:
    with pytest.raises(UnsafeFileError) as caught:
        file_part("@" * 1_000_000, "image/png")
    assert len(str(caught.value)) < 100
