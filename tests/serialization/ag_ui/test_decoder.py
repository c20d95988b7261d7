"""Each event of AG-UI, and its chunks."""

from __future__ import annotations

from typing import Any

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
    SourceChunk,
    SourceDocumentChunk,
    StepFinishChunk,
    StepStartChunk,
    TextDeltaChunk,
    TextPartChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
)
from assistant_stream_ce.serialization import AGUIDecoder
from tests.serialization.ag_ui.events import (
    BEGIN,
    CALL,
    CALL_END,
    FINAL,
    FINISHED,
    RUN,
    STOPPED,
    WAITS,
    activity,
    args,
    custom,
    delta,
    edit,
    result,
    run,
    secret,
    short,
    snapshot,
    stream,
    text,
    text_end,
    text_start,
    thought,
)
from tests.serialization.round_trips import byte_by_byte, decoded

PARENT = {"metadata": {"parentId": "p"}}


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ([text_start(), text("a"), text(""), text_end()], [TextDeltaChunk("a")]),
        ([text_start(**PARENT), text("a"), text_end()], [TextDeltaChunk("a", "p")]),
        ([text_start(role="user"), text("a"), text_end()], []),
        (
            [text_start(), text_start("n"), text("a"), text("b", "n"), text_end(), text_end("n")],
            [TextDeltaChunk("a"), TextPartChunk(), TextDeltaChunk("b")],
        ),
        (
            [text_start(), text("a"), text_end(), text_start("n"), text("b", "n"), text("c", "n"), text_end("n")],
            [TextDeltaChunk("a"), TextPartChunk(), TextDeltaChunk("b"), TextDeltaChunk("c")],
        ),
        # The client appends to a message whose id comes again.
        ([text_start(), text("a"), text_end(), text_start(), text("b"), text_end()],
         [TextDeltaChunk("a"), TextDeltaChunk("b")]),
        (thought("a") + thought("b"), [ReasoningDeltaChunk("a"), ReasoningDeltaChunk("b")]),
        ([short("TEXT_MESSAGE", messageId="m", delta="a"), short("TEXT_MESSAGE", delta="b")],
         [TextDeltaChunk("a"), TextDeltaChunk("b")]),
        ([short("TEXT_MESSAGE", messageId="m", role="system", delta="a")], []),
        (thought("a"), [ReasoningDeltaChunk("a")]),
        (thought("a", **PARENT), [ReasoningDeltaChunk("a", "p")]),
        (
            thought("a") + thought("b", "u") + thought("c", "v", **PARENT),
            [ReasoningDeltaChunk("a"), ReasoningPartChunk(), ReasoningDeltaChunk("b"), ReasoningDeltaChunk("c", "p")],
        ),
        (
            [*thought("a"), text_start(), text("b"), text_end(), *thought("c", "u")],
            [ReasoningDeltaChunk("a"), TextDeltaChunk("b"), ReasoningDeltaChunk("c")],
        ),
        ([short("REASONING_MESSAGE", messageId="m", delta="a")], [ReasoningDeltaChunk("a")]),
        ([*thought("a"), secret("t"), secret("x"), secret("t", "tool-call")],
         [ReasoningDeltaChunk("a"), ReasoningSignatureChunk("v")]),
        (
            [
                {"type": "THINKING_START"},
                {"type": "THINKING_TEXT_MESSAGE_START"},
                {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "a"},
                {"type": "THINKING_TEXT_MESSAGE_END"},
                {"type": "THINKING_TEXT_MESSAGE_START"},
                {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "b"},
                {"type": "THINKING_TEXT_MESSAGE_END"},
                {"type": "THINKING_END"},
            ],
            [ReasoningDeltaChunk("a"), ReasoningPartChunk(), ReasoningDeltaChunk("b")],
        ),
        ([snapshot({"a": 1}), snapshot(None)], [edit([], {"a": 1}), edit([], None)]),
        (
            [snapshot({"a": 1}), delta({"op": "replace", "path": "/a", "value": 2})],
            [edit([], {"a": 1}), edit(["a"], 2)],
        ),
        (
            [delta({"op": "add", "path": "/l", "value": [1, 2, 3]}), delta({"op": "remove", "path": "/l/0"})],
            [edit(["l"], [1, 2, 3]), edit(["l"], [2, 3])],
        ),
        ([snapshot({"a": 1}), delta({"op": "test", "path": "/a", "value": 1}), delta()], [edit([], {"a": 1})]),
        (
            [
                activity({"a": 1}),
                activity({"a": 2}, replace=False),
                {"type": "ACTIVITY_DELTA", "messageId": "a", "activityType": "plan",
                 "patch": [{"op": "replace", "path": "/a", "value": 3}]},
            ],
            [DataPartChunk("plan", {"a": 1}, "a"), DataPartChunk("plan", {"a": 3}, "a")],
        ),
        ([custom("n", {"a": 1})], [DataPartChunk("n", {"a": 1})]),
        ([custom("n", 1, id="i", transient=True, parentId="p")], [DataPartChunk("n", 1, "i", True, "p")]),
        ([custom("source", {"id": "s", "url": "u"})], [SourceChunk("s", "u")]),
        ([custom("source", {"url": 5})], [DataPartChunk("source", {"url": 5})]),
        (
            [custom("source-document", {"id": "s", "mediaType": "m", "title": "t"})],
            [SourceDocumentChunk("s", "m", "t")],
        ),
        ([custom("file", {"data": "aGk=", "mimeType": "m", "filename": "f"})], [FileChunk("aGk=", "m", None, "f")]),
        ([custom("data", None)], [DataChunk(None)]),
        ([custom("annotations", [1])], [AnnotationsChunk([1])]),
        ([custom("annotations", 1)], [DataPartChunk("annotations", 1)]),
        (
            [{"type": "STEP_STARTED", "stepName": "s"}, {"type": "STEP_FINISHED", "stepName": "s"}],
            [StepStartChunk("s"), StepFinishChunk("unknown")],
        ),
        # Steps of chunks do not nest.
        (
            [{"type": "STEP_STARTED", "stepName": "a"}, {"type": "STEP_STARTED", "stepName": "b"},
             {"type": "STEP_FINISHED", "stepName": "b"}, {"type": "STEP_FINISHED", "stepName": "a"},
             {"type": "STEP_STARTED", "stepName": "a"}, {"type": "STEP_FINISHED", "stepName": "a"}],
            [StepStartChunk("a"), StepFinishChunk("unknown"), StepStartChunk("b"), StepFinishChunk("unknown"),
             StepStartChunk("a"), StepFinishChunk("unknown")],
        ),
        # Without a chunk.
        (
            [
                {"type": "RAW", "event": {"a": 1}, "source": "s"},
                {"type": "MESSAGES_SNAPSHOT", "messages": [{"id": "u", "role": "user", "content": "hi"}]},
                {"type": "SUBAGENT_STARTED", "subagentRunId": "s", "name": "n"},
                {"type": "SUBAGENT_FINISHED", "subagentRunId": "s"},
            ],
            [],
        ),
    ],
)  # fmt: skip
def test_event(events: list[Any], wanted: list[AssistantStreamChunk]) -> None:
    for is_strict in (True, False):
        decoder = AGUIDecoder(strict=is_strict)
        assert decoded(decoder, byte_by_byte(run(*events))) == [*wanted, STOPPED]
        assert decoder.skipped == 0


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        pytest.param(
            [{**CALL, "parentMessageId": "m", **PARENT}, args("{"), args(""), args("}"), CALL_END, result("1")],
            [ToolCallBeginChunk("c", "tool", "p"), ToolCallDeltaChunk("c", "{"), ToolCallDeltaChunk("c", "}"), FINAL,
             ToolResultChunk("c", 1), STOPPED],
            id="in pieces",
        ),
        pytest.param(
            [short("TOOL_CALL", toolCallId="c", toolCallName="tool"), short("TOOL_CALL", delta="{}"), result("x")],
            [BEGIN, ToolCallDeltaChunk("c", "{}"), FINAL, ToolResultChunk("c", "x"), STOPPED],
            id="short",
        ),
        pytest.param([CALL, CALL_END], [BEGIN, FINAL, WAITS], id="without an answer"),
        pytest.param(
            [{**CALL, "metadata": {"providerExecuted": True, "dynamic": True}}, CALL_END],
            [ToolCallBeginChunk("c", "tool", None, True, True), FINAL, STOPPED],
            id="executed by the provider",
        ),
        pytest.param([CALL, CALL_END, CALL, args("{}"), CALL_END], [BEGIN, FINAL, WAITS], id="begun again"),
        pytest.param([result('{"a":1}'), result("2")], [ToolResultChunk("c", {"a": 1}), STOPPED], id="of the past"),
        pytest.param([result("sunny")], [ToolResultChunk("c", "sunny"), STOPPED], id="text that is no JSON"),
        pytest.param(
            [result([{"type": "text", "text": "a"}])],
            [ToolResultChunk("c", [{"type": "text", "text": "a"}]), STOPPED],
            id="parts",
        ),
        pytest.param(
            [result('"bad"', metadata={"artifact": [1], "isError": True, "modelContent": [{"type": "text"}]})],
            [ToolResultChunk("c", "bad", [1], True, [{"type": "text"}]), STOPPED],
            id="with what an encoder notes",
        ),
        pytest.param(
            [CALL, {"type": "STEP_STARTED", "stepName": "s"}, {"type": "STEP_FINISHED", "stepName": "s"}, args("{}"),
             CALL_END],
            [BEGIN, StepStartChunk("s"), ToolCallDeltaChunk("c", "{}"), FINAL, WAITS],
            id="over the end of a step",
        ),
    ],
)  # fmt: skip
def test_tool_call(events: list[Any], wanted: list[AssistantStreamChunk]) -> None:
    for is_strict in (True, False):
        decoder = AGUIDecoder(strict=is_strict)
        assert decoded(decoder, [run(*events)]) == wanted
        assert decoder.skipped == 0


@pytest.mark.parametrize(
    ("last", "wanted"),
    [
        (FINISHED, [STOPPED]),
        ({**FINISHED, "outcome": {"type": "success"}, "result": {"a": 1}}, [STOPPED]),
        ({**FINISHED, "outcome": {"type": "cancelled"}}, [MessageFinishChunk("interrupted")]),
        (
            {**FINISHED, "outcome": {"type": "interrupt", "interrupts": [{"id": "i", "reason": "r"}]}},
            [DataPartChunk("interrupts", [{"id": "i", "reason": "r"}]), WAITS],
        ),
        (
            {**FINISHED, "usage": [{"inputTokens": 1}, {"inputTokens": 2, "outputTokens": 3}],
             "metadata": {"finishReason": "length"}},
            [MessageFinishChunk("length", 3, 3)],
        ),
        ({"type": "RUN_ERROR", "message": "e", "code": "c"}, [ErrorChunk("e", "c")]),
        (
            {"type": "RUN_ERROR", "message": "", "usage": [{"outputTokens": 3}], "metadata": {"severity": "warning"}},
            [ErrorChunk("", None, "warning"), MessageFinishChunk("error", 0, 3)],
        ),
        (
            {"type": "RUN_ERROR", "message": "e", "metadata": {"finishReason": "stop", "severity": "new"}},
            [ErrorChunk("e"), STOPPED],
        ),
    ],
)  # fmt: skip
def test_end_of_a_run(last: Any, wanted: list[AssistantStreamChunk]) -> None:
    assert decoded(AGUIDecoder(strict=True), [stream(RUN, last)]) == wanted


def test_several_runs() -> None:
    text_run = run(text_start(), text("a"), text_end())
    failed = stream(RUN, CALL, args("{"), {"type": "RUN_ERROR", "message": "e"})
    assert decoded(AGUIDecoder(strict=True), [text_run + failed + run()]) == [
        TextDeltaChunk("a"), STOPPED, BEGIN, ToolCallDeltaChunk("c", "{"), FINAL, ErrorChunk("e"), STOPPED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([[1]], "must be an object, not a list"),
        ([{}], "type must be text, not null"),
        ([{"type": "NEW"}], "its type 'NEW' is unknown"),
        ([{"type": "TEXT_MESSAGE_NEW"}], "is unknown"),
        ([{"type": "RUN_PAUSED"}], "is unknown"),
        ([{"type": "TOOL_CALL_NEW", "toolCallId": "c"}], "is unknown"),
        ([{"type": "TEXT_MESSAGE_CONTENT", "messageId": "m"}], "delta"),
        ([{"type": "TOOL_CALL_START", "toolCallId": "c"}], "toolCallName"),
        ([args("{}")], "no tool call with its id is open|no such tool call"),
        ([short("TEXT_MESSAGE", delta="a")], "the first event of its kind must have a messageId"),
        ([result({})], "content"),
        ([delta({"op": "remove", "path": "/x"})], "the patch does not fit: there is nothing at '/x'"),
        ([{"type": "STATE_DELTA", "delta": {}}], "delta|patch"),
        ([{"type": "CUSTOM", "value": 1}], "name"),
        (
            [{"type": "ACTIVITY_DELTA", "messageId": "a", "activityType": "plan", "patch": []}],
            "there is no such activity",
        ),
    ],
)
def test_event_that_cannot_be_read(events: list[Any], reason: str) -> None:
    decoder = AGUIDecoder()
    assert decoded(decoder, [run(*events)]) == [STOPPED]
    assert decoder.skipped == 1
    with pytest.raises(DecodeError, match=reason):
        AGUIDecoder(strict=True).feed(run(*events))


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (text("a"), TextDeltaChunk("a")),
        ({**text("a"), "messageId": None}, TextDeltaChunk("a")),
        ({"type": "REASONING_MESSAGE_CONTENT", "messageId": "m", "delta": "a"}, ReasoningDeltaChunk("a")),
        ({"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "a"}, ReasoningDeltaChunk("a")),
        ({"type": "STEP_FINISHED"}, StepFinishChunk("unknown")),
        ({"type": "RUN_ERROR"}, ErrorChunk("Something went wrong.")),
        ({"type": "STATE_SNAPSHOT"}, edit([], None)),
        ({**text("a"), "subagentRunId": None}, TextDeltaChunk("a")),
    ],
)
def test_event_that_only_a_strict_decoder_refuses(event: Any, wanted: AssistantStreamChunk) -> None:
    decoder = AGUIDecoder()
    assert decoder.feed(stream(event)) == [wanted]
    assert decoder.skipped == 0
    with pytest.raises(DecodeError):
        AGUIDecoder(strict=True).feed(stream(RUN, event))


def test_an_event_of_an_unknown_type_ends_nothing() -> None:
    pieces = short("TEXT_MESSAGE", messageId="m", delta="a"), {"type": "NEW"}, short("TEXT_MESSAGE", delta="b")
    assert decoded(AGUIDecoder(), [run(*pieces)]) == [TextDeltaChunk("a"), TextDeltaChunk("b"), STOPPED]


def test_patches_apply_to_the_initial_state() -> None:
    given = {"l": [1, 2]}
    data = run(delta({"op": "remove", "path": "/l/0"}))
    assert decoded(AGUIDecoder(strict=True, state=given), [data]) == [edit(["l"], [2]), STOPPED]
    assert given == {"l": [1, 2]}
    with pytest.raises(TypeError, match="state is not JSON"):
        AGUIDecoder(state=object())


def test_edits_do_not_share_values_with_the_state() -> None:
    decoder = AGUIDecoder()
    (first,) = decoder.feed(stream(snapshot({"a": {"b": 1}})))
    decoder.feed(stream(delta({"op": "replace", "path": "/a/b", "value": 2})))
    assert first == edit([], {"a": {"b": 1}})


# --- Lines and the end ----------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_line_ends_that_the_client_does_not_support(end: bytes) -> None:
    data = run(text_start(), text("a"), text_end()).replace(b"\n", end)
    for pieces in ([data], byte_by_byte(data)):
        assert decoded(AGUIDecoder(), pieces) == [TextDeltaChunk("a"), STOPPED]
        with pytest.raises(DecodeError, match="lines must end in LF alone"):
            decoded(AGUIDecoder(strict=True), pieces)


def test_terminator_of_other_formats() -> None:
    data = run() + b"data: [DONE]\n\n"
    decoder = AGUIDecoder()
    assert decoded(decoder, [data]) == [STOPPED]
    assert decoder.skipped == 1
    with pytest.raises(DecodeError, match=r"AG-UI has no \[DONE\]") as raised:
        AGUIDecoder(strict=True).feed(data)
    assert raised.value.offset == len(run())


def test_run_without_an_end() -> None:
    data = stream(RUN, text_start(), text("a"))
    assert decoded(AGUIDecoder(), [data]) == [TextDeltaChunk("a")]
    with pytest.raises(DecodeError, match="ended without RUN_FINISHED or RUN_ERROR"):
        decoded(AGUIDecoder(strict=True), [data])


def test_last_event_without_its_blank_line_is_read_as_in_the_client() -> None:
    data = run().rstrip(b"\n")
    for is_strict in (True, False):
        decoder = AGUIDecoder(strict=is_strict)
        assert decoder.feed(data) == []
        assert decoder.close() == [STOPPED]
    with pytest.raises(DecodeError, match="is not JSON"):
        decoded(AGUIDecoder(strict=True), [data[:-3]])


def test_a_strict_decoder_has_the_limit_of_the_client() -> None:
    data = run(custom("n", "x" * 10 * 1024 * 1024))
    for most in (None, 0, 20 * 1024 * 1024):
        with pytest.raises(DecodeError, match="more than 10,485,760 bytes"):
            AGUIDecoder(strict=True, max_frame_bytes=most).feed(data)
        assert len(AGUIDecoder(max_frame_bytes=most).feed(data)) == 2
    with pytest.raises(DecodeError, match="more than 100 bytes"):
        AGUIDecoder(strict=True, max_frame_bytes=100).feed(data)


# --- Costs ----------------------------------------------------------------------------------------


@pytest.mark.timeout(20)
@pytest.mark.parametrize("is_strict", [True, False])
def test_many_open_messages_and_calls(is_strict: bool) -> None:
    # Were all of them looked at for each of them, there would be 400 million looks.
    count = 20_000
    events = [text_start(str(number)) for number in range(count)]
    events += [text("a", str(number)) for number in range(count)]
    events += [text_end(str(number)) for number in range(count)]
    calls: list[Any] = [{**event, "toolCallId": str(number)} for event in (CALL, CALL_END) for number in range(count)]
    # Between the texts there are boundaries.
    assert len(decoded(AGUIDecoder(strict=is_strict), [run(*events, *calls)])) == 4 * count


@pytest.mark.timeout(20)
@pytest.mark.parametrize("is_strict", [True, False])
def test_many_open_items_of_subagents(is_strict: bool) -> None:
    count = 20_000
    events = [
        {**short("TEXT_MESSAGE", messageId=str(number), delta="a"), "subagentRunId": str(number)}
        for _ in range(2)
        for number in range(count)
    ]
    assert len(decoded(AGUIDecoder(strict=is_strict), [run(*events)])) == 4 * count


@pytest.mark.timeout(20)
def test_many_removals_in_one_patch_set_the_list_once() -> None:
    count = 20_000
    patch = [{"op": "remove", "path": f"/l/{number}"} for number in reversed(range(count))]
    chunks = decoded(AGUIDecoder(strict=True, state={"l": [0] * count}), [run(delta(*patch))])
    assert chunks == [edit(["l"], []), STOPPED]
