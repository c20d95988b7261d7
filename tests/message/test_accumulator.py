"""The message that chunks add up to."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from types import FrameType
from typing import Any

import pytest

from assistant_stream_ce import (
    AnnotationsChunk,
    AssistantMessage,
    AssistantStreamChunk,
    DataChunk,
    DataPartChunk,
    ErrorChunk,
    FileChunk,
    MessageAccumulator,
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
    StreamUsageError,
    TextDeltaChunk,
    TextPartChunk,
    ToolApprovalRequestChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
    aaccumulate,
    accumulate,
    create_run,
)
from assistant_stream_ce.message import (
    DataPart,
    FilePart,
    MessageError,
    MessageStatus,
    ReasoningPart,
    RefusalPart,
    SourceDocumentPart,
    SourcePart,
    Step,
    TextPart,
    ToolApproval,
    ToolCallPart,
    Usage,
    UsageTotal,
)

BEGIN = ToolCallBeginChunk("c1", "search")


def texts(*deltas: str) -> list[AssistantStreamChunk]:
    return [TextDeltaChunk(delta) for delta in deltas]


def arguments(*deltas: str) -> list[AssistantStreamChunk]:
    return [BEGIN, *(ToolCallDeltaChunk("c1", delta) for delta in deltas)]


def test_every_type_of_chunk_is_accumulated() -> None:
    message = accumulate(
        [
            StepStartChunk("m1"),
            ReasoningPartChunk("Plan"),
            ReasoningDeltaChunk("think"),
            ReasoningSignatureChunk("sig"),
            ReasoningDeltaChunk("again"),
            *texts("Hel", "lo"),
            RefusalDeltaChunk("No."),
            ToolCallChunk("c0", "look", {"a": 1}),
            BEGIN,
            ToolCallDeltaChunk("c1", '{"q":'),
            ToolCallDeltaChunk("c1", '"x"}', is_final=True),
            ToolResultChunk("c1", {"found": 2}, artifact="map", is_error=True, model_content=[{"type": "text"}]),
            StepFinishChunk("tool-calls", 3, 4, is_continued=True),
            SourceChunk("s1", "https://example.org", title="Page", parent_id="c1"),
            SourceDocumentChunk("s2", "text/plain", "Notes", "notes.txt"),
            FileChunk("aGk=", "image/png", filename="a.png"),
            DataPartChunk("chart", [1], id="d1"),
            DataPartChunk("chart", [0], transient=True),
            DataPartChunk("chart", [1, 2], id="d1"),
            DataPartChunk("chart", [3]),
            DataChunk({"k": 1}),
            AnnotationsChunk(["a", "b"]),
            UpdateStateChunk([{"type": "set", "path": ["n"], "value": 1}]),
            StepFinishChunk("stop", 5, 6),
        ],
        state={},
    )
    assert message == AssistantMessage(
        parts=[
            ReasoningPart("think", summary="Plan", signature="sig"),
            ReasoningPart("again"),
            TextPart("Hello"),
            RefusalPart("No."),
            ToolCallPart("c0", "look", '{"a":1}', {"a": 1}),
            ToolCallPart(
                "c1",
                "search",
                '{"q":"x"}',
                {"q": "x"},
                "answered",
                {"found": 2},
                "map",
                is_error=True,
                model_content=[{"type": "text"}],
            ),
            SourcePart("s1", "https://example.org", title="Page", parent_id="c1"),
            SourceDocumentPart("s2", "text/plain", "Notes", "notes.txt"),
            FilePart("aGk=", "image/png", "a.png"),
            DataPart("chart", [1, 2], "d1"),
            DataPart("chart", [3]),
        ],
        status=MessageStatus("complete", "stop"),
        steps=[Step("m1", 0, "tool-calls", Usage(3, 4), is_continued=True), Step(None, 11, "stop", Usage(5, 6))],
        usage=Usage(8, 10),
        data=[{"k": 1}],
        annotations=["a", "b"],
        state={"n": 1},
    )
    assert message.text == "Hello"
    assert [call.id for call in message.tool_calls] == ["c0", "c1"]
    assert AssistantMessage.from_json(message.to_json()) == message


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ([], MessageStatus("complete", "unknown")),
        ([BEGIN], MessageStatus("requires-action", "tool-calls")),
        ([BEGIN, ToolResultChunk("c1", None)], MessageStatus("complete", "unknown")),
        ([BEGIN, MessageFinishChunk("stop")], MessageStatus("complete", "stop")),
        ([MessageFinishChunk("tool-calls")], MessageStatus("requires-action", "tool-calls")),
        ([MessageFinishChunk("length")], MessageStatus("incomplete", "length")),
        ([MessageFinishChunk("of its own")], MessageStatus("incomplete", "of its own")),
        ([ErrorChunk("a"), MessageFinishChunk("stop")], MessageStatus("incomplete", "error")),
    ],
)
def test_the_status_has_the_reason_of_the_end(end: list[AssistantStreamChunk], status: MessageStatus) -> None:
    assert accumulate([*texts("a"), *end]).status == status


def test_the_last_error_counts() -> None:
    message = accumulate([ErrorChunk("a", "c", "info"), ErrorChunk("b", severity="warning")])
    assert message.error == MessageError("b", severity="warning")


def test_messages_of_a_running_and_of_a_cancelled_stream() -> None:
    accumulator = MessageAccumulator()
    accumulator.extend([*texts("a"), *arguments('{"q":"Par'), *texts("b")])
    call = ToolCallPart("c1", "search", '{"q":"Par', {"q": "Par"}, "partial")
    assert accumulator.message == AssistantMessage(
        [TextPart("a"), call, TextPart("b", status="running")], MessageStatus("running")
    )
    accumulator.finish(is_cancelled=True)
    # A call that was cut off must not look as if it could be carried out.
    assert accumulator.message == AssistantMessage(
        [TextPart("a"), call, TextPart("b")], MessageStatus("incomplete", "cancelled")
    )


def test_a_message_does_not_change_after_later_chunks() -> None:
    accumulator = MessageAccumulator(state={"l": []})
    accumulator.extend(
        [*texts("a"), BEGIN, UpdateStateChunk([{"type": "set", "path": ["l", "0"], "value": 1}]), DataChunk(1)]
    )
    before = accumulator.message
    stored = before.to_json()
    accumulator.extend(
        [
            *texts("b"),
            ToolCallDeltaChunk("c1", "{}", is_final=True),
            UpdateStateChunk([{"type": "set", "path": ["l", "1"], "value": 2}]),
            DataChunk(2),
            AnnotationsChunk([1]),
            StepStartChunk("m"),
        ]
    )
    assert accumulator.message != before
    assert before.to_json() == stored
    assert before is not accumulator.message
    assert accumulator.message is accumulator.message


def test_the_state_given_is_not_changed() -> None:
    state: dict[str, Any] = {"n": {"m": 1}}
    change: AssistantStreamChunk = UpdateStateChunk([{"type": "set", "path": ["n", "m"], "value": 2}])
    assert accumulate([change], state=state).state == {"n": {"m": 2}}
    assert state == {"n": {"m": 1}}


def test_halves_of_a_character_join() -> None:
    message = accumulate([*texts("\ud83d", "\ude00"), *arguments('{"a":"\ud83d', '\ude00"}')])
    assert message.text == "\U0001f600"
    assert message.tool_calls[0].args == {"a": "\U0001f600"}


def test_a_boundary_starts_another_text() -> None:
    boundary = TextPartChunk()
    message = accumulate([boundary, *texts("a", "b"), boundary, boundary, *texts("c"), boundary])
    assert message.parts == [TextPart("ab"), TextPart("c")]


def test_whole_arguments_replace_the_text() -> None:
    whole = ToolCallDeltaChunk("c1", "", is_final=True, args={"q": 1})
    (call,) = accumulate([*arguments('{"q"', ":"), whole, ToolCallDeltaChunk("c1", "more")]).parts
    assert call == ToolCallPart("c1", "search", '{"q":1}', {"q": 1})


def test_a_call_that_the_provider_executes_needs_no_result() -> None:
    message = accumulate([ToolCallChunk("c1", "search", {}, provider_executed=True, dynamic=True)])
    assert message.parts == [ToolCallPart("c1", "search", provider_executed=True, dynamic=True)]
    assert message.status == MessageStatus("complete", "unknown")


def test_an_approval_request_is_open_until_a_denial_answers_it() -> None:
    asked: list[AssistantStreamChunk] = [BEGIN, ToolApprovalRequestChunk("c1", "a1", "signed")]
    message = accumulate(asked)
    (call,) = message.tool_calls
    assert (call.state, call.approval) == ("complete", ToolApproval("a1", signature="signed"))
    assert message.status == MessageStatus("requires-action", "tool-calls")
    (call,) = accumulate([*asked, ToolResultChunk("c1", "No.", is_error=True, denied=True)]).tool_calls
    assert (call.state, call.result, call.is_error) == ("answered", "No.", True)
    assert call.approval == ToolApproval("a1", False, "No.", "signed")
    (call,) = accumulate([BEGIN, ToolResultChunk("c1", {"why": 1}, denied=True)]).tool_calls
    assert (call.is_error, call.approval) == (True, ToolApproval("c1", False))


def test_a_preliminary_result_is_shown_but_does_not_answer_the_call() -> None:
    so_far = [BEGIN, *(ToolResultChunk("c1", number, preliminary=True) for number in (1, 2))]
    message = accumulate(so_far)
    (call,) = message.tool_calls
    assert (call.state, call.result, call.preliminary) == ("complete", 2, True)
    assert message.status == MessageStatus("requires-action", "tool-calls")
    (call,) = accumulate([*so_far, ToolResultChunk("c1", 3)]).tool_calls
    assert (call.state, call.result, call.preliminary) == ("answered", 3, False)


def test_metadata_belongs_to_the_open_part_or_starts_one() -> None:
    message = accumulate(
        [
            *texts("a"),
            ProviderMetadataChunk({"google": {"thoughtSignature": "AA=="}}),
            *texts("b"),
            ReasoningPartChunk(),
            ProviderMetadataChunk({"anthropic": {"redactedData": "r"}}, "reasoning"),
            ReasoningPartChunk(),
            ReasoningDeltaChunk("c"),
            ProviderMetadataChunk({"openai": {"itemId": "i"}}, "reasoning"),
            ProviderMetadataChunk({"openai": {"reasoningEncryptedContent": "e"}}, "reasoning"),
            ToolCallChunk("c1", "search", {}, provider_metadata={"google": {"thoughtSignature": "BB=="}}),
            ProviderMetadataChunk({"p": {}}, "text", "parent"),
        ]
    )
    assert message.parts == [
        TextPart("ab", provider_metadata={"google": {"thoughtSignature": "AA=="}}),
        ReasoningPart("", provider_metadata={"anthropic": {"redactedData": "r"}}),
        ReasoningPart("c", provider_metadata={"openai": {"itemId": "i", "reasoningEncryptedContent": "e"}}),
        ToolCallPart("c1", "search", provider_metadata={"google": {"thoughtSignature": "BB=="}}),
        TextPart("", "parent", provider_metadata={"p": {}}),
    ]


def test_sources_keep_their_place_in_the_text() -> None:
    chunks = [SourceChunk("s", "u", start_index=1, end_index=2), SourceDocumentChunk("d", "m", "t", None, "p", 3, 4)]
    parts = [SourcePart("s", "u", start_index=1, end_index=2), SourceDocumentPart("d", "m", "t", None, "p", 3, 4)]
    assert accumulate(chunks).parts == parts


def test_texts_of_two_parents_are_two_texts() -> None:
    message = accumulate(
        [TextDeltaChunk("a", "p"), TextDeltaChunk("b", "p"), TextDeltaChunk("c"), DataChunk(1), *texts("d")]
    )
    assert message.parts == [TextPart("ab", "p"), TextPart("cd")]


@pytest.mark.parametrize(
    ("pieces", "args"),
    [
        ([""], {}),
        (['{"a":', "1}"], {"a": 1}),
        ([" ", '{"a":1'], {"a": 1}),
        # What cannot be read leaves what was shown before.
        (['{"a":1', ',"b":2', " x", ',"c":3}'], {"a": 1, "b": 2}),
        (['{"a":1', ',"__proto__":', '{"b":1}}'], {"a": 1}),
        (['"text', '"'], {}),
        (["[1", ",2]"], [1, 2]),
    ],
)
@pytest.mark.parametrize("is_asked_often", [True, False])
def test_arguments_are_what_a_front_end_shows(pieces: list[str], args: object, is_asked_often: bool) -> None:
    accumulator = MessageAccumulator()
    for chunk in arguments(*pieces):
        accumulator.add(chunk)
        if is_asked_often:
            assert accumulator.message
    assert accumulator.message.tool_calls[0].args == args


@pytest.mark.parametrize(
    "end",
    [
        ToolCallDeltaChunk("c1", "", is_final=True),
        ToolResultChunk("c1", 1),
        StepFinishChunk("stop"),
        MessageFinishChunk("stop"),
    ],
)
def test_chunks_that_end_the_arguments(end: AssistantStreamChunk) -> None:
    call = accumulate([BEGIN, end, ToolCallDeltaChunk("c1", "late")]).tool_calls[0]
    assert (call.args_text, call.args) == ("{}", {})
    assert call.state == ("answered" if isinstance(end, ToolResultChunk) else "complete")


def test_chunks_that_do_not_fit_are_handled_leniently() -> None:
    message = accumulate(
        [
            BEGIN,
            ToolCallBeginChunk("c1", "again"),
            ToolCallChunk("c1", "again", {"a": 1}),
            ToolCallChunk("c1", "again", {"b": 1}),
            ToolResultChunk("c1", 1),
            ToolResultChunk("c1", 2),
            ToolResultChunk("c2", 3),
            ToolCallDeltaChunk("c3", "{"),
        ]
    )
    assert [(call.name, call.args, call.result) for call in message.tool_calls] == [
        ("search", {"a": 1}, 2),
        ("unknown", {}, 3),
        ("unknown", {}, None),
    ]


@pytest.mark.parametrize("chunk", [None, "text", object()])
def test_an_item_that_is_not_a_chunk_raises_a_clear_error(chunk: Any) -> None:
    with pytest.raises(TypeError, match="a stream must yield chunks, not"):
        accumulate([chunk])


@pytest.mark.parametrize("source", [5, None])
def test_a_value_that_is_not_iterable_raises_a_clear_error(source: Any) -> None:
    with pytest.raises(TypeError, match="chunks must be an iterable"):
        accumulate(source)


async def later(chunks: list[AssistantStreamChunk]) -> AsyncIterator[AssistantStreamChunk]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


def say(controller: RunController) -> None:
    controller.append_text("ab")


def test_accumulate_and_its_twin_for_coroutines_make_the_same_message() -> None:
    async def main() -> None:
        assert await aaccumulate(later(texts("a", "b"))) == accumulate(texts("ab"))
        assert await aaccumulate(create_run(say)) == accumulate(texts("ab"))

    asyncio.run(main())
    assert accumulate(create_run(say)) == accumulate(texts("ab"))


async def test_accumulate_in_a_coroutine_reads_plain_iterables_only() -> None:
    assert accumulate(texts("ab")).text == "ab"
    with create_run(say) as stream, pytest.raises(StreamUsageError, match="async for"):
        accumulate(stream)


def test_each_twin_names_the_other() -> None:
    with pytest.raises(TypeError, match=r"not async_generator: use `await aaccumulate\(...\)`"):
        accumulate(later([]))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"not list: use `accumulate\(...\)`"):
        asyncio.run(aaccumulate([]))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"not int$"):
        asyncio.run(aaccumulate(5))  # type: ignore[arg-type]


def test_a_stream_that_is_cancelled_while_it_is_read_is_incomplete() -> None:
    async def say_and_leave(controller: RunController) -> None:
        controller.append_text("ab")
        await asyncio.sleep(0)
        stream.cancel()

    async def main() -> None:
        assert (await aaccumulate(stream)).status == MessageStatus("incomplete", "cancelled")

    stream = create_run(say_and_leave)
    asyncio.run(main())
    stream = create_run(say_and_leave)
    assert accumulate(stream).status == MessageStatus("incomplete", "cancelled")


@pytest.mark.parametrize(
    "make",
    [
        lambda count: texts(*["word "] * count),
        lambda count: arguments('{"a":"', *["x" * 50] * count, '"}'),
        lambda count: arguments('{"a":"', *["x" * 50] * count),
        lambda count: arguments('{"a":"', '"x', *["x" * 50] * count),
        lambda count: [UpdateStateChunk([{"type": "append-text", "path": ["t"], "value": "x" * 50}])] * count,
    ],
    ids=["text", "arguments", "partial arguments", "unreadable arguments", "state"],
)
def test_many_pieces_take_time_in_proportion(make: Any) -> None:
    def seconds(count: int) -> float:
        chunks = make(count)
        start = time.process_time()
        accumulate(chunks, state={"t": ""})
        return time.process_time() - start

    seconds(1_000)
    few = min(seconds(5_000) for _ in range(3))
    many = min(seconds(50_000) for _ in range(3))
    # Ten times as many; were it quadratic, a hundred times as long.
    assert many < 40 * max(few, 0.001)


def executed_lines(work: Callable[[], object]) -> int:
    """Return how many lines of Python are executed by a function."""
    lines = 0

    def count(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


def steps_of_one_call(count: int) -> list[AssistantStreamChunk]:
    numbers = range(count)
    return [
        chunk
        for number in numbers
        for chunk in (
            StepStartChunk(f"m{number}"),
            ToolCallBeginChunk(f"c{number}", "search"),
            ToolResultChunk(f"c{number}", number),
            StepFinishChunk("tool-calls", 1, 1),
        )
    ]


def open_calls_before_steps(count: int) -> list[AssistantStreamChunk]:
    calls = [ToolCallBeginChunk(f"c{number}", "search") for number in range(count)]
    return [*calls, *[StepFinishChunk("stop")] * count]


def replaced_data_parts(count: int) -> list[AssistantStreamChunk]:
    return [DataPartChunk("chart", number, id=f"d{number % 100}") for number in range(count)]


def parts_of_each_kind(count: int) -> list[AssistantStreamChunk]:
    return [SourceChunk("s", "https://example.org"), *texts("a"), FileChunk("aGk=", "image/png")] * count


@pytest.mark.parametrize("make", [steps_of_one_call, open_calls_before_steps, replaced_data_parts, parts_of_each_kind])
def test_the_work_is_linear_in_steps_calls_and_parts(make: Callable[[int], list[AssistantStreamChunk]]) -> None:
    few, many = make(200), make(2_000)
    assert executed_lines(lambda: accumulate(many)) < 11 * executed_lines(lambda: accumulate(few))


def test_a_usage_total_is_the_message_s_usage_or_the_sum_of_its_steps() -> None:
    total = UsageTotal()
    assert total.add_step(StepFinishChunk("stop", 3, 4)) == Usage(3, 4)
    total.add_step(StepFinishChunk("stop", 5, 6))
    assert total.usage == Usage(8, 10)
    total.set_message(MessageFinishChunk("stop"))
    assert total.usage == Usage(8, 10)
    total.set_message(MessageFinishChunk("stop", 20, 30))
    assert total.usage == Usage(20, 30)
