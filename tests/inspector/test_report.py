"""Lines and rows contain no control characters."""

from __future__ import annotations

import random

import pytest

from assistant_stream_ce import chunks
from assistant_stream_ce.inspector.events import Broken, ChunkReceived, End, FormatFound, PartRef, Refused, Start
from assistant_stream_ce.inspector.report import VisibleText, report_line, report_opening, visible
from tests.inspector.inspecting import is_harmless

EVIL = "\x1b[2J\x1b]0;title\x07\x9b31m\r\x08\u202e\u2028\x00\x7f"


def test_each_character_is_made_harmless() -> None:
    for number in range(0x110000):
        assert is_harmless(visible(chr(number))), hex(number)


def test_readable_text_is_unchanged() -> None:
    text = "Hello \u6f22\u5b57 \U0001f600 e\u0301 \u0645\u0631\u062d\u0628\u0627 \U0001f469\u200d\U0001f680\n\ttab"
    assert visible(text) == text


def test_escapes_are_shown() -> None:
    assert visible("a\x1b[31mb\r\u202ec\ud83d") == "a\\x1b[31mb\\r\\u202ec\\ud83d"


@pytest.mark.parametrize("seed", range(50))
def test_surrogates_join_however_they_are_split(seed: int) -> None:
    units = [unit for character in "a\U0001f600b\U0001f469\u200d\U0001f680\x1b\u6f22" for unit in _units(character)]
    dice = random.Random(seed)
    text, shown = VisibleText(), ""
    while units:
        size = dice.randrange(0, 3)
        shown += text.feed("".join(units[:size]))
        del units[:size]
    assert shown + text.rest() == "a\U0001f600b\U0001f469\u200d\U0001f680\\x1b\u6f22"


def _units(character: str) -> list[str]:
    data = character.encode("utf-16-le")
    return [data[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(data), 2)]


def test_a_lone_surrogate_is_shown() -> None:
    text = VisibleText()
    assert text.feed("a\ud83d") == "a"
    assert text.feed("b\ud83d") == "\\ud83db"
    assert text.rest() == "\\ud83d"


def test_every_field_of_a_chunk_is_escaped() -> None:
    evil = EVIL
    value = {evil: [evil]}
    sample = [
        chunks.TextDeltaChunk(evil, evil),
        chunks.TextPartChunk(evil),
        chunks.ReasoningDeltaChunk(evil, evil),
        chunks.RefusalDeltaChunk(evil, evil),
        chunks.ReasoningPartChunk(evil, evil),
        chunks.ReasoningSignatureChunk(evil),
        chunks.ToolCallChunk(evil, evil, value, evil),
        chunks.ToolCallBeginChunk(evil, evil, evil),
        chunks.ToolCallDeltaChunk(evil, evil),
        chunks.ToolResultChunk(evil, value, value, True),
        chunks.ProviderMetadataChunk({evil: value}, "text", evil),
        chunks.ToolApprovalRequestChunk(evil, evil, evil),
        chunks.ToolResultChunk(evil, value, preliminary=True),
        chunks.SourceChunk(evil, evil, evil, evil, evil),
        chunks.SourceDocumentChunk(evil, evil, evil, evil, evil),
        chunks.FileChunk(evil, evil, evil, evil),
        chunks.FileChunk(f"http://{evil}", evil, evil, evil),
        chunks.DataChunk(value),
        chunks.DataPartChunk(evil, value, evil),
        chunks.AnnotationsChunk([value]),
        chunks.StepStartChunk(evil),
        chunks.StepFinishChunk(evil, 1, 2),
        chunks.ErrorChunk(evil, evil),
        chunks.MessageFinishChunk(evil, 1, 2),
        chunks.UpdateStateChunk([{"type": "set", "path": [evil], "value": value}]),
        chunks.UpdateStateChunk([{"type": "append-text", "path": [evil], "value": evil}]),
    ]
    assert {type(chunk) for chunk in sample} == set(chunks.AssistantStreamChunk.__args__)
    events = [ChunkReceived(0.0, chunk, PartRef(0, "text", evil)) for chunk in sample]
    for event in (*events, Broken(0.0, 1, evil, evil), Refused(0.0, 1, evil, evil), End(0.0, "cut", evil)):
        line = report_line(event)
        assert line is not None
        assert is_harmless(line.title), event
        text = VisibleText()
        assert is_harmless(text.feed(line.text) + text.rest()), event
    assert is_harmless(report_opening(Start(evil, "", True, 200, {"content-type": evil}), ""))
    assert is_harmless(report_opening(FormatFound(0.0, "data-stream", "bytes"), ""))
