"""Plain text: the text of the answer, and nothing else."""

from __future__ import annotations

import pytest

from assistant_stream_ce import (
    AnnotationsChunk,
    AssistantStreamChunk,
    DataChunk,
    DataPartChunk,
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
from assistant_stream_ce.serialization import PlainTextEncoder


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
