"""Parts of a message that arrive in pieces."""

from __future__ import annotations

import pytest

from assistant_stream_ce.chunks import ToolCallBeginChunk, ToolResultChunk
from assistant_stream_ce.message import ReasoningPart, RefusalPart, TextPart
from assistant_stream_ce.message.builders import TextBuilder, ToolCallBuilder


def test_pieces_are_joined_also_within_a_character() -> None:
    builder = TextBuilder(TextPart, None)
    builder.pieces += ["a", "\ud83d", "\ude00"]
    assert builder.build("running") == TextPart("a\U0001f600", None, status="running")


def test_a_part_is_built_again_only_after_a_change() -> None:
    builder = TextBuilder(TextPart, None)
    builder.pieces.append("a")
    first = builder.build("running")
    assert builder.build("running") is first
    builder.pieces.append("b")
    assert builder.build("running") == TextPart("ab", None, status="running")
    assert first == TextPart("a", None, status="running")


def test_a_delta_extends_a_part_of_its_kind_and_parent_only() -> None:
    builder = TextBuilder(ReasoningPart, "p", "In short")
    assert builder.accepts(ReasoningPart, "p")
    assert not builder.accepts(ReasoningPart, None)
    assert not builder.accepts(RefusalPart, "p")
    builder.sign("signature")
    built = builder.build("complete")
    assert isinstance(built, ReasoningPart)
    assert (built.summary, built.signature) == ("In short", "signature")


def test_arguments_are_readable_before_they_are_complete() -> None:
    builder = ToolCallBuilder(ToolCallBeginChunk("c", "add"))
    states = []
    for piece in ('{"a":', "1", ',"b":[2', "]}"):
        builder.extend(piece)
        part = builder.build(is_over=False)
        states.append((part.state, part.args))  # type: ignore[union-attr]
    assert states[0][0] == "partial"
    assert states[-1] == ("partial", {"a": 1, "b": [2]})
    builder.close()
    assert builder.build(is_over=False).state == "complete"  # type: ignore[union-attr]


def test_a_result_completes_a_call() -> None:
    builder = ToolCallBuilder(ToolCallBeginChunk("c", "add"))
    assert builder.needs_result
    builder.answer(ToolResultChunk("c", 3, is_error=True))
    part = builder.build(is_over=False)
    assert not builder.needs_result
    assert not builder.is_open
    assert (part.state, part.result, part.is_error) == ("answered", 3, True)  # type: ignore[union-attr]


@pytest.mark.parametrize("pieces", [['{"a":1}', " and more"], ['{"a":1}', "x", "y", "z"]])
def test_the_last_readable_arguments_are_kept(pieces: list[str]) -> None:
    builder = ToolCallBuilder(ToolCallBeginChunk("c", "add"))
    for piece in pieces:
        builder.extend(piece)
    assert builder.build(is_over=True).args == {"a": 1}  # type: ignore[union-attr]
