"""The plain text format: only the text of the answer."""

from __future__ import annotations

import pytest

from assistant_stream_ce import (
    AnnotationsChunk,
    AssistantStreamChunk,
    DataChunk,
    DataPartChunk,
    DecodeError,
    ErrorChunk,
    FileChunk,
    MessageFinishChunk,
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    ReasoningSignatureChunk,
    RefusalDeltaChunk,
    SourceChunk,
    SourceDocumentChunk,
    StepFinishChunk,
    StepStartChunk,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
)
from assistant_stream_ce.serialization import PlainTextDecoder, PlainTextEncoder


def encode(*texts: str) -> list[bytes]:
    """Return what each text becomes, and what the end adds."""
    encoder = PlainTextEncoder()
    return [*(encoder.encode(TextDeltaChunk(text)) for text in texts), encoder.finish()]


def test_format_is_text_without_a_heartbeat() -> None:
    encoder = PlainTextEncoder()
    assert encoder.media_type == "text/plain"
    assert dict(encoder.headers) == {}
    assert encoder.keepalive is None


def test_text_is_written_as_it_is() -> None:
    assert encode("Hel", "", "lo\r\n", "\u2028\u6f22") == [b"Hel", b"", b"lo\r\n", "\u2028\u6f22".encode(), b""]


def test_refusal_is_text_too() -> None:
    encoder = PlainTextEncoder()
    said = TextDeltaChunk("a\ud83d"), RefusalDeltaChunk("\ude00b", "p")
    assert b"".join(map(encoder.encode, said)) == "a\U0001f600b".encode()


def test_parents_make_no_difference() -> None:
    assert PlainTextEncoder().encode(TextDeltaChunk("a", parent_id="p")) == b"a"


@pytest.mark.parametrize(
    ("texts", "written"),
    [
        (["a\ud83d", "\ude00b"], ["a", "\U0001f600b", ""]),
        (["\ud83d", "", "\ude00"], ["", "", "\U0001f600", ""]),
        (["\ud83d", "x"], ["", "\ufffdx", ""]),
        (["\ude00"], ["\ufffd", ""]),
        (["a\ud83d"], ["a", "\ufffd"]),
    ],
    ids=["two halves", "nothing between", "a first half alone", "a second half alone", "a half at the end"],
)
def test_halves_of_a_character_join_and_one_alone_is_replaced(texts: list[str], written: list[str]) -> None:
    assert encode(*texts) == [text.encode() for text in written]


@pytest.mark.parametrize(
    "chunk",
    [
        ReasoningDeltaChunk("hm"),
        ReasoningPartChunk("S"),
        ReasoningSignatureChunk("s"),
        ToolCallChunk("t1", "f", {}),
        ToolCallBeginChunk("t1", "f"),
        ToolCallDeltaChunk("t1", "{}", is_final=True),
        ToolResultChunk("t1", 1),
        SourceChunk("s", "u"),
        SourceDocumentChunk("s", "m", "T"),
        FileChunk("d", "m"),
        DataPartChunk("x", 1),
        DataChunk(1),
        AnnotationsChunk([1]),
        StepStartChunk("m"),
        StepFinishChunk("stop"),
        MessageFinishChunk("stop"),
        ErrorChunk("boom"),
        UpdateStateChunk([{"type": "set", "path": [], "value": 1}]),
    ],
)
def test_nothing_else_is_written(chunk: AssistantStreamChunk) -> None:
    encoder = PlainTextEncoder()
    assert encoder.encode(chunk) + encoder.finish() == b""


@pytest.mark.parametrize("is_strict", [True, False])
def test_decoder_returns_the_text_at_once_for_any_split(is_strict: bool) -> None:
    text = "Hello \u6f22\u5b57 \U0001f600\x00\ufeff\r\n"
    data = text.encode()
    for size in (1, 2, 3, 5, len(data)):
        decoder = PlainTextDecoder(strict=is_strict)
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)] + decoder.close()
        assert "".join(chunk.text_delta for chunk in chunks) == text
        assert decoder.skipped == 0


def test_decoder_names_the_byte_that_is_not_utf_8() -> None:
    decoder = PlainTextDecoder(strict=True)
    assert decoder.feed(b"abc") == [TextDeltaChunk("abc")]
    with pytest.raises(DecodeError, match="byte 5 is not UTF-8") as caught:
        decoder.feed(b"de\xff")
    assert caught.value.offset == 3
    assert PlainTextDecoder().feed(b"de\xff") == [TextDeltaChunk("de\ufffd")]


def test_decoder_takes_half_a_character_at_the_end() -> None:
    strict, lenient = PlainTextDecoder(strict=True), PlainTextDecoder()
    for decoder in (strict, lenient):
        assert decoder.feed(b"a\xf0\x9f") == [TextDeltaChunk("a")]
    assert lenient.close() == [TextDeltaChunk("\ufffd")]
    with pytest.raises(DecodeError, match="in the middle") as caught:
        strict.close()
    assert caught.value.offset == 1
