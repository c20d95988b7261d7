"""Chunks of other streams are sent with all their fields: every type, with no field at its default."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    MessageFinishChunk,
    RunController,
    SourceChunk,
    StepFinishChunk,
    TextDeltaChunk,
    ToolApprovalRequestChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    ToolCallError,
    ToolResultChunk,
    UpdateStateChunk,
    create_run,
)
from assistant_stream_ce.testing import collect
from tests.support.example_chunks import EXAMPLES

TYPES: tuple[type[Any], ...] = get_args(AssistantStreamChunk)

OPERATIONS = [{"type": "set", "path": ["a"], "value": [1]}, {"type": "append-text", "path": ["t"], "value": "!"}]


def example(field: Any) -> Any:
    """Return a value for a field that is not its default."""
    if field.name == "operations":
        return OPERATIONS
    words = [word for word in get_args(field.type) if isinstance(word, str)]
    words += [word for part in get_args(field.type) for word in get_args(part) if isinstance(word, str)]
    candidates = [*words, "x", 3, True, {"k": [1]}, [{"k": "v"}]]
    for value in candidates:
        try:
            if msgspec.convert(value, field.type) == value and value != field.default:
                return value
        except msgspec.ValidationError:
            continue
    raise AssertionError(f"no value for {field}")


def full(kind: type[Any]) -> Any:
    return kind(**{field.name: example(field) for field in msgspec.structs.fields(kind)})


def sent(chunk: Any) -> list[AssistantStreamChunk]:
    """Return what a run sends for a chunk, after what it needs before it."""

    def run(controller: RunController) -> None:
        if isinstance(chunk, (ToolCallDeltaChunk, ToolApprovalRequestChunk)):
            controller.add_tool_call("t", chunk.tool_call_id)
        controller.add_chunk(chunk)

    chunks = list(create_run(run, state={"t": "text"}))
    if isinstance(chunk, ToolApprovalRequestChunk):
        # It ends the arguments.
        return chunks[2:]
    return chunks[1:] if isinstance(chunk, ToolCallDeltaChunk) else chunks


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_every_field_of_every_chunk_is_kept(kind: type[Any]) -> None:
    chunk = full(kind)
    assert sent(chunk) == [chunk]


@pytest.mark.parametrize("kind", [kind for kind in TYPES if "parent_id" in kind.__struct_fields__])
def test_a_controller_with_a_parent_gives_it_to_chunks_without_one(kind: type[Any]) -> None:
    chunk = full(kind)
    orphan = msgspec.structs.replace(chunk, parent_id=None)

    def run(controller: RunController) -> None:
        child = controller.with_parent_id("p")
        child.add_chunk(orphan)
        if "tool_call_id" in kind.__struct_fields__:
            child.add_chunk(msgspec.structs.replace(chunk, tool_call_id="other"))
        else:
            child.add_chunk(chunk)

    first, second = collect(run).chunks
    assert first == msgspec.structs.replace(chunk, parent_id="p")
    assert second.parent_id == chunk.parent_id  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_every_field_of_a_wrong_type_is_refused_and_nothing_is_sent(kind: type[Any]) -> None:
    chunk = full(kind)
    for field in msgspec.structs.fields(kind):
        wrong = msgspec.structs.replace(chunk, **{field.name: object()})

        def run(controller: RunController, wrong: Any = wrong) -> None:
            with pytest.raises((TypeError, ValueError)):
                controller.add_chunk(wrong)

        assert collect(run, state={"t": "text"}).chunks == []


def test_values_are_copied() -> None:
    data = {"list": [1]}
    chunk = ToolResultChunk("id", data)

    def run(controller: RunController) -> None:
        controller.add_chunk(chunk)
        data["list"].append(2)

    assert collect(run).chunks == [ToolResultChunk("id", {"list": [1]})]


def test_a_finish_reason_of_another_api_passes_in_a_chunk() -> None:
    assert sent(MessageFinishChunk("end_turn")) == [MessageFinishChunk("end_turn")]
    assert sent(StepFinishChunk("tool_calls")) == [StepFinishChunk("tool-calls")]


def test_a_source_keeps_its_type() -> None:
    assert sent(SourceChunk("s", "https://example.org", "file")) == [SourceChunk("s", "https://example.org", "file")]


def test_an_empty_text_sends_nothing() -> None:
    assert sent(TextDeltaChunk("")) == []


def test_tool_calls_keep_their_order() -> None:
    def run(controller: RunController) -> None:
        controller.add_chunk(ToolCallBeginChunk("id", "t"))
        controller.add_chunk(ToolCallDeltaChunk("id", "{}", is_final=True))
        controller.add_chunk(ToolCallDeltaChunk("id", "", is_final=True))
        with pytest.raises(ToolCallError, match="are complete"):
            controller.add_chunk(ToolCallDeltaChunk("id", "x"))
        with pytest.raises(ToolCallError, match="was not begun"):
            controller.add_chunk(ToolCallDeltaChunk("other", "x"))

    assert collect(run).chunks == [ToolCallBeginChunk("id", "t"), ToolCallDeltaChunk("id", "{}", is_final=True)]


def test_state_operations_are_applied_as_one_edit() -> None:
    chunk = UpdateStateChunk(OPERATIONS)  # type: ignore[arg-type]

    def run(controller: RunController) -> None:
        controller.add_chunk(chunk)
        assert controller.state == {"t": "text!", "a": [1]}

    assert collect(run, state={"t": "text"}).chunks == [chunk]


@pytest.mark.parametrize("chunk", ["text", None, 1, {"type": "text-delta"}])
def test_an_item_that_is_not_a_chunk_is_rejected(chunk: Any) -> None:
    with pytest.raises(TypeError, match="chunk"):
        sent(chunk)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_arrives_as_it_was(name: str) -> None:
    assert sent(EXAMPLES[name]) == [EXAMPLES[name]]


@pytest.mark.parametrize(
    "chunk",
    [TextDeltaChunk(5), ToolCallBeginChunk("id", None), UpdateStateChunk([{"type": "new"}])],  # type: ignore[arg-type, list-item]
)
def test_a_field_of_a_wrong_type_is_refused(chunk: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        sent(chunk)
