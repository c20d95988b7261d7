"""AG-UI: each chunk becomes the events that the protocol documents, byte for byte.

The run starts first and ends last, whatever starts is ended before, the state travels as snapshots and patches,
and nothing follows an error.
"""

from __future__ import annotations

import json
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
    StateError,
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
    create_run,
)
from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.serialization import AGUIDecoder, AGUIEncoder
from tests.serialization.hostile import TEXTS, VALUES, chunks_of_text, frames
from tests.support.conversations import joined
from tests.support.kinds import read_into

RUN_STARTED = '{"type":"RUN_STARTED","threadId":"th","runId":"r"}'
RUN_FINISHED = '{"type":"RUN_FINISHED","threadId":"th","runId":"r"}'

BEGIN = ToolCallBeginChunk("t1", "search")
ARGUMENTS = ToolCallDeltaChunk("t1", '{"q":1}')
CLOSE = ToolCallDeltaChunk("t1", "", is_final=True)
RESULT = ToolResultChunk("t1", {"n": 1})

ARGUMENTS_EVENT = r'{"type":"TOOL_CALL_ARGS","toolCallId":"t1","delta":"{\"q\":1}"}'
CLOSE_EVENT = '{"type":"TOOL_CALL_END","toolCallId":"t1"}'


def text(number: int, *deltas: str, end: bool = True) -> list[str]:
    """Return the events of a message, for texts that JSON writes as they are."""
    message = f'"messageId":"r-{number}"'
    return [
        f'{{"type":"TEXT_MESSAGE_START",{message},"role":"assistant"}}',
        *(f'{{"type":"TEXT_MESSAGE_CONTENT",{message},"delta":"{delta}"}}' for delta in deltas),
        *([f'{{"type":"TEXT_MESSAGE_END",{message}}}'] if end else []),
    ]


def reasoning(number: int, *deltas: str, end: bool = True) -> list[str]:
    """Return the events of reasoning."""
    message = f'"messageId":"r-{number}"'
    ends = [f'{{"type":"REASONING_MESSAGE_END",{message}}}', f'{{"type":"REASONING_END",{message}}}']
    return [
        f'{{"type":"REASONING_START",{message}}}',
        f'{{"type":"REASONING_MESSAGE_START",{message},"role":"reasoning"}}',
        *(f'{{"type":"REASONING_MESSAGE_CONTENT",{message},"delta":"{delta}"}}' for delta in deltas),
        *(ends if end else []),
    ]


def begin(number: int, call_id: str = "t1", name: str = "search") -> str:
    """Return the event of a call that belongs to a message."""
    call = f'"toolCallId":"{call_id}","toolCallName":"{name}"'
    return f'{{"type":"TOOL_CALL_START",{call},"parentMessageId":"r-{number}"}}'


def closed(call_id: str) -> list[str]:
    """Return the events of arguments that are complete without a text."""
    return [
        f'{{"type":"TOOL_CALL_ARGS","toolCallId":"{call_id}","delta":"{{}}"}}',
        f'{{"type":"TOOL_CALL_END","toolCallId":"{call_id}"}}',
    ]


def result(number: int, content: str = r"{\"n\":1}", call_id: str = "t1", metadata: str = "") -> str:
    """Return the event of a result."""
    ids = f'"messageId":"r-{number}","toolCallId":"{call_id}"'
    return f'{{"type":"TOOL_CALL_RESULT",{ids},"content":"{content}","role":"tool"{metadata}}}'


def custom(name: str, value: str) -> str:
    """Return the event of something for which the protocol has no word."""
    return f'{{"type":"CUSTOM","name":"{name}","value":{value}}}'


def wire(*events: str) -> bytes:
    """Return the bytes of events."""
    return b"".join(b"data: %b\n\n" % event.encode() for event in events)


def encode(*chunks: AssistantStreamChunk, state: Any = None, finish: bool = False) -> bytes:
    """Return what one encoder writes for chunks, without the start of the run."""
    encoder = AGUIEncoder("th", "r", state=state)
    events = b"".join(map(encoder.encode, chunks)) + (encoder.finish() if finish else b"")
    assert events.startswith(wire(RUN_STARTED))
    return events.removeprefix(wire(RUN_STARTED))


def test_format_is_server_sent_events() -> None:
    assert AGUIEncoder.media_type == "text/event-stream"
    assert dict(AGUIEncoder.headers) == {}


def test_keepalive_is_a_comment() -> None:
    keepalive = AGUIEncoder.keepalive
    assert keepalive is not None
    assert keepalive.startswith(b":")
    assert keepalive.endswith(b"\n\n")
    assert keepalive.count(b"\n") == 2


# --- The run --------------------------------------------------------------------------------------


def test_empty_run_starts_and_finishes() -> None:
    assert AGUIEncoder("th", "r").finish() == wire(RUN_STARTED, RUN_FINISHED)


def test_run_starts_once_and_before_everything() -> None:
    encoder = AGUIEncoder("th", "r")
    assert encoder.encode(ErrorChunk("boom")) == wire(RUN_STARTED)
    assert encoder.encode(TextDeltaChunk("a")) == wire(*text(1, "a", end=False))


def test_a_value_that_is_not_a_chunk_starts_nothing() -> None:
    encoder = AGUIEncoder("th", "r")
    with pytest.raises(TypeError, match="a stream must yield chunks"):
        encoder.encode("text")  # type: ignore[arg-type]
    assert encoder.finish() == wire(RUN_STARTED, RUN_FINISHED)


def test_each_run_has_its_own_ids() -> None:
    ids = set()
    for encoder in (AGUIEncoder(), AGUIEncoder()):
        start, message, *_ = frames(encoder, encoder.encode(TextDeltaChunk("a")))
        ids |= {start["threadId"], start["runId"], message["messageId"]}
    assert len(ids) == 6


def test_error_is_the_last_event() -> None:
    said = TextDeltaChunk("a"), StepStartChunk("s"), BEGIN, ErrorChunk("first"), ErrorChunk("boom"), TextDeltaChunk("b")
    assert encode(*said, finish=True) == wire(
        *text(1, "a"),
        '{"type":"STEP_STARTED","stepName":"s"}',
        begin(2),
        *text(3, "b"),
        *closed("t1"),
        '{"type":"STEP_FINISHED","stepName":"s"}',
        '{"type":"RUN_ERROR","message":"boom"}',
    )


def test_an_error_has_its_code_and_severity() -> None:
    error = '{"type":"RUN_ERROR","message":"boom","code":"quota","metadata":{"severity":"warning"}}'
    assert encode(ErrorChunk("boom", "quota", "warning"), finish=True) == wire(error)
    both = error.replace('"severity"', '"finishReason":"error","severity"')
    assert encode(ErrorChunk("boom", "quota", "warning"), MessageFinishChunk("error"), finish=True) == wire(both)


def test_raising_callback_ends_with_its_error() -> None:
    def run(controller: RunController) -> None:
        controller.append_text("a")
        raise ValueError("boom")

    pieces: list[bytes] = []
    with pytest.raises(ValueError, match="boom"):
        read_into("for", AGUIEncoder("th", "r").encode_stream(create_run(run, message_id="r-1")), pieces)  # type: ignore[arg-type]
    assert b"".join(pieces) == wire(RUN_STARTED, *text(1, "a"), '{"type":"RUN_ERROR","message":"boom"}')


def test_a_tool_call_before_any_text_has_the_id_of_the_message() -> None:
    def run(controller: RunController) -> None:
        controller.append_reasoning("Which city?")
        controller.add_tool_call("pick_city", "c1", args={})
        controller.add_tool_result("c1", "Oslo")
        controller.append_text("Oslo.")

    body = b"".join(AGUIEncoder("th", "r").encode_stream(create_run(run, message_id="m1")))  # type: ignore[arg-type]
    events = [json.loads(line.removeprefix("data: ")) for line in body.decode().splitlines() if line]
    assert [event["parentMessageId"] for event in events if event["type"] == "TOOL_CALL_START"] == ["m1"]
    assert [event["messageId"] for event in events if event["type"] == "TEXT_MESSAGE_START"] != ["m1"]


@pytest.mark.parametrize("error", [None, ErrorChunk("boom")])
@pytest.mark.parametrize(
    ("chunks", "counts"),
    [
        ([MessageFinishChunk("stop", 3, 4)], (3, 4)),
        ([StepFinishChunk("stop", 1, 2), StepFinishChunk("stop", 10, 20), MessageFinishChunk("stop")], (11, 22)),
        ([StepFinishChunk("stop", 1, 2), MessageFinishChunk("stop", 5, 6)], (5, 6)),
    ],
    ids=["of the message", "of the steps together", "the message's counts"],
)
def test_the_end_has_the_usage_and_the_reason(
    chunks: list[AssistantStreamChunk], counts: tuple[int, int], error: AssistantStreamChunk | None
) -> None:
    end = '{"type":"RUN_ERROR","message":"boom"' if error else RUN_FINISHED[:-1]
    usage = f'"usage":[{{"inputTokens":{counts[0]},"outputTokens":{counts[1]}}}]'
    said = encode(*chunks, *([error] if error else []), finish=True)
    assert said == wire(f'{end},{usage},"metadata":{{"finishReason":"stop"}}}}')


# --- Messages -------------------------------------------------------------------------------------


def test_deltas_of_one_kind_grow_one_message() -> None:
    said = TextDeltaChunk("Hel"), TextDeltaChunk(""), TextDeltaChunk("lo")
    assert encode(*said, finish=True) == wire(*text(1, "Hel", "lo"), RUN_FINISHED)


def test_deltas_of_reasoning_grow_one_message() -> None:
    said = ReasoningDeltaChunk("Hel"), ReasoningDeltaChunk(""), ReasoningDeltaChunk("lo")
    assert encode(*said, finish=True) == wire(*reasoning(1, "Hel", "lo"), RUN_FINISHED)


def test_refusal_is_text() -> None:
    assert encode(TextDeltaChunk("a"), RefusalDeltaChunk("no")) == wire(*text(1, "a", "no", end=False))


def test_part_of_the_reasoning_is_a_message_that_begins_with_its_summary() -> None:
    said = ReasoningDeltaChunk("a"), ReasoningPartChunk("S"), ReasoningDeltaChunk("b"), ReasoningPartChunk()
    assert encode(*said, ReasoningDeltaChunk("c"), finish=True) == wire(
        *reasoning(1, "a"), *reasoning(2, r"S\n\n", "b"), *reasoning(3, "c"), RUN_FINISHED
    )


def test_signature_ends_the_reasoning_before_it() -> None:
    def signature(number: int) -> str:
        entity = f'"subtype":"message","entityId":"r-{number}"'
        return f'{{"type":"REASONING_ENCRYPTED_VALUE",{entity},"encryptedValue":"s"}}'

    signed = ReasoningSignatureChunk("s")
    said = ReasoningDeltaChunk("a", "p"), signed, ReasoningDeltaChunk("b"), TextDeltaChunk("c"), signed
    first = encode(said[0])
    assert encode(*said).removeprefix(first) == wire(
        *reasoning(1)[2:],
        signature(1),
        *reasoning(2, "b"),
        *text(3, "c"),
        *reasoning(4),
        signature(4),
    )


def test_other_kind_ends_the_message() -> None:
    said = TextDeltaChunk("a"), ReasoningDeltaChunk("b"), TextDeltaChunk("c")
    assert encode(*said) == wire(*text(1, "a"), *reasoning(2, "b"), *text(3, "c", end=False))


def test_another_parent_ends_the_message_and_is_metadata() -> None:
    parent = ',"metadata":{"parentId":"p"}}'
    a, b = text(1, "a"), text(2, "b", end=False)
    assert encode(TextDeltaChunk("a"), TextDeltaChunk("b", "p")) == wire(*a, b[0][:-1] + parent, b[1])
    start, message, delta = reasoning(1, "a", end=False)
    assert encode(ReasoningDeltaChunk("a", "p")) == wire(start, message[:-1] + parent, delta)
    assert encode(ToolCallBeginChunk("t1", "search", "p")) == wire(begin(1)[:-1] + parent)


@pytest.mark.parametrize(
    "between",
    [
        DataChunk(1),
        DataPartChunk("x", 1),
        AnnotationsChunk([1]),
        SourceChunk("s", "u"),
        SourceDocumentChunk("s", "m", "T"),
        FileChunk("d", "m"),
        ErrorChunk("x"),
        RESULT,
    ],
)
def test_data_beside_the_message_does_not_end_it(between: AssistantStreamChunk) -> None:
    beside = encode(between).replace(b'"r-1"', b'"r-2"')
    start, one, more, _ = text(1, "a", "b")
    assert encode(TextDeltaChunk("a"), between, TextDeltaChunk("b")) == wire(start, one) + beside + wire(more)


@pytest.mark.parametrize("end", [StepStartChunk("s"), StepFinishChunk("stop"), MessageFinishChunk("stop")])
def test_text_of_another_step_is_another_message(end: AssistantStreamChunk) -> None:
    said = encode(TextDeltaChunk("a"), end, TextDeltaChunk("b"))
    assert said == wire(*text(1, "a")) + encode(end) + wire(*text(2, "b", end=False))


@pytest.mark.parametrize(
    ("chunk", "event"),
    [
        (DataChunk({"k": 1}), custom("data", '{"k":1}')),
        (DataChunk(None), custom("data", "null")),
        (AnnotationsChunk([{"n": 1}, None]), custom("annotations", '[{"n":1},null]')),
        (
            SourceChunk("s", "u", title="T", parent_id="p"),
            custom("source", '{"sourceType":"url","id":"s","url":"u","title":"T","parentId":"p"}'),
        ),
        (FileChunk("aGk=", "text/plain"), custom("file", '{"data":"aGk=","mimeType":"text/plain"}')),
        (FileChunk("d", "m", filename="f"), custom("file", '{"data":"d","mimeType":"m","filename":"f"}')),
        (
            SourceDocumentChunk("s", "m", "T", "f", "p"),
            custom(
                "source-document",
                '{"sourceType":"document","id":"s","mediaType":"m","title":"T","filename":"f","parentId":"p"}',
            ),
        ),
        (DataPartChunk("x", None), custom("x", "null")),
        (
            DataPartChunk("x", 1, "i", transient=True, parent_id="p"),
            custom("x", '1,"metadata":{"id":"i","transient":true,"parentId":"p"}'),
        ),
    ],
)
def test_chunks_without_an_event_type_are_custom_events(chunk: AssistantStreamChunk, event: str) -> None:
    assert encode(chunk) == wire(event)


# --- Tool calls -----------------------------------------------------------------------------------


def test_calls_belong_to_the_message_before_them() -> None:
    said = TextDeltaChunk("a"), BEGIN, ToolCallBeginChunk("t2", "f")
    assert encode(*said) == wire(*text(1, "a"), begin(1), begin(1, "t2", "f"))


def test_a_boundary_starts_another_message() -> None:
    chunks = TextDeltaChunk("a"), TextPartChunk(), TextDeltaChunk("b")
    assert encode(*chunks) == wire(*text(1, "a"), *text(2, "b", end=False))


def test_flags_of_a_call_are_metadata() -> None:
    metadata = ',"metadata":{"providerExecuted":true,"dynamic":true}}'
    call = ToolCallBeginChunk("t1", "search", provider_executed=True, dynamic=True)
    assert encode(call) == wire(begin(1)[:-1] + metadata)


@pytest.mark.parametrize("option", ["thread_id", "run_id"])
def test_options_are_checked_at_the_call(option: str) -> None:
    with pytest.raises(TypeError, match=f"{option} must be a str or None, not int"):
        AGUIEncoder(**{option: 42})  # type: ignore[arg-type]


@pytest.mark.timeout(20)
def test_time_is_linear_in_calls_and_steps() -> None:
    encoder = AGUIEncoder()
    for number in range(20_000):
        encoder.encode(ToolCallBeginChunk(str(number), "search"))
        encoder.encode(StepFinishChunk("stop"))
    for number in range(20_000):
        encoder.encode(ToolResultChunk(str(number), 1))
        encoder.encode(TextDeltaChunk("a"))
    assert b"RUN_FINISHED" in encoder.finish()


def test_calls_without_a_text_belong_to_a_separate_message() -> None:
    said = ReasoningDeltaChunk("a"), BEGIN, ToolCallBeginChunk("t2", "f")
    assert encode(*said) == wire(*reasoning(1, "a"), begin(2), begin(2, "t2", "f"))


def test_text_after_a_call_is_another_message() -> None:
    assert encode(TextDeltaChunk("a"), BEGIN, TextDeltaChunk("b")) == wire(
        *text(1, "a"), begin(1), *text(2, "b", end=False)
    )


def test_call_after_a_result_belongs_to_another_message() -> None:
    said = TextDeltaChunk("a"), BEGIN, RESULT, ToolCallBeginChunk("t2", "f")
    assert encode(*said) == wire(*text(1, "a"), begin(1), *closed("t1"), result(2), begin(3, "t2", "f"))


def test_call_under_another_parent_belongs_to_another_message() -> None:
    said = encode(TextDeltaChunk("a", "p"), BEGIN)
    assert said.endswith(wire(begin(2)))


def test_whole_call_is_complete() -> None:
    call = ToolCallChunk("t1", "search", {"q": 1})
    assert encode(call, ARGUMENTS, CLOSE, BEGIN, call) == wire(begin(1), ARGUMENTS_EVENT, CLOSE_EVENT)


def test_arguments_are_sent_as_they_come_and_closed_once() -> None:
    said = BEGIN, ARGUMENTS, ToolCallDeltaChunk("t1", ""), CLOSE, ARGUMENTS, CLOSE, RESULT
    assert encode(*said) == wire(begin(1), ARGUMENTS_EVENT, CLOSE_EVENT, result(2))


@pytest.mark.parametrize("end", [CLOSE, RESULT, StepFinishChunk("stop"), MessageFinishChunk("stop"), None])
def test_arguments_without_text_are_an_empty_object(end: AssistantStreamChunk | None) -> None:
    said = encode(BEGIN, *([end] if end else []), finish=True)
    assert said.startswith(wire(begin(1), *closed("t1")))


@pytest.mark.parametrize(
    ("chunk", "content", "metadata"),
    [
        (ToolResultChunk("t1", None), "null", ""),
        (ToolResultChunk("t1", "x"), r"\"x\"", ""),
        (ToolResultChunk("t1", 1, is_error=True), "1", ',"metadata":{"isError":true}'),
        (ToolResultChunk("t1", 1, artifact={"z": 2}), "1", ',"metadata":{"artifact":{"z":2}}'),
        (ToolResultChunk("t1", 1, 0, True), "1", ',"metadata":{"artifact":0,"isError":true}'),
        (ToolResultChunk("t1", 1, model_content=["m"]), "1", ',"metadata":{"modelContent":["m"]}'),
    ],
)
def test_result_is_a_json_text(chunk: ToolResultChunk, content: str, metadata: str) -> None:
    assert encode(BEGIN, CLOSE, chunk) == encode(BEGIN, CLOSE) + wire(result(2, content, metadata=metadata))


def test_result_of_an_earlier_message_begins_nothing() -> None:
    # Its client has the call, and would rename it.
    assert encode(RESULT) == wire(result(1))


def test_second_result_is_left_out() -> None:
    assert encode(BEGIN, RESULT, ToolResultChunk("t1", 2)) == encode(BEGIN, RESULT)
    assert encode(RESULT, ToolResultChunk("t1", 2)) == encode(RESULT)


def test_second_begin_is_left_out() -> None:
    assert encode(BEGIN, ToolCallBeginChunk("t1", "other")) == wire(begin(1))


def test_arguments_of_an_unknown_call_begin_it() -> None:
    assert encode(ARGUMENTS) == wire(begin(1, name="unknown"), ARGUMENTS_EVENT)


# --- Steps ----------------------------------------------------------------------------------------


def step(name: str) -> str:
    """Return the event of a step's start."""
    return f'{{"type":"STEP_STARTED","stepName":"{name}"}}'


def test_step_has_a_start_and_a_finish() -> None:
    finish = (
        '{"type":"STEP_FINISHED","stepName":"s","metadata":{"finishReason":"stop",'
        '"usage":{"inputTokens":1,"outputTokens":2},"isContinued":true}}'
    )
    assert encode(StepStartChunk("s"), StepFinishChunk("stop", 1, 2, True)) == wire(step("s"), finish)


def test_step_that_was_not_finished_ends_before_the_next_and_with_the_run() -> None:
    finish = '{"type":"STEP_FINISHED","stepName":"%s"}'
    said = encode(StepStartChunk("s"), StepStartChunk("s"), StepStartChunk("u"), finish=True)
    assert said == wire(step("s"), finish % "s", step("s"), finish % "s", step("u"), finish % "u", RUN_FINISHED)


def test_finish_without_a_start_is_left_out() -> None:
    assert encode(StepFinishChunk("stop")) == b""


# --- The state ------------------------------------------------------------------------------------


def put(value: Any, *path: str) -> Operation:
    return {"type": "set", "path": list(path), "value": value}


def append(value: str, *path: str) -> Operation:
    return {"type": "append-text", "path": list(path), "value": value}


def after_first(*operations: Operation, state: Any) -> str:
    """Return the event of operations that follow the first ones of a stream."""
    first = UpdateStateChunk([put(1, "first")])
    said = encode(first, UpdateStateChunk(list(operations)), state={"first": 0, **state})
    assert encode(first, state={"first": 0, **state}) == wire(snapshot({"first": 1, **state}))
    return said.removeprefix(encode(first, state={"first": 0, **state})).decode().removeprefix("data: ").strip()


def snapshot(state: Any) -> str:
    return f'{{"type":"STATE_SNAPSHOT","snapshot":{json.dumps(state, separators=(",", ":"))}}}'


def delta(*changes: str) -> str:
    return f'{{"type":"STATE_DELTA","delta":[{",".join(changes)}]}}'


def change(word: str, path: str, value: str) -> str:
    return f'{{"op":"{word}","path":"{path}","value":{value}}}'


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        (put(2, "a"), change("add", "/a", "2")),
        (put(2, "new"), change("add", "/new", "2")),
        (put(None, "d", "k"), change("add", "/d/k", "null")),
        (put(2, "l", "0"), change("replace", "/l/0", "2")),
        (put(2, "l", "1"), change("add", "/l/1", "2")),
        (append("y", "a"), change("add", "/a", '"xy"')),
        (append("y", "l", "0"), change("replace", "/l/0", '"xy"')),
        (put(2, ""), change("add", "/", "2")),
        (put(2, "a/b~c~1"), change("add", "/a~1b~0c~01", "2")),
    ],
)
def test_operation_becomes_a_patch(operation: Operation, changed: str) -> None:
    assert after_first(operation, state={"a": "x", "l": ["x"], "d": {}}) == delta(changed)


def test_operations_of_one_chunk_are_one_patch_in_their_order() -> None:
    operations = put([], "l"), put("x", "l", "0"), append("y", "l", "0"), append("z", "l", "0")
    assert after_first(*operations, state={}) == delta(
        change("add", "/l", "[]"),
        change("add", "/l/0", '"x"'),
        change("replace", "/l/0", '"xy"'),
        change("replace", "/l/0", '"xyz"'),
    )


def test_new_root_is_a_snapshot() -> None:
    assert after_first(put(1, "b"), put({"c": 1}), put(2, "d"), state={}) == snapshot({"c": 1, "d": 2})


def test_first_update_is_a_snapshot_of_the_whole() -> None:
    chunk = UpdateStateChunk([put("x", "l", "0"), append("y", "t")])
    assert encode(chunk, state={"l": [], "t": "x"}) == wire(snapshot({"l": ["x"], "t": "xy"}))


def test_state_that_is_a_text_takes_more_text() -> None:
    chunks = UpdateStateChunk([append("b")]), UpdateStateChunk([append("c")])
    assert encode(*chunks, state="a") == wire(snapshot("ab"), snapshot("abc"))


def test_no_operations_are_no_event() -> None:
    assert encode(UpdateStateChunk([])) == b""


def test_state_of_other_chunks_has_to_be_passed() -> None:
    encoder = AGUIEncoder("th", "r")
    with pytest.raises(StateError, match=r"pass AGUIEncoder or AGUIResponse the state that the chunks start with"):
        encoder.encode(UpdateStateChunk([put(1, "a")]))


def test_state_has_to_be_json() -> None:
    with pytest.raises(TypeError, match=r"state\.a is not JSON"):
        AGUIEncoder(state={"a": object()})


def test_neither_the_given_state_nor_the_chunks_are_changed() -> None:
    state: dict[str, Any] = {"l": []}
    chunk = UpdateStateChunk([put({"t": "a"}, "l", "0"), append("b", "l", "0", "t")])
    encode(chunk, state=state)
    assert state == {"l": []}
    assert chunk.operations[0]["value"] == {"t": "a"}


# --- Hostile chunks -------------------------------------------------------------------------------


@pytest.mark.parametrize("nasty", TEXTS)
def test_text_breaks_no_event(nasty: str) -> None:
    encoder = AGUIEncoder(nasty, nasty, state={})
    for chunk in chunks_of_text(nasty):
        frames(encoder, encoder.encode(chunk))
    *_, last = frames(encoder, encoder.finish())
    assert last["type"] == "RUN_ERROR"
    assert last["message"] == joined(nasty)


@pytest.mark.parametrize(("value", "arrives"), VALUES)
def test_values_arrive_without_what_clients_reject(value: Any, arrives: Any) -> None:
    encoder = AGUIEncoder(state={})
    chunks = [
        DataChunk(value),
        AnnotationsChunk([value]),
        ToolResultChunk("t1", value, artifact=[value]),
        UpdateStateChunk([put(value, "a")]),
        UpdateStateChunk([put(value, "a")]),
    ]
    _, data, annotations, outcome, whole, patch = frames(encoder, b"".join(map(encoder.encode, chunks)))
    assert data["value"] == arrives
    assert annotations["value"] == [arrives]
    assert json.loads(outcome["content"]) == arrives
    assert outcome["metadata"]["artifact"] == [arrives]
    assert whole["snapshot"] == {"a": arrives}
    assert patch["delta"] == [{"op": "add", "path": "/a", "value": arrives}]


# --- Approvals and preliminary results ------------------------------------------------------------


def test_open_approval_requests_are_the_interrupts_of_the_run() -> None:
    encoder = AGUIEncoder("th", "r")
    asked = [ToolApprovalRequestChunk(id, f"a-{id}", signature) for id, signature in (("t1", None), ("t2", "s"))]
    chunks = [
        BEGIN,
        ToolCallBeginChunk("t2", "search"),
        *asked,
        ToolResultChunk("t1", "No.", is_error=True, denied=True),
    ]
    data = b"".join(map(encoder.encode, chunks)) + encoder.finish()
    assert frames(encoder, data)[-1] == {
        "type": "RUN_FINISHED",
        "threadId": "th",
        "runId": "r",
        "outcome": {
            "type": "interrupt",
            "interrupts": [{"id": "a-t2", "reason": "tool_call", "toolCallId": "t2", "metadata": {"signature": "s"}}],
        },
    }
    decoder = AGUIDecoder(strict=True)
    decoded = [*decoder.feed(data), *decoder.close()]
    assert asked[1] in decoded
    assert chunks[-1] in decoded


@pytest.mark.parametrize(
    "part", [SourceChunk("s", "https://example.org"), FileChunk("aGk=", "text/plain"), DataPartChunk("chart", 1)]
)
def test_metadata_of_a_text_arrives_before_the_part_after_it(part: AssistantStreamChunk) -> None:
    chunks = [TextDeltaChunk("a"), ProviderMetadataChunk({"google": {"thoughtSignature": "x"}}), part]
    decoder = AGUIDecoder()
    arrived = decoder.feed(b"".join(AGUIEncoder().encode_stream(chunks))) + decoder.close()
    assert arrived[:3] == chunks
