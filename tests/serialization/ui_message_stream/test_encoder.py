"""The UI message stream: each chunk becomes frames that AI SDK 5, 6 and 7 accept, byte for byte.

Parts are started and ended with ids of their own, a call's input is told once and in the step in which the call
began, an error comes after the ends of all parts, and one `finish` stands before `[DONE]`.
"""

from __future__ import annotations

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
    SourceChunk,
    SourceDocumentChunk,
    StepFinishChunk,
    StepStartChunk,
    TextDeltaChunk,
    TextPartChunk,
    ToolApprovalRequestChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
)
from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.jsonvalue import dumps
from assistant_stream_ce.serialization import UIMessageStreamEncoder

DONE = b"data: [DONE]\n\n"
#: The text by which assistant-ui recognises the end of a resumable stream.
FINISH_COMMENT = b': "type":"finish"\n\n'
BAD = "The arguments of this call are not valid JSON."

BEGIN = ToolCallBeginChunk("t1", "search")
CLOSE = ToolCallDeltaChunk("t1", "", is_final=True)


def frame(kind: str, **fields: Any) -> bytes:
    """Return a frame."""
    return b"data: " + dumps({"type": kind, **fields}) + b"\n\n"


START = frame("start")
#: What begins a step where the callback begins none.
OWN_STEP = frame("start-step")
TOOL_START = frame("tool-input-start", toolCallId="t1", toolName="search")


def args(text: str) -> ToolCallDeltaChunk:
    """Return a piece of arguments."""
    return ToolCallDeltaChunk("t1", text)


def arguments(text: str) -> bytes:
    """Return the frame of a piece of arguments."""
    return frame("tool-input-delta", toolCallId="t1", inputTextDelta=text)


def told(value: Any, name: str = "search") -> bytes:
    """Return the frame of a call's whole input."""
    return frame("tool-input-available", toolCallId="t1", toolName=name, input=value)


def refused(text: str, error: str = BAD) -> bytes:
    """Return the frame of a call's input that is no JSON."""
    return frame("tool-input-error", toolCallId="t1", toolName="search", input=text, errorText=error)


def text(number: int, *deltas: str, kind: str = "text") -> bytes:
    """Return the frames of a whole text."""
    pieces = [frame(f"{kind}-delta", id=str(number), delta=delta) for delta in deltas]
    return b"".join([frame(f"{kind}-start", id=str(number)), *pieces, frame(f"{kind}-end", id=str(number))])


def encode(*chunks: AssistantStreamChunk, **options: Any) -> bytes:
    """Return what comes between the start and the end, without the steps that the callback did not begin."""
    data = whole(*chunks, **options).replace(OWN_STEP, b"")
    end = data.index(b'data: {"type":"finish"')
    return data[:end].removeprefix(START)


def whole(*chunks: AssistantStreamChunk, **options: Any) -> bytes:
    """Return the whole wire."""
    encoder = UIMessageStreamEncoder(**options)
    return b"".join(map(encoder.encode, chunks)) + encoder.finish()


def test_format_is_server_sent_events_with_a_header() -> None:
    encoder = UIMessageStreamEncoder()
    assert encoder.media_type == "text/event-stream"
    assert encoder.headers == {"x-vercel-ai-ui-message-stream": "v1"}
    assert encoder.keepalive == b": keepalive\n\n"


# --- Start and end --------------------------------------------------------------------------------


def test_empty_message_is_complete() -> None:
    assert whole() == START + frame("finish") + DONE


def test_start_is_sent_once_with_the_first_frame() -> None:
    encoder = UIMessageStreamEncoder(message_id="m1", metadata={"model": "small"})
    start = frame("start", messageId="m1", messageMetadata={"model": "small"})
    assert encoder.encode(StepStartChunk("s")) == start + frame("start-step", messageId="s")
    assert encoder.encode(StepStartChunk("s")) == frame("start-step", messageId="s")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool-calls", "tool-calls"),
        ("content-filter", "content-filter"),
        ("error", "error"),
        ("other", "other"),
        ("anything else", "other"),
    ],
)
def test_finish_reason_is_one_that_every_version_accepts(given: str, said: str) -> None:
    assert whole(MessageFinishChunk(given)) == START + frame("finish", finishReason=said) + DONE


def test_an_unknown_finish_reason_is_left_out() -> None:
    assert whole(MessageFinishChunk("unknown")) == START + frame("finish") + DONE


def test_finish_is_the_last_frame() -> None:
    said = whole(MessageFinishChunk("stop"), TextDeltaChunk("a"), MessageFinishChunk("length"))
    assert said == START + OWN_STEP + text(1, "a") + frame("finish", finishReason="length") + DONE


def test_unanswered_call_is_the_finish_reason() -> None:
    assert whole(BEGIN).endswith(frame("finish", finishReason="tool-calls") + DONE)
    assert whole(BEGIN, ToolResultChunk("t1", 1)).endswith(frame("finish") + DONE)
    assert whole(ToolCallChunk("t1", "search", {}, None, True)).endswith(frame("finish") + DONE)


def test_a_message_that_was_interrupted_ends_with_an_abort() -> None:
    assert whole(MessageFinishChunk("interrupted")) == START + frame("abort") + FINISH_COMMENT + DONE
    usage = {"inputTokens": 1, "outputTokens": 2}
    told = frame("message-metadata", usage=usage, messageMetadata={"usage": {**usage, "totalTokens": 3}})
    assert whole(MessageFinishChunk("interrupted", 1, 2)) == START + told + frame("abort") + FINISH_COMMENT + DONE


@pytest.mark.parametrize(
    ("chunks", "counts"),
    [
        ([MessageFinishChunk("stop", 3, 4)], (3, 4, 7)),
        ([StepFinishChunk("stop", 1, 2), StepFinishChunk("stop", 10, 20), MessageFinishChunk("stop")], (11, 22, 33)),
        ([StepFinishChunk("stop", 1, 2), MessageFinishChunk("stop", 5, 6)], (5, 6, 11)),
    ],
)
def test_usage_is_in_the_field_that_each_client_reads(
    chunks: list[AssistantStreamChunk], counts: tuple[int, int, int]
) -> None:
    usage = {"inputTokens": counts[0], "outputTokens": counts[1]}
    metadata = {"usage": {**usage, "totalTokens": counts[2]}}
    assert whole(*chunks).endswith(frame("finish", finishReason="stop", usage=usage, messageMetadata=metadata) + DONE)


# --- Texts ----------------------------------------------------------------------------------------


def test_deltas_of_a_kind_and_parent_are_one_text() -> None:
    said = encode(
        TextDeltaChunk("a"),
        TextDeltaChunk("b"),
        ReasoningDeltaChunk("c"),
        TextDeltaChunk("d", parent_id="p"),
        TextDeltaChunk("e"),
    )
    assert said == text(1, "a", "b") + text(2, "c", kind="reasoning") + text(3, "d") + text(4, "e")


@pytest.mark.parametrize(
    "part",
    [
        BEGIN,
        ToolCallChunk("t1", "search", {}),
        SourceChunk("s", "u"),
        SourceDocumentChunk("s", "m", "T"),
        FileChunk("d", "m"),
        DataPartChunk("x", 1),
        DataPartChunk("x", 1, "i"),
        StepStartChunk("m"),
    ],
)
def test_part_ends_the_text(part: AssistantStreamChunk) -> None:
    said = encode(TextDeltaChunk("a"), part, TextDeltaChunk("b"))
    assert said.startswith(text(1, "a"))
    assert text(2, "b")[:-40] in said


@pytest.mark.parametrize(
    "beside",
    [
        DataChunk(1),
        AnnotationsChunk([1]),
        UpdateStateChunk([]),
        args("1"),
        DataPartChunk("x", 1, transient=True),
        DataPartChunk("x", 2, "i"),
    ],
)
def test_data_beside_the_text_does_not_end_it(beside: AssistantStreamChunk) -> None:
    encoder = UIMessageStreamEncoder()
    for chunk in (BEGIN, DataPartChunk("x", 1, "i"), TextDeltaChunk("a"), beside):
        encoder.encode(chunk)
    assert encoder.encode(TextDeltaChunk("b")) == frame("text-delta", id="1", delta="b")


def test_a_new_data_part_ends_the_text() -> None:
    parts = DataPartChunk("x", 1, "i", transient=True), DataPartChunk("x", 1, "i"), DataPartChunk("y", 1, "i")
    said = encode(parts[0], TextDeltaChunk("a"), parts[1], TextDeltaChunk("b"), parts[2])
    shown = [encode(part) for part in parts]
    assert said == shown[0] + text(1, "a") + shown[1] + text(2, "b") + shown[2]


def test_a_boundary_starts_another_text() -> None:
    chunks = TextPartChunk(), TextDeltaChunk("a"), TextPartChunk(), TextPartChunk("p"), TextDeltaChunk("b")
    assert encode(*chunks) == text(1, "a") + text(2, "b")


def test_refusal_is_text() -> None:
    assert encode(TextDeltaChunk("a", "p"), RefusalDeltaChunk("no", "p")) == text(1, "a", "no")
    assert whole(RefusalDeltaChunk("no")) == whole(TextDeltaChunk("no"))


def test_part_of_the_reasoning_begins_with_its_summary() -> None:
    said = encode(
        ReasoningDeltaChunk("a"),
        ReasoningPartChunk(),
        ReasoningDeltaChunk("b"),
        ReasoningPartChunk("S", "p"),
        ReasoningDeltaChunk("c", "p"),
    )
    pieces = ["a"], ["b"], ["S\n\n", "c"]
    assert said == b"".join(text(number, *said, kind="reasoning") for number, said in enumerate(pieces, 1))


def test_signature_ends_the_reasoning_before_it() -> None:
    def signed(number: int, *deltas: str, signature: str) -> bytes:
        end = frame("reasoning-end", id=str(number))
        metadata = {"assistant-stream": {"signature": signature}}
        said = text(number, *deltas, kind="reasoning").removesuffix(end)
        return said + frame("reasoning-end", id=str(number), providerMetadata=metadata)

    a, b = ReasoningSignatureChunk("a"), ReasoningSignatureChunk("b")
    said = encode(ReasoningDeltaChunk("x", "p"), a, b, ReasoningDeltaChunk("y"), TextDeltaChunk("z"), a)
    rest = text(3, "y", kind="reasoning") + text(4, "z")
    assert said == signed(1, "x", signature="a") + signed(2, signature="b") + rest + signed(5, signature="a")


# --- Tool calls -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "value"),
    [
        (['{"q": ', "[1]}"], {"q": [1]}),
        (["null"], None),
        (["[1, 1e400]"], [1, None]),
        (['{"__proto__": {}, "a": 1}'], {"a": 1}),
        (['"\ud83d', '\ude00"'], "\ud83d\ude00"),
    ],
)
def test_arguments_are_sent_in_pieces_and_then_whole(pieces: list[str], value: Any) -> None:
    assert encode(BEGIN, *map(args, pieces), CLOSE) == TOOL_START + b"".join(map(arguments, pieces)) + told(value)


@pytest.mark.parametrize(
    "end", [CLOSE, ToolResultChunk("t1", 1), StepFinishChunk("stop"), MessageFinishChunk("stop"), ErrorChunk("x")]
)
def test_each_end_of_the_arguments_sends_them_once(end: AssistantStreamChunk) -> None:
    said = encode(BEGIN, end, args("more"), CLOSE)
    assert said.startswith(TOOL_START + told({}))
    assert said.count(b"tool-input-available") == 1
    assert b"tool-input-delta" not in said


@pytest.mark.parametrize("pieces", ["{", '{"a": NaN}', "{'a': 1}", "[" * 100_000, '"\n"'])
def test_invalid_arguments_are_an_error(pieces: str) -> None:
    said = encode(BEGIN, args(pieces), CLOSE, StepFinishChunk("stop"))
    assert said.startswith(TOOL_START + arguments(pieces) + refused(pieces))
    assert whole(BEGIN, args(pieces)).endswith(refused(pieces) + frame("finish") + DONE)


def test_error_that_answers_bad_arguments_is_the_reason_shown() -> None:
    said = encode(BEGIN, args("{"), CLOSE, ToolResultChunk("t1", "No such city", is_error=True))
    assert said == TOOL_START + arguments("{") + refused("{", "No such city")


def test_result_that_answers_bad_arguments_is_shown_with_their_text() -> None:
    said = encode(BEGIN, args("{"), ToolResultChunk("t1", 1))
    assert said == TOOL_START + arguments("{") + told("{") + frame("tool-output-available", toolCallId="t1", output=1)


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (ToolResultChunk("t1", None), frame("tool-output-available", toolCallId="t1", output=None)),
        (ToolResultChunk("t1", [1], artifact=2), frame("tool-output-available", toolCallId="t1", output=[1])),
        (ToolResultChunk("t1", "bad", is_error=True), frame("tool-output-error", toolCallId="t1", errorText="bad")),
        (
            ToolResultChunk("t1", {"a": 1}, is_error=True),
            frame("tool-output-error", toolCallId="t1", errorText='{"a":1}'),
        ),
    ],
)
def test_result(result: ToolResultChunk, shown: bytes) -> None:
    assert encode(BEGIN, args("{}"), result) == TOOL_START + arguments("{}") + told({}) + shown


def test_whole_call_is_complete() -> None:
    call = ToolCallChunk("t1", "search", {"q": 1})
    assert encode(call, args("more"), CLOSE, BEGIN, call) == told({"q": 1})
    output = frame("tool-output-available", toolCallId="t1", output=1)
    assert encode(call, ToolResultChunk("t1", 1, model_content=[])) == told({"q": 1}) + output
    error = frame("tool-output-error", toolCallId="t1", errorText="bad")
    assert encode(call, ToolResultChunk("t1", "bad", is_error=True)) == told({"q": 1}) + error


@pytest.mark.parametrize("has_text", [True, False])
def test_whole_arguments_replace_those_of_an_open_call(has_text: bool) -> None:
    pieces = [args("{")] if has_text else []
    expected = TOOL_START + b"".join(arguments("{") for _ in pieces) + told({"q": 1})
    assert encode(BEGIN, *pieces, ToolCallDeltaChunk("t1", "", True, {"q": 1}), args("}"), CLOSE) == expected


def test_flags_of_a_call_are_in_each_of_its_frames() -> None:
    flags = {"providerExecuted": True, "dynamic": True}
    call, name = {"toolCallId": "t1"}, {"toolName": "search"}
    begin = ToolCallBeginChunk("t1", "search", provider_executed=True, dynamic=True)
    start = frame("tool-input-start", **call, **name, **flags)
    available = frame("tool-input-available", **call, **name, **flags, input={})
    output = frame("tool-output-available", **call, **flags, output=1)
    assert encode(begin, ToolResultChunk("t1", 1)) == start + available + output
    error = frame("tool-output-error", **call, **flags, errorText="bad")
    whole = ToolCallChunk("t1", "search", {}, None, True, True)
    assert encode(whole, ToolResultChunk("t1", "bad", is_error=True)) == available + error


def test_result_for_a_call_of_the_continued_message() -> None:
    output = frame("tool-output-available", toolCallId="t1", output=1)
    data = whole(ToolResultChunk("t1", 1), TextDeltaChunk("a"), message_id="m", continues_message=True)
    assert data == frame("start", messageId="m") + output + OWN_STEP + text(1, "a") + frame("finish") + DONE


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"message_id": 42}, "message_id must be a str or None, not int"),
        ({"continues_message": "m"}, "continues_message must be a bool, not str"),
        ({"metadata": "text"}, "metadata must be a dict or None, not str"),
        ({"metadata": {"a": object()}}, "metadata.a is not JSON"),
        ({"state": object()}, "state is not JSON"),
    ],
)
def test_options_are_checked_at_the_call(options: dict[str, Any], error: str) -> None:
    with pytest.raises(TypeError, match=error):
        UIMessageStreamEncoder(**options)


@pytest.mark.timeout(20)
def test_time_is_linear_in_calls_and_steps() -> None:
    encoder = UIMessageStreamEncoder()
    encoder.encode(ToolCallBeginChunk("open", "search"))
    for number in range(20_000):
        encoder.encode(ToolCallChunk(str(number), "search", {}))
        encoder.encode(StepStartChunk("m"))
    encoder.encode(ToolCallDeltaChunk("open", "", is_final=True))
    for number in range(20_000):
        encoder.encode(StepStartChunk("m"))
        encoder.encode(ToolResultChunk(str(number), 1))
        encoder.encode(StepFinishChunk("stop"))
    assert encoder.finish().endswith(DONE)


def test_result_for_an_unknown_call_begins_it() -> None:
    begin = frame("tool-input-start", toolCallId="t1", toolName="unknown") + told({}, "unknown")
    output = frame("tool-output-available", toolCallId="t1", output=1)
    assert encode(ToolResultChunk("t1", 1)) == begin + output


# --- Parts that come whole ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chunk", "shown"),
    [
        (SourceChunk("s", "u"), frame("source-url", sourceId="s", url="u")),
        (SourceChunk("s", "u", title="T"), frame("source-url", sourceId="s", url="u", title="T")),
        (FileChunk("/9j/4A==", "i/j"), frame("file", url="data:i/j;base64,/9j/4A==", mediaType="i/j")),
        (FileChunk("https://a.b/c", "m"), frame("file", url="https://a.b/c", mediaType="m")),
        (FileChunk("data:m;base64,aGk=", "m"), frame("file", url="data:m;base64,aGk=", mediaType="m")),
        (AnnotationsChunk([1]), frame("data-annotations", data=[1])),
        (DataChunk({"a": 1}), frame("data-data", data={"a": 1})),
        (DataChunk({"name": "x", "data": 1}), frame("data-data", data={"name": "x", "data": 1})),
        (DataPartChunk("x", None, parent_id="p"), frame("data-x", data=None)),
        (DataPartChunk("x", 1, "i", transient=True), frame("data-x", id="i", transient=True, data=1)),
        (SourceDocumentChunk("s", "m", "T"), frame("source-document", sourceId="s", mediaType="m", title="T")),
        (
            SourceDocumentChunk("s", "m", "T", "a.txt", "p"),
            frame("source-document", sourceId="s", mediaType="m", title="T", filename="a.txt"),
        ),
        (FileChunk("m:", "m", filename="a.txt"), frame("file", url="m:", mediaType="m", filename="a.txt")),
        (ToolCallChunk("t1", "search", {"q": 1}, "p"), told({"q": 1})),
    ],
)
def test_part(chunk: AssistantStreamChunk, shown: bytes) -> None:
    assert encode(chunk) == shown


# --- State ----------------------------------------------------------------------------------------


def state(value: Any) -> bytes:
    """Return the frame of a state."""
    return frame("data-state", id="state", data=value)


def edit(*operations: Operation) -> UpdateStateChunk:
    """Return a chunk of operations."""
    return UpdateStateChunk(list(operations))


def test_each_update_sends_the_whole_state() -> None:
    start = {"count": 1, "texts": ["a"]}
    said = encode(
        edit({"type": "set", "path": ["count"], "value": 2}),
        edit(
            {"type": "append-text", "path": ["texts", "0"], "value": "b"},
            {"type": "set", "path": ["texts", "1"], "value": "c"},
        ),
        state=start,
    )
    assert said == state({"count": 2, "texts": ["a"]}) + state({"count": 2, "texts": ["ab", "c"]})
    assert start == {"count": 1, "texts": ["a"]}


@pytest.mark.parametrize(
    ("operation", "becomes"),
    [
        ({"type": "set", "path": ["a", "b"], "value": 1}, {"a": {"b": 1}}),
        ({"type": "append-text", "path": ["a", "b"], "value": "x"}, {"a": {"b": "x"}}),
        ({"type": "append-text", "path": [], "value": "x"}, "x"),
        ({"type": "set", "path": ["a", "__proto__"], "value": 1}, None),
    ],
)
def test_an_operation_creates_what_is_missing(operation: Operation, becomes: Any) -> None:
    assert encode(edit(operation)) == state(becomes)


def test_an_operation_that_cannot_be_applied_changes_nothing() -> None:
    assert encode(edit({"type": "set", "path": ["a", "b"], "value": 1}), state={"a": "text"}) == state({"a": "text"})


# --- Steps and errors -----------------------------------------------------------------------------


def test_step_ends_its_parts() -> None:
    said = encode(StepStartChunk("m"), TextDeltaChunk("a"), BEGIN, StepFinishChunk("stop", 1, 2, is_continued=True))
    usage = {"inputTokens": 1, "outputTokens": 2}
    finish = frame("finish-step", finishReason="stop", usage=usage, isContinued=True)
    assert said == frame("start-step", messageId="m") + text(1, "a") + TOOL_START + told({}) + finish


def test_a_step_waits_until_the_input_of_every_call_was_sent() -> None:
    step = frame("start-step", messageId="m")
    assert encode(BEGIN, StepStartChunk("m"), args("{}"), CLOSE) == TOOL_START + arguments("{}") + told({}) + step
    other = ToolCallBeginChunk("t2", "f"), ToolCallDeltaChunk("t2", "", is_final=True)
    said = encode(BEGIN, other[0], StepStartChunk("m"), CLOSE, TextDeltaChunk("a"), other[1], TextDeltaChunk("b"))
    other_told = frame("tool-input-available", toolCallId="t2", toolName="f", input={})
    end_of_text = frame("text-end", id="1")
    begins = TOOL_START + frame("tool-input-start", toolCallId="t2", toolName="f")
    first = text(1, "a").removesuffix(end_of_text) + other_told + end_of_text
    assert said == begins + told({}) + first + step + text(2, "b")


@pytest.mark.parametrize(
    "part",
    [
        TextDeltaChunk("a"),
        ReasoningDeltaChunk("a"),
        BEGIN,
        ToolCallChunk("t1", "search", {}),
        SourceChunk("s", "u"),
        SourceDocumentChunk("s", "m", "T"),
        FileChunk("m:", "m"),
        DataPartChunk("x", 1),
    ],
)
def test_the_first_part_starts_a_step_and_data_beside_it_does_not(part: AssistantStreamChunk) -> None:
    beside = [DataChunk(1), UpdateStateChunk([{"type": "set", "path": [], "value": 1}])]
    assert OWN_STEP not in whole(*beside)
    encoder = UIMessageStreamEncoder()
    for chunk in beside:
        encoder.encode(chunk)
    assert encoder.encode(part).startswith(OWN_STEP)
    assert OWN_STEP not in encoder.encode(FileChunk("m:", "m")) + encoder.finish()


def test_parts_after_results_are_in_another_step() -> None:
    other = [ToolCallBeginChunk("t2", "search"), ToolCallDeltaChunk("t2", "", is_final=True)]
    said = whole(TextDeltaChunk("a"), BEGIN, CLOSE, *other, ToolResultChunk("t1", 1), TextDeltaChunk("b"))
    _, first, second = said.split(OWN_STEP)
    assert first.startswith(text(1, "a") + TOOL_START)
    assert second.startswith(text(2, "b"))


def test_result_ends_the_text_before_it_as_that_is_of_another_step() -> None:
    said = whole(BEGIN, CLOSE, TextDeltaChunk("a"), ToolResultChunk("t1", 1), TextDeltaChunk("b"))
    result = frame("tool-output-available", toolCallId="t1", output=1)
    assert text(1, "a") + result + OWN_STEP + text(2, "b") in said


def test_a_step_waits_for_the_input_of_an_open_call() -> None:
    other = [ToolCallBeginChunk("t2", "search"), ToolCallDeltaChunk("t2", "", is_final=True)]
    said = whole(BEGIN, CLOSE, other[0], ToolResultChunk("t1", 1), TextDeltaChunk("a"), other[1], FileChunk("n:", "n"))
    _, first, second = said.split(OWN_STEP)
    assert text(1, "a") not in first  # ended where the file begins
    assert second.startswith(frame("file", url="n:", mediaType="n"))


def test_step_of_the_callback_is_left_as_it_is() -> None:
    call = [BEGIN, CLOSE, ToolResultChunk("t1", 1)]
    assert OWN_STEP not in whole(StepStartChunk("m"), *call, TextDeltaChunk("a"), StepFinishChunk("stop"))
    assert OWN_STEP not in whole(StepStartChunk("m"), StepFinishChunk("stop"), TextDeltaChunk("a"))
    assert whole(StepStartChunk("m"), *call, StepFinishChunk("stop"), TextDeltaChunk("a")).count(OWN_STEP) == 1


def test_error_ends_the_parts_first() -> None:
    said = whole(BEGIN, args('{"a'), TextDeltaChunk("a"), ErrorChunk("boom"))
    assert whole(ErrorChunk("boom", "quota", "info")) == whole(ErrorChunk("boom"))
    error = frame("error", errorText="boom") + frame("finish", finishReason="error") + DONE
    assert said == START + OWN_STEP + TOOL_START + arguments('{"a') + text(1, "a") + refused('{"a') + error


# --- Approvals and preliminary results ------------------------------------------------------------


def asked(**fields: Any) -> bytes:
    """Return the frame of an approval request."""
    return frame("tool-approval-request", toolCallId="t1", approvalId="a1", **fields)


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        ([CLOSE, ToolApprovalRequestChunk("t1", "a1")], told({}) + asked()),
        ([args("{}"), ToolApprovalRequestChunk("t1", "a1", "s")], arguments("{}") + told({}) + asked(signature="s")),
        ([args("{"), ToolApprovalRequestChunk("t1", "a1")], arguments("{") + told("{") + asked()),
        (
            [ToolApprovalRequestChunk("t1", "a1"), ToolResultChunk("t1", "No.", is_error=True, denied=True)],
            told({}) + asked() + frame("tool-output-denied", toolCallId="t1"),
        ),
        (
            [args("{"), ToolResultChunk("t1", "No.", denied=True)],
            arguments("{") + told("{") + frame("tool-output-denied", toolCallId="t1"),
        ),
        (
            [ToolResultChunk("t1", 1, preliminary=True), ToolResultChunk("t1", 2)],
            told({})
            + frame("tool-output-available", toolCallId="t1", output=1, preliminary=True)
            + frame("tool-output-available", toolCallId="t1", output=2),
        ),
    ],
)
def test_approvals_denials_and_preliminary_results(chunks: list[AssistantStreamChunk], wanted: bytes) -> None:
    assert encode(BEGIN, *chunks) == TOOL_START + wanted


def test_a_call_that_waits_for_an_approval_ends_the_message_with_tool_calls() -> None:
    wire = whole(BEGIN, ToolApprovalRequestChunk("t1", "a1"))
    assert wire.endswith(asked() + frame("finish", finishReason="tool-calls") + DONE)


def test_a_preliminary_result_needs_no_new_step_after_it() -> None:
    wire = whole(BEGIN, ToolResultChunk("t1", 1, preliminary=True), TextDeltaChunk("a"), ToolResultChunk("t1", 2))
    assert wire.count(OWN_STEP) == 1


def test_a_denial_of_an_earlier_message_s_call_is_sent_alone() -> None:
    chunk = ToolResultChunk("t1", "No.", is_error=True, denied=True)
    assert encode(chunk, continues_message=True) == frame("tool-output-denied", toolCallId="t1")


# --- Metadata of the provider ---------------------------------------------------------------------


def test_metadata_comes_with_an_empty_delta_and_is_repeated_whole() -> None:
    wire = encode(
        TextDeltaChunk("a"),
        ProviderMetadataChunk({"google": {"a": 1}, "invalid": 5, "p": {"n": 10**400}}),
        ProviderMetadataChunk({"google": {"b": 2}}),
        ProviderMetadataChunk({"anthropic": {"n": 1}}, "reasoning"),
        ProviderMetadataChunk({"anthropic": {"signature": "s"}}, "reasoning"),
        ReasoningSignatureChunk("s"),
        TextDeltaChunk("b"),
    )
    assert wire == (
        frame("text-start", id="1")
        + frame("text-delta", id="1", delta="a")
        + frame("text-delta", id="1", delta="", providerMetadata={"google": {"a": 1}, "p": {"n": None}})
        + frame("text-delta", id="1", delta="", providerMetadata={"google": {"a": 1, "b": 2}, "p": {"n": None}})
        + frame("text-end", id="1")
        + frame("reasoning-start", id="2")
        + frame("reasoning-delta", id="2", delta="", providerMetadata={"anthropic": {"n": 1}})
        + frame("reasoning-delta", id="2", delta="", providerMetadata={"anthropic": {"n": 1, "signature": "s"}})
        + frame("reasoning-end", id="2", providerMetadata={"anthropic": {"n": 1, "signature": "s"}})
        + text(3, "b")
    )


def test_metadata_of_a_call_is_in_each_frame_of_its_input() -> None:
    metadata: dict[str, Any] = {"google": {"thoughtSignature": "AA=="}}
    names: dict[str, Any] = {"toolCallId": "t1", "toolName": "search", "providerMetadata": metadata}
    whole_call = frame("tool-input-available", **names, input={})
    begun = encode(ToolCallBeginChunk("t1", "search", provider_metadata=metadata), CLOSE)
    assert begun == frame("tool-input-start", **names) + whole_call
    assert encode(ToolCallChunk("t1", "search", {}, provider_metadata=metadata)) == whole_call
