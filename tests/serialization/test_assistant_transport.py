"""The assistant transport: each chunk becomes the events that the format's client documents, byte for byte.

What belongs to a part names it by a number that the client counts too; every part that starts is finished,
and the stream ends with `[DONE]`.
"""

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
from assistant_stream_ce.serialization import AssistantTransportEncoder

BEGIN = ToolCallBeginChunk("t1", "search")
ARGUMENTS = ToolCallDeltaChunk("t1", '{"q":1}')
CLOSE = ToolCallDeltaChunk("t1", "", is_final=True)
RESULT = ToolResultChunk("t1", {"n": 1})

BEGIN_EVENT = '{"type":"part-start","part":{"type":"tool-call","toolCallId":"t1","toolName":"search"},"path":[]}'
UNKNOWN_BEGIN_EVENT = BEGIN_EVENT.replace("search", "unknown")
TEXT_START = '{"type":"part-start","part":{"type":"text"},"path":[]}'


def delta(number: int, text: str) -> str:
    """Return the event of a text in a part, for a text that JSON writes as it is."""
    return f'{{"type":"text-delta","path":[{number}],"textDelta":"{text}"}}'


def finished(number: int) -> str:
    """Return the event of a finished part."""
    return f'{{"type":"part-finish","path":[{number}]}}'


def closed(number: int) -> list[str]:
    """Return the events of complete arguments."""
    return [f'{{"type":"tool-call-args-text-finish","path":[{number}]}}', finished(number)]


def result(number: int, value: str = '{"n":1}') -> str:
    """Return the event of a result."""
    return f'{{"type":"result","path":[{number}],"result":{value}}}'


def wire(*events: str) -> bytes:
    """Return the bytes of events."""
    return b"".join(b"data: %b\n\n" % event.encode() for event in events)


ARGUMENTS_EVENT = delta(0, '{\\"q\\":1}')


def encode(*chunks: AssistantStreamChunk, finish: bool = False) -> bytes:
    """Return what one encoder writes for chunks."""
    encoder = AssistantTransportEncoder()
    events = b"".join(map(encoder.encode, chunks))
    return events + encoder.finish() if finish else events


def test_format_is_server_sent_events() -> None:
    encoder = AssistantTransportEncoder()
    assert encoder.media_type == "text/event-stream"
    assert dict(encoder.headers) == {}


def test_keepalive_is_a_comment() -> None:
    keepalive = AssistantTransportEncoder().keepalive
    assert keepalive is not None
    assert keepalive.startswith(b":")
    assert keepalive.endswith(b"\n\n")
    assert keepalive.count(b"\n") == 2


def test_empty_stream_is_only_done() -> None:
    assert AssistantTransportEncoder().finish() == b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("chunk", "event"),
    [
        (DataChunk({"k": 1}), '{"type":"data","path":[],"data":[{"k":1}]}'),
        (DataChunk([1]), '{"type":"data","path":[],"data":[[1]]}'),
        (AnnotationsChunk([{"n": 1}, None]), '{"type":"annotations","path":[],"annotations":[{"n":1},null]}'),
        (StepStartChunk("m1"), '{"type":"step-start","path":[],"messageId":"m1"}'),
        (
            StepFinishChunk("stop", 1, 2, True),
            '{"type":"step-finish","path":[],"finishReason":"stop",'
            '"usage":{"inputTokens":1,"outputTokens":2},"isContinued":true}',
        ),
        (
            MessageFinishChunk("length", 3, 4),
            '{"type":"message-finish","path":[],"finishReason":"length","usage":{"inputTokens":3,"outputTokens":4}}',
        ),
        (ErrorChunk("boom"), '{"type":"error","path":[],"error":"boom"}'),
        (
            ErrorChunk("boom", "quota", "info"),
            '{"type":"error","path":[],"error":"boom","code":"quota","severity":"info"}',
        ),
        (
            DataPartChunk("x", 1, "i", transient=True),
            '{"type":"data","path":[],"data":[{"name":"x","data":1,"id":"i"}]}',
        ),
        (
            UpdateStateChunk(
                [{"type": "set", "path": ["a"], "value": "x"}, {"type": "append-text", "path": ["a"], "value": "y"}]
            ),
            '{"type":"update-state","path":[],"operations":[{"type":"set","path":["a"],"value":"x"},'
            '{"type":"append-text","path":["a"],"value":"y"}]}',
        ),
    ],
)
def test_chunk_beside_the_message_becomes_one_event(chunk: AssistantStreamChunk, event: str) -> None:
    assert encode(chunk) == wire(event)


@pytest.mark.parametrize(
    ("chunk", "part"),
    [
        (
            SourceChunk("s", "https://example.org"),
            '{"type":"source","sourceType":"url","id":"s","url":"https://example.org"}',
        ),
        (
            SourceChunk("s", "u", title="T", parent_id="p"),
            '{"type":"source","sourceType":"url","id":"s","url":"u","title":"T","parentId":"p"}',
        ),
        (FileChunk("aGk=", "text/plain"), '{"type":"file","data":"aGk=","mimeType":"text/plain"}'),
        (
            FileChunk("aGk=", "text/plain", parent_id="p"),
            '{"type":"file","data":"aGk=","mimeType":"text/plain","parentId":"p"}',
        ),
        (FileChunk("d", "m", filename="a.txt"), '{"type":"file","data":"d","mimeType":"m","filename":"a.txt"}'),
        (
            SourceDocumentChunk("s", "m", "T"),
            '{"type":"source","sourceType":"document","id":"s","mediaType":"m","title":"T"}',
        ),
        (DataPartChunk("x", None), '{"type":"data","name":"x","data":null}'),
        (
            DataPartChunk("x", [1], id="i", parent_id="p"),
            '{"type":"data","name":"x","data":[1],"id":"i","parentId":"p"}',
        ),
    ],
)
def test_complete_chunks_are_complete_parts(chunk: AssistantStreamChunk, part: str) -> None:
    assert encode(chunk) == wire(f'{{"type":"part-start","part":{part},"path":[]}}', finished(0))


@pytest.mark.parametrize(
    ("one", "more", "kind"),
    [
        (TextDeltaChunk("Hel"), TextDeltaChunk("lo"), '{"type":"text"}'),
        (TextDeltaChunk("Hel", "p"), TextDeltaChunk("lo", "p"), '{"type":"text","parentId":"p"}'),
        (TextDeltaChunk("Hel", "p"), RefusalDeltaChunk("lo", "p"), '{"type":"text","parentId":"p"}'),
        (ReasoningDeltaChunk("Hel"), ReasoningDeltaChunk("lo"), '{"type":"reasoning"}'),
        (ReasoningDeltaChunk("Hel", "p"), ReasoningDeltaChunk("lo", "p"), '{"type":"reasoning","parentId":"p"}'),
    ],
)
def test_deltas_of_one_kind_and_parent_grow_one_part(
    one: AssistantStreamChunk, more: AssistantStreamChunk, kind: str
) -> None:
    start = f'{{"type":"part-start","part":{kind},"path":[]}}'
    done = wire(finished(0), "[DONE]")
    assert encode(one, more, finish=True) == wire(start, delta(0, "Hel"), delta(0, "lo")) + done


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        (ReasoningPartChunk(), ""),
        (ReasoningPartChunk("S"), ',"unstable_summary":"S"'),
        (ReasoningPartChunk("S", "p"), ',"unstable_summary":"S","parentId":"p"'),
    ],
)
def test_reasoning_part_starts_another_one(part: ReasoningPartChunk, fields: str) -> None:
    before, after = ReasoningDeltaChunk("a", part.parent_id), ReasoningDeltaChunk("b", part.parent_id)
    start = f'{{"type":"part-start","part":{{"type":"reasoning"{fields}}},"path":[]}}'
    assert encode(before, part, after) == encode(before) + wire(finished(0), start, delta(1, "b"))


def test_signature_is_left_out() -> None:
    said = ReasoningDeltaChunk("a"), ReasoningSignatureChunk("s"), ReasoningDeltaChunk("b")
    assert encode(*said) == encode(said[0], said[2])


@pytest.mark.parametrize(
    ("between", "events"),
    [
        (ReasoningDeltaChunk("r"), [delta(1, "r"), finished(1)]),
        (TextDeltaChunk("r", "p"), [delta(1, "r"), finished(1)]),
        (BEGIN, []),
        (FileChunk("d", "m"), [finished(1)]),
        (SourceChunk("s", "u"), [finished(1)]),
        (SourceDocumentChunk("s", "m", "T"), [finished(1)]),
        (DataPartChunk("x", 1), [finished(1)]),
    ],
)
def test_other_part_ends_the_text(between: AssistantStreamChunk, events: list[str]) -> None:
    start = encode(between).split(b"\n\n")[0] + b"\n\n"
    assert encode(TextDeltaChunk("a"), between, TextDeltaChunk("b")) == (
        wire(TEXT_START, delta(0, "a"), finished(0)) + start + wire(*events, TEXT_START, delta(2, "b"))
    )


@pytest.mark.parametrize(
    "between",
    [
        DataChunk(1),
        DataPartChunk("x", 1, transient=True),
        AnnotationsChunk([1]),
        StepStartChunk("m"),
        StepFinishChunk("stop"),
        ErrorChunk("boom"),
        UpdateStateChunk([]),
    ],
)
def test_data_beside_the_message_does_not_end_the_text(between: AssistantStreamChunk) -> None:
    assert encode(TextDeltaChunk("a"), between, TextDeltaChunk("b")) == (
        wire(TEXT_START, delta(0, "a")) + encode(between) + wire(delta(0, "b"))
    )


# --- Tool calls -----------------------------------------------------------------------------------


def test_tool_call_begins_a_part() -> None:
    assert encode(BEGIN) == wire(BEGIN_EVENT)


def test_whole_call_is_a_whole_part() -> None:
    call = ToolCallChunk("t1", "search", {"q": 1})
    said = wire(BEGIN_EVENT, ARGUMENTS_EVENT, *closed(0))
    assert encode(call) == encode(call, ARGUMENTS, CLOSE, call, BEGIN) == said
    assert encode(call, RESULT) == said + wire(result(0))


def test_result_tells_what_the_model_reads() -> None:
    answer = ToolResultChunk("t1", 1, model_content=[{"type": "text", "text": "one"}])
    event = result(0, '1,"modelContent":[{"type":"text","text":"one"}]')
    assert encode(BEGIN, answer) == encode(BEGIN, CLOSE) + wire(event)
    part = '{"type":"tool-call","toolCallId":"t1","toolName":"f","parentId":"p"}'
    assert encode(ToolCallBeginChunk("t1", "f", "p")) == wire(f'{{"type":"part-start","part":{part},"path":[]}}')


def test_arguments_are_sent_as_they_come() -> None:
    deltas = ToolCallDeltaChunk("t1", "{"), ToolCallDeltaChunk("t1", ""), ToolCallDeltaChunk("t1", "}")
    assert encode(BEGIN, *deltas) == wire(BEGIN_EVENT, delta(0, "{"), delta(0, "}"))


def test_closing_arguments_sends_a_frame() -> None:
    assert encode(BEGIN, ARGUMENTS, CLOSE) == wire(BEGIN_EVENT, ARGUMENTS_EVENT, *closed(0))


def test_last_piece_may_close_the_arguments() -> None:
    last = ToolCallDeltaChunk("t1", '{"q":1}', is_final=True)
    assert encode(BEGIN, last) == wire(BEGIN_EVENT, ARGUMENTS_EVENT, *closed(0))


def test_arguments_without_text_are_an_empty_object() -> None:
    assert encode(BEGIN, CLOSE) == wire(BEGIN_EVENT, delta(0, "{}"), *closed(0))


def test_result_closes_the_arguments() -> None:
    assert encode(BEGIN, ARGUMENTS, RESULT) == wire(BEGIN_EVENT, ARGUMENTS_EVENT, *closed(0), result(0))
    assert encode(BEGIN, RESULT) == wire(BEGIN_EVENT, delta(0, "{}"), *closed(0), result(0))


def test_result_may_follow_closed_arguments() -> None:
    assert encode(BEGIN, ARGUMENTS, CLOSE, RESULT) == encode(BEGIN, ARGUMENTS, CLOSE) + wire(result(0))


@pytest.mark.parametrize(
    ("chunk", "value"),
    [
        (ToolResultChunk("t1", None), "null"),
        (ToolResultChunk("t1", [1], is_error=True), '[1],"isError":true'),
        (ToolResultChunk("t1", "x", artifact={"z": 2}), '"x","artifact":{"z":2}'),
        (ToolResultChunk("t1", 1, artifact=0, is_error=True), '1,"artifact":0,"isError":true'),
    ],
)
def test_result_is_sent_with_what_it_has(chunk: ToolResultChunk, value: str) -> None:
    assert encode(BEGIN, CLOSE, chunk) == encode(BEGIN, CLOSE) + wire(result(0, value))


@pytest.mark.parametrize(
    "end",
    [StepFinishChunk("stop"), MessageFinishChunk("stop"), None],
    ids=["step-finish", "message-finish", "end of the stream"],
)
def test_end_closes_the_arguments_of_every_open_call(end: AssistantStreamChunk | None) -> None:
    calls = BEGIN, ARGUMENTS, ToolCallBeginChunk("t2", "f"), ToolCallBeginChunk("t3", "f"), ToolResultChunk("t3", 1)
    ended = encode(*calls, *([end] if end else []), finish=True)
    closes = wire(*closed(0), delta(1, "{}"), *closed(1))
    finish = encode(MessageFinishChunk("stop")) if isinstance(end, StepFinishChunk) else b""
    assert ended == encode(*calls) + closes + (encode(end) if end else b"") + finish + wire("[DONE]")


def test_parts_are_numbered_in_the_order_of_their_starts() -> None:
    said = (
        TextDeltaChunk("a"),
        BEGIN,
        FileChunk("d", "m"),
        ToolCallBeginChunk("t2", "f"),
        TextDeltaChunk("b"),
        ARGUMENTS,
        ToolResultChunk("t2", 2),
        TextDeltaChunk("c"),
        RESULT,
    )
    start = '{"type":"part-start","part":%s,"path":[]}'
    assert encode(*said, finish=True) == wire(
        TEXT_START,
        delta(0, "a"),
        finished(0),
        BEGIN_EVENT,
        start % '{"type":"file","data":"d","mimeType":"m"}',
        finished(2),
        start % '{"type":"tool-call","toolCallId":"t2","toolName":"f"}',
        TEXT_START,
        delta(4, "b"),
        delta(1, '{\\"q\\":1}'),
        delta(3, "{}"),
        *closed(3),
        result(3, "2"),
        delta(4, "c"),
        *closed(1),
        result(1),
        finished(4),
        "[DONE]",
    )


# --- What the client would drop -------------------------------------------------------------------


def test_result_of_an_earlier_message_begins_the_call() -> None:
    assert encode(RESULT) == wire(UNKNOWN_BEGIN_EVENT, delta(0, "{}"), *closed(0), result(0))


def test_arguments_of_an_unknown_call_begin_it_and_end_the_text() -> None:
    assert encode(TextDeltaChunk("a"), ARGUMENTS) == (
        wire(TEXT_START, delta(0, "a"), finished(0), UNKNOWN_BEGIN_EVENT, delta(1, '{\\"q\\":1}'))
    )


def test_second_begin_is_left_out() -> None:
    assert encode(BEGIN, ToolCallBeginChunk("t1", "other"), ARGUMENTS) == wire(BEGIN_EVENT, ARGUMENTS_EVENT)


@pytest.mark.parametrize("end", [CLOSE, RESULT, StepFinishChunk("stop"), MessageFinishChunk("stop")])
def test_arguments_after_their_end_are_left_out(end: AssistantStreamChunk) -> None:
    assert encode(BEGIN, end, ARGUMENTS, CLOSE, finish=True) == encode(BEGIN, end, finish=True)


def test_error_closes_nothing_and_the_end_does() -> None:
    assert encode(TextDeltaChunk("a"), ErrorChunk("boom"), finish=True) == wire(
        TEXT_START, delta(0, "a"), '{"type":"error","path":[],"error":"boom"}', finished(0), "[DONE]"
    )


def test_each_encoder_counts_its_own_parts_only() -> None:
    encode(BEGIN, RESULT)
    assert encode(BEGIN, CLOSE) == wire(BEGIN_EVENT, delta(0, "{}"), *closed(0))
