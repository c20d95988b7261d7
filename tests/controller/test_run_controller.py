"""Each call of the controller is one chunk, checked; the rest of its behaviour is in the matrix."""

from __future__ import annotations

import dataclasses
from collections import UserString
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from assistant_stream_ce import (
    AnnotationsChunk,
    AssistantStreamChunk,
    DataChunk,
    DataPartChunk,
    ErrorChunk,
    FileChunk,
    MessageFinishChunk,
    ProviderMetadataChunk,
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    ReasoningSignatureChunk,
    RefusalDeltaChunk,
    RunController,
    SourceChunk,
    SourceDocumentChunk,
    StepFinishChunk,
    StepStartChunk,
    TextDeltaChunk,
    TextPartChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallError,
    ToolResultChunk,
    UpdateStateChunk,
    create_run,
)
from assistant_stream_ce.testing import SlowReader, collect


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("call", "chunk"),
    [
        (lambda c: c.append_text("a"), TextDeltaChunk("a")),
        (lambda c: c.append_reasoning("a"), ReasoningDeltaChunk("a")),
        (lambda c: c.append_refusal("a"), RefusalDeltaChunk("a")),
        (lambda c: c.add_text_part(), TextPartChunk()),
        (
            lambda c: c.add_tool_call("t", "id", provider_executed=True, dynamic=True),
            ToolCallBeginChunk("id", "t", None, True, True),
        ),
        (lambda c: c.add_reasoning_part(), ReasoningPartChunk()),
        (lambda c: c.add_reasoning_part("S"), ReasoningPartChunk("S")),
        (lambda c: c.add_reasoning_signature("x"), ReasoningSignatureChunk("x")),
        (lambda c: c.add_tool_call("t", "id"), ToolCallBeginChunk("id", "t")),
        (lambda c: c.add_tool_call("t", "id", args={}), ToolCallChunk("id", "t", {})),
        (lambda c: c.add_tool_call("t", "id", args=Point(1)), ToolCallChunk("id", "t", {"x": 1})),
        (lambda c: c.add_tool_result("id", None), ToolResultChunk("id", None)),
        (
            lambda c: c.add_tool_result("id", Point(1), artifact=(1,), is_error=True),
            ToolResultChunk("id", {"x": 1}, [1], True),
        ),
        (
            lambda c: c.add_tool_result("id", 1, model_content=({"type": "text", "text": "one"},)),
            ToolResultChunk("id", 1, model_content=[{"type": "text", "text": "one"}]),
        ),
        (lambda c: c.add_source_document("d", "text/plain", "T"), SourceDocumentChunk("d", "text/plain", "T")),
        (
            lambda c: c.add_source_document("d", "text/plain", "T", "t.txt"),
            SourceDocumentChunk("d", "text/plain", "T", "t.txt"),
        ),
        (lambda c: c.add_data_part("chart", Point(1)), DataPartChunk("chart", {"x": 1})),
        (
            lambda c: c.add_data_part("chart", None, id="1", transient=True),
            DataPartChunk("chart", None, "1", True),
        ),
        (
            lambda c: c.add_source("s", "https://example.org"),
            SourceChunk("s", "https://example.org"),
        ),
        (
            lambda c: c.add_source(id="s", url="https://example.org", title="T"),
            SourceChunk("s", "https://example.org", title="T"),
        ),
        (lambda c: c.add_file("eA==", "text/plain"), FileChunk("eA==", "text/plain")),
        (lambda c: c.add_file("eA==", "text/plain", filename="f"), FileChunk("eA==", "text/plain", filename="f")),
        (lambda c: c.add_data({"a": {1}}), DataChunk({"a": [1]})),
        (lambda c: c.add_annotations([Point(2)]), AnnotationsChunk([{"x": 2}])),
        (lambda c: c.add_error("e"), ErrorChunk("e")),
        (lambda c: c.add_error("e", code="busy", severity="info"), ErrorChunk("e", "busy", "info")),
        (lambda c: c.add_step_start("m"), StepStartChunk("m")),
        (lambda c: c.add_step_finish("stop", 1, 2, True), StepFinishChunk("stop", 1, 2, True)),
        (lambda c: c.add_step_finish("stop"), StepFinishChunk("stop")),
        (lambda c: c.add_message_finish("length", 1, 2), MessageFinishChunk("length", 1, 2)),
        (lambda c: c.add_message_finish("tool_calls"), MessageFinishChunk("tool-calls")),
        (lambda c: c.add_step_finish("content_filter"), StepFinishChunk("content-filter")),
        (
            lambda c: c.append_state_text(["t", 0], "b"),
            UpdateStateChunk([{"type": "append-text", "path": ["t", "0"], "value": "b"}]),
        ),
        (
            lambda c: setattr(c, "state", [1]),
            UpdateStateChunk([{"type": "set", "path": [], "value": [1]}]),
        ),
    ],
)
def test_a_call_is_a_chunk(call: Callable[[RunController], object], chunk: AssistantStreamChunk) -> None:
    def run(controller: RunController) -> None:
        call(controller)

    assert collect(run, state={"t": ["a"]}).chunks == [chunk]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.append_text(None), "text must be a str, not NoneType: write `text or ''`"),
        (lambda c: c.append_text(b"a"), "text must be a str, not bytes"),
        (lambda c: c.append_text(UserString("a")), r"text must be a str, not UserString: pass str\(text\)"),
        # Its str() is its repr(), as that of a template string.
        (lambda c: c.append_text(SimpleNamespace()), "text must be a str, not SimpleNamespace$"),
        (lambda c: c.append_reasoning(1), "text must be a str, not int"),
        (lambda c: c.append_refusal(1), "text must be a str, not int"),
        (lambda c: c.add_reasoning_part(1), "summary must be a str"),
        (lambda c: c.add_reasoning_signature(None), "signature must be a str"),
        (lambda c: c.add_tool_call("t", args=[1]), "args must be a dict, not list"),
        (lambda c: c.add_tool_call("t", args={"a": object()}), "args is not JSON|args.*not JSON"),
        (lambda c: c.add_tool_result("t", 1, model_content={"a": 1}), "model_content must be a list, not dict"),
        (lambda c: c.add_source_document("d", None, "T"), "media_type must be a str"),
        (lambda c: c.add_source_document("d", "text/plain", None), "title must be a str"),
        (lambda c: c.add_data_part(1, 1), "name must be a str"),
        (lambda c: c.add_data_part("n", object()), "data is not JSON"),
        (lambda c: c.add_data_part("n", 1, transient=None), "transient must be a bool"),
        (lambda c: c.add_error("e", code=1), "code must be a str"),
        (lambda c: c.add_tool_call(1), "tool_name must be a str"),
        (lambda c: c.add_tool_call("t", 1), "tool_call_id must be a str"),
        (lambda c: c.add_tool_call("t").append_args_text({}), "text must be a str, not dict: pass json.dumps"),
        (lambda c: c.add_tool_call("t").set_response(object()), "result is not JSON"),
        (lambda c: c.add_tool_call("t").set_response(1, artifact=object()), "artifact is not JSON"),
        (lambda c: c.add_tool_call("t").set_response(1, is_error="no"), "is_error must be a bool"),
        (lambda c: c.add_tool_result(1, 2), "tool_call_id must be a str"),
        (lambda c: c.add_source("s", None), "url must be a str"),
        (lambda c: c.add_source("s", "u", 1), "title must be a str"),
        (lambda c: c.add_file(b"x", "text/plain"), "data must be a str, not bytes"),
        (lambda c: c.add_file("x", None), "mime_type must be a str"),
        (lambda c: c.add_data(object()), "data is not JSON"),
        (lambda c: c.add_annotations({"a": 1}), "annotations must be a list, not dict"),
        (lambda c: c.add_annotations("ab"), "annotations must be a list, not str"),
        (lambda c: c.add_error(ValueError("x")), "message must be a str, not ValueError"),
        (lambda c: c.add_step_start(1), "message_id must be a str"),
        (lambda c: c.add_step_finish("stop", -1), "input_tokens must be an int of at least 0, not -1"),
        (lambda c: c.add_step_finish("stop", 0, 1.5), "output_tokens must be an int"),
        (lambda c: c.add_step_finish("stop", is_continued=1), "is_continued must be a bool"),
        (lambda c: c.add_message_finish(None), "finish_reason must be a str"),
        (lambda c: c.append_state_text("t", "x"), "path must be a list"),
        (lambda c: c.append_state_text(["t"], 1), "text must be a str"),
        (lambda c: c.with_parent_id(1), "parent_id must be a str"),
    ],
)
def test_a_wrong_argument_is_named_and_the_stream_continues(call: Callable[[Any], object], message: str) -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(TypeError, match=message):
            call(controller)
        controller.append_text("on")

    assert collect(run, state={"t": "text"}).chunks[-1] == TextDeltaChunk("on")


def test_an_unknown_severity_is_rejected_with_the_known_ones() -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(ValueError, match="severity must be one of critical, warning, info, not 'fatal'"):
            controller.add_error("e", severity="fatal")  # type: ignore[arg-type]

    assert collect(run).chunks == []


def test_a_call_with_whole_arguments_takes_no_more_and_has_one_result() -> None:
    def run(controller: RunController) -> None:
        with controller.add_tool_call("t", "id", args={"a": 1}) as call:
            with pytest.raises(ToolCallError, match="are complete"):
                call.append_args_text("{")
            call.set_response(1)
        with pytest.raises(ToolCallError, match="exists already"):
            controller.add_tool_call("t", "id", args={})

    assert collect(run).chunks == [ToolCallChunk("id", "t", {"a": 1}), ToolResultChunk("id", 1)]


def test_a_caught_error_is_reported_and_the_stream_continues() -> None:
    async def run(controller: RunController) -> None:
        try:
            raise ValueError("no such city")
        except ValueError as error:
            controller.add_error(str(error))
        controller.append_text("on")

    assert list(create_run(run)) == [ErrorChunk("no such city"), TextDeltaChunk("on")]


def test_an_empty_text_sends_nothing() -> None:
    def run(controller: RunController) -> None:
        controller.append_text("")
        controller.append_reasoning("")
        controller.add_tool_call("t", "id").append_args_text("")

    assert collect(run).chunks == [ToolCallBeginChunk("id", "t")]


def test_a_str_subclass_becomes_a_plain_str() -> None:
    class Text(str):
        pass

    (chunk,) = collect(lambda controller: controller.append_text(Text("a"))).chunks
    assert isinstance(chunk, TextDeltaChunk)
    assert type(chunk.text_delta) is str


def test_a_controller_with_a_parent_gives_it_to_every_part() -> None:
    def run(controller: RunController) -> None:
        child = controller.with_parent_id("p")
        child.append_text("a")
        child.append_reasoning("b")
        child.add_tool_call("t", "id")
        child.append_refusal("r")
        child.add_reasoning_part("s")
        child.add_tool_call("t", "whole", args={})
        child.add_source("s", "https://example.org")
        child.add_source_document("d", "text/plain", "T")
        child.add_file("eA==", "text/plain")
        child.add_data_part("n", 1)
        child.state["n"] = 1
        controller.append_text("c")

    assert collect(run, state={}).chunks == [
        TextDeltaChunk("a", "p"),
        ReasoningDeltaChunk("b", "p"),
        ToolCallBeginChunk("id", "t", "p"),
        RefusalDeltaChunk("r", "p"),
        ReasoningPartChunk("s", "p"),
        ToolCallChunk("whole", "t", {}, "p"),
        SourceChunk("s", "https://example.org", parent_id="p"),
        SourceDocumentChunk("d", "text/plain", "T", parent_id="p"),
        FileChunk("eA==", "text/plain", "p"),
        DataPartChunk("n", 1, parent_id="p"),
        UpdateStateChunk([{"type": "set", "path": ["n"], "value": 1}]),
        TextDeltaChunk("c"),
    ]


def test_values_are_copied_when_they_are_given() -> None:
    def run(controller: RunController) -> None:
        value = {"list": [1]}
        controller.add_data(value)
        controller.add_annotations([value])
        controller.add_tool_result("id", value)
        value["list"].append(2)

    assert collect(run).chunks == [
        DataChunk({"list": [1]}),
        AnnotationsChunk([{"list": [1]}]),
        ToolResultChunk("id", {"list": [1]}),
    ]


def test_waiting_state_edits_travel_together_and_flush_parts_them() -> None:
    def run(controller: RunController) -> None:
        controller.state["a"] = 1
        controller.state["b"] = 2
        controller.flush()
        controller.state["c"] = 3
        controller.append_text("x")
        controller.state["d"] = 4

    chunks = list(create_run(lambda controller: run(controller), state={}))
    values = [
        [operation["value"] for operation in chunk.operations] if isinstance(chunk, UpdateStateChunk) else "text"
        for chunk in chunks
    ]
    assert values in ([[1, 2], [3], "text", [4]], [[1], [2], [3], "text", [4]])


async def test_waiting_state_edits_of_a_coroutine_always_travel_together() -> None:
    async def run(controller: RunController) -> None:
        for number in range(3):
            controller.state["n"] = number

    assert [chunk.operations async for chunk in create_run(run, state={})] == [  # type: ignore[union-attr]
        [{"type": "set", "path": ["n"], "value": 2}]
    ]


async def test_drain_paces_a_coroutine() -> None:
    async def run(controller: RunController) -> None:
        for _ in range(100):
            controller.append_text("x")
            await controller.drain()

    async with SlowReader(run, max_pending=8) as reader:
        await anext(reader)
        await reader.await_until_held()
        assert reader.most_waiting < 20
        assert sum([1 async for _ in reader]) == 99


def test_a_long_text_takes_more_capacity() -> None:
    """Memory stays bounded when the chunks are large: 200 MiB pass, a few wait."""

    def run(controller: RunController) -> None:
        for _ in range(200):
            controller.append_text("x" * 2**20)

    with SlowReader(run) as reader:
        next(reader)
        reader.wait_until_held()
        assert reader.most_waiting < 15
        assert sum(1 for _ in reader) == 199


def test_a_misspelt_attribute_is_an_error() -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(AttributeError):
            controller.sate = {}  # type: ignore[attr-defined]

    assert collect(run).chunks == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c.add_provider_metadata("file", {}), ValueError, "part must be 'text' or 'reasoning'"),
        (lambda c: c.add_provider_metadata("text", {"p": 1}), TypeError, r"provider_metadata\['p'\] must be a dict"),
        (lambda c: c.add_provider_metadata("text", [1]), TypeError, "provider_metadata must be a dict"),
        (lambda c: c.add_tool_call("t", provider_metadata={"p": object()}), TypeError, "provider_metadata"),
        (lambda c: c.add_step_finish("stop", cached_tokens=-1), TypeError, "cached_tokens"),
        (lambda c: c.add_message_finish("stop", reasoning_tokens="1"), TypeError, "reasoning_tokens"),
    ],
)
def test_metadata_and_usage_are_validated(call: Any, error: type[Exception], message: str) -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(error, match=message):
            call(controller)

    assert collect(run).chunks == []


def test_metadata_is_sent_with_the_part_of_the_controller() -> None:
    def run(controller: RunController) -> None:
        controller.with_parent_id("p").add_provider_metadata("reasoning", {"a": {"b": 1}})
        controller.add_tool_call("t", "1", args={}, provider_metadata={"a": {"b": 2}})

    assert collect(run).chunks == [
        ProviderMetadataChunk({"a": {"b": 1}}, "reasoning", "p"),
        ToolCallChunk("1", "t", {}, provider_metadata={"a": {"b": 2}}),
    ]


@pytest.mark.parametrize("place", [{"start_index": 1}, {"end_index": 1}, {"start_index": 2, "end_index": 1}])
def test_the_place_of_a_source_has_two_ends_in_order(place: dict[str, Any]) -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(ValueError, match="must be given together"):
            controller.add_source("s", "https://example.org", **place)
        with pytest.raises(ValueError, match="must be given together"):
            controller.add_source_document("s", "text/plain", "t", **place)
        controller.add_source("s", "https://example.org", start_index=0, end_index=4)

    assert collect(run).chunks == [SourceChunk("s", "https://example.org", start_index=0, end_index=4)]
