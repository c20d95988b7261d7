"""Each frame of the UI message stream, and its chunks."""

from __future__ import annotations

import json
from typing import Any

import msgspec
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
    ProviderMetadataChunk,
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    ReasoningSignatureChunk,
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
from assistant_stream_ce.serialization import UIMessageStreamDecoder
from tests.serialization.round_trips import byte_by_byte, decoded

DONE = b"data: [DONE]\n\n"

BEGIN = ToolCallBeginChunk("c", "tool")


def stream(*frames: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames) + DONE


def text_start(part_id: str = "1", kind: str = "text", **more: Any) -> dict[str, Any]:
    return {"type": f"{kind}-start", "id": part_id, **more}


def text_delta(text: str, part_id: str = "1", kind: str = "text", **more: Any) -> dict[str, Any]:
    return {"type": f"{kind}-delta", "id": part_id, "delta": text, **more}


def text_end(part_id: str = "1", kind: str = "text", **more: Any) -> dict[str, Any]:
    return {"type": f"{kind}-end", "id": part_id, **more}


def thought(text: str, part_id: str = "r") -> list[dict[str, Any]]:
    kind = "reasoning"
    return [text_start(part_id, kind), text_delta(text, part_id, kind), text_end(part_id, kind)]


def signed(signature: str | None, provider: str = "anthropic", name: str = "signature") -> dict[str, Any]:
    return {"providerMetadata": {"other": {"x": 1}, provider: {name: signature}}}


def known(*arguments: Any) -> ProviderMetadataChunk:
    return ProviderMetadataChunk(signed(*arguments)["providerMetadata"], "reasoning")


def call(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"tool-{kind}", "toolCallId": "c", **fields}


INPUT_START = call("input-start", toolName="tool")
INPUT = call("input-available", toolName="tool", input={"a": 1})
WHOLE = ToolCallChunk("c", "tool", {"a": 1})


def input_delta(text: str) -> dict[str, Any]:
    return call("input-delta", inputTextDelta=text)


def request(approval_id: str) -> dict[str, Any]:
    return call("approval-request", approvalId=approval_id)


def response(approval_id: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool-approval-response", "approvalId": approval_id, "approved": False, **more}


ASKED = ToolApprovalRequestChunk("c", "a")


@pytest.mark.parametrize(
    ("frames", "wanted"),
    [
        ([{"type": "start"}, {"type": "message-metadata", "messageMetadata": 5}], []),
        ([text_start(), text_delta("a"), text_delta(""), text_end()], [TextDeltaChunk("a"), TextDeltaChunk("")]),
        (
            [text_start(), text_start("2"), text_delta("a"), text_delta("b", "2"), text_end(), text_end("2")],
            [TextDeltaChunk("a"), TextPartChunk(), TextDeltaChunk("b")],
        ),
        (
            [text_start(), text_delta("a"), text_end(), text_start(), text_end(), text_start(), text_delta("b"),
             text_delta("c")],
            [TextDeltaChunk("a"), TextPartChunk(), TextDeltaChunk("b"), TextDeltaChunk("c")],
        ),
        (
            [text_start(), text_delta("a"), {"type": "start-step"}, text_start("2"), text_delta("b", "2")],
            [TextDeltaChunk("a"), StepStartChunk(""), TextDeltaChunk("b")],
        ),
        (thought("a"), [ReasoningDeltaChunk("a")]),
        (thought("a") + thought("b"), [ReasoningDeltaChunk("a"), ReasoningPartChunk(), ReasoningDeltaChunk("b")]),
        (
            [*thought("a"), text_start(), text_delta("b"), *thought("c")],
            [ReasoningDeltaChunk("a"), TextDeltaChunk("b"), ReasoningDeltaChunk("c")],
        ),
        (
            [*thought("a"), INPUT, *thought("b")],
            [ReasoningDeltaChunk("a"), WHOLE, ReasoningDeltaChunk("b")],
        ),
        (
            [*thought("a"), {"type": "finish-step"}, {"type": "start-step"}, *thought("b")],
            [ReasoningDeltaChunk("a"), StepFinishChunk("unknown"), StepStartChunk(""), ReasoningDeltaChunk("b")],
        ),
        (
            [
                text_start("r", "reasoning", **signed(None)),
                text_delta("a", "r", "reasoning"),
                text_delta("", "r", "reasoning", **signed("s")),
                text_end("r", "reasoning", **signed("s")),
            ],
            [
                known(None),
                ReasoningDeltaChunk("a"),
                known("s"),
                ReasoningSignatureChunk("s"),
            ],
        ),
        (
            [text_start("r", "reasoning"), text_end("r", "reasoning", **signed("s", "google", "thoughtSignature"))],
            [known("s", "google", "thoughtSignature"), ReasoningSignatureChunk("s")],
        ),
        (
            [
                text_start("r", "reasoning"),
                text_delta("a", "r", "reasoning", **signed("s", "openai", "reasoningEncryptedContent")),
                text_end("r", "reasoning"),
            ],
            [
                ReasoningDeltaChunk("a"),
                known("s", "openai", "reasoningEncryptedContent"),
                ReasoningSignatureChunk("s"),
            ],
        ),
        ([{"type": "source-url", "sourceId": "s", "url": "u"}], [SourceChunk("s", "u")]),
        (
            [{"type": "source-url", "sourceId": "s", "url": "u", "title": "t"}],
            [SourceChunk("s", "u", title="t")],
        ),
        (
            [{"type": "source-document", "sourceId": "s", "mediaType": "m", "title": "t", "filename": "f"}],
            [SourceDocumentChunk("s", "m", "t", "f")],
        ),
        (
            [{"type": "file", "url": "data:text/plain;base64,aGk=", "mediaType": "text/plain"}],
            [FileChunk("aGk=", "text/plain")],
        ),
        (
            [{"type": "file", "url": "DATA:text/plain;charset=utf-8;base64,aGk=", "mediaType": "text/plain"}],
            [FileChunk("aGk=", "text/plain")],
        ),
        (
            [{"type": "file", "url": "data:text/plain,hi", "mediaType": "text/plain"}],
            [FileChunk("data:text/plain,hi", "text/plain")],
        ),
        (
            [{"type": "file", "url": "https://x/a", "mediaType": "image/png", "filename": "a"}],
            [FileChunk("https://x/a", "image/png", filename="a")],
        ),
        ([{"type": "data-x", "data": 1}], [DataPartChunk("x", 1)]),
        ([{"type": "data-x"}], [DataPartChunk("x", None)]),
        ([{"type": "data-", "data": 1}], [DataPartChunk("", 1)]),
        ([{"type": "data-x", "id": "i", "data": 1}], [DataPartChunk("x", 1, "i")]),
        ([{"type": "data-x", "transient": True, "data": 1}], [DataPartChunk("x", 1, transient=True)]),
        ([{"type": "data-data", "data": [1]}], [DataChunk([1])]),
        ([{"type": "data-data", "id": "i", "data": [1]}], [DataPartChunk("data", [1], "i")]),
        ([{"type": "data-annotations", "data": [1]}], [AnnotationsChunk([1])]),
        ([{"type": "data-annotations", "data": 1}], [DataPartChunk("annotations", 1)]),
        (
            [{"type": "data-state", "id": "state", "data": {"a": 1}}],
            [UpdateStateChunk([{"type": "set", "path": [], "value": {"a": 1}}])],
        ),
        ([{"type": "data-state", "data": {"a": 1}}], [DataPartChunk("state", {"a": 1})]),
        ([{"type": "start", "messageId": "m"}, {"type": "start-step"}], [StepStartChunk("m")]),
        ([{"type": "start-step", "messageId": "n"}, {"type": "start-step", "messageId": 5}],
         [StepStartChunk("n"), StepStartChunk("")]),
        (
            [{"type": "finish-step", "finishReason": "stop", "usage": {"inputTokens": 1, "outputTokens": 2},
              "isContinued": True}],
            [StepFinishChunk("stop", 1, 2, True)],
        ),
        ([{"type": "finish-step", "finishReason": 5, "usage": 5, "isContinued": 5}], [StepFinishChunk("unknown")]),
        ([{"type": "error", "errorText": ""}, text_start()], [ErrorChunk("")]),
        ([{"type": "abort", "reason": "r"}], [MessageFinishChunk("interrupted")]),
        ([{"type": "finish"}], [MessageFinishChunk("unknown")]),
        (
            [{"type": "finish", "finishReason": "length", "messageMetadata": {"usage": {"inputTokens": 1}}}],
            [MessageFinishChunk("length", 1)],
        ),
        (
            [{"type": "message-metadata", "messageMetadata": {"totalUsage": {"outputTokens": 2}}}, {"type": "finish"}],
            [MessageFinishChunk("unknown", 0, 2)],
        ),
        (
            [{"type": "finish", "usage": {"inputTokens": 1, "outputTokens": 2}, "messageMetadata": 5}],
            [MessageFinishChunk("unknown", 1, 2)],
        ),
        # Known, but without a chunk.
        (
            [
                {"type": "custom", "kind": "a.b"},
                {"type": "reasoning-file", "url": "u", "mediaType": "m"},
                {"type": "steering-message", "id": "1", "parts": [{"type": "text", "text": "a"}]},
            ],
            [],
        ),
    ],
)  # fmt: skip
def test_frame(frames: list[Any], wanted: list[AssistantStreamChunk]) -> None:
    for is_strict in (True, False):
        decoder = UIMessageStreamDecoder(strict=is_strict)
        assert decoded(decoder, [stream(*frames)]) == wanted
        assert decoder.skipped == 0


FINAL = ToolCallDeltaChunk("c", "", is_final=True)
DONE_CALL = call("output-available", output=[1])
RESULT = ToolResultChunk("c", [1])


@pytest.mark.parametrize(
    ("frames", "wanted"),
    [
        pytest.param([INPUT, DONE_CALL], [WHOLE, RESULT], id="whole"),
        pytest.param(
            [{**INPUT, "input": 5}],
            [BEGIN, ToolCallDeltaChunk("c", "5", is_final=True)],
            id="whole and no object",
        ),
        pytest.param([call("input-available", toolName="tool")], [ToolCallChunk("c", "tool", {})], id="no input"),
        pytest.param(
            [INPUT_START, input_delta("{"), input_delta("}"), INPUT, DONE_CALL, {**DONE_CALL, "output": 2}],
            [BEGIN, ToolCallDeltaChunk("c", "{"), ToolCallDeltaChunk("c", "}"),
             ToolCallDeltaChunk("c", "", True, {"a": 1}), RESULT],
            id="in pieces, with another input",
        ),
        pytest.param(
            [INPUT_START, input_delta('{"a"'), input_delta(": 1}"), INPUT, DONE_CALL],
            [BEGIN, ToolCallDeltaChunk("c", '{"a"'), ToolCallDeltaChunk("c", ": 1}"), FINAL, RESULT],
            id="in pieces",
        ),
        pytest.param(
            [INPUT_START, input_delta("abc"), {**INPUT, "input": "abc"}],
            [BEGIN, ToolCallDeltaChunk("c", "abc"), FINAL],
            id="text in pieces",
        ),
        pytest.param(
            [INPUT_START, input_delta("{}"), call("input-available", toolName="tool")],
            [BEGIN, ToolCallDeltaChunk("c", "{}"), FINAL],
            id="in pieces, without a whole input",
        ),
        pytest.param(
            [INPUT_START, INPUT],
            [BEGIN, ToolCallDeltaChunk("c", '{"a":1}', is_final=True)],
            id="announced",
        ),
        pytest.param(
            [INPUT_START, input_delta("{"), DONE_CALL],
            [BEGIN, ToolCallDeltaChunk("c", "{"), RESULT],
            id="answered before its input was whole",
        ),
        pytest.param(
            [INPUT_START, input_delta("{"), {"type": "finish"}, input_delta("late")],
            [BEGIN, ToolCallDeltaChunk("c", "{"), FINAL, MessageFinishChunk("unknown")],
            id="never whole",
        ),
        pytest.param(
            [INPUT_START, input_delta("{"), INPUT, input_delta("late"), INPUT_START, INPUT],
            [BEGIN, ToolCallDeltaChunk("c", "{"), ToolCallDeltaChunk("c", '"a":1}', is_final=True)],
            id="repeated",
        ),
        pytest.param(
            [INPUT, {**DONE_CALL, "preliminary": True}, {**DONE_CALL, "preliminary": False}],
            [WHOLE, ToolResultChunk("c", [1], preliminary=True), RESULT],
            id="preliminary",
        ),
        pytest.param(
            [{**INPUT, "dynamic": True, "providerExecuted": True}, {**DONE_CALL, "dynamic": True}],
            [ToolCallChunk("c", "tool", {"a": 1}, None, True, True), RESULT],
            id="dynamic",
        ),
        pytest.param(
            [{**INPUT_START, "providerExecuted": True}, input_delta("{}"), {**INPUT, "input": {}}],
            [ToolCallBeginChunk("c", "tool", provider_executed=True), ToolCallDeltaChunk("c", "{}"), FINAL],
            id="provider executed",
        ),
        pytest.param(
            [INPUT, DONE_CALL, {"type": "start-step"}, INPUT_START, input_delta("{}"), DONE_CALL,
             {"type": "start-step"}, INPUT, call("output-error", errorText="bad")],
            [WHOLE, RESULT, StepStartChunk(""), ToolCallBeginChunk("c-2", "tool"), ToolCallDeltaChunk("c-2", "{}"),
             ToolResultChunk("c-2", [1]), StepStartChunk(""), ToolCallChunk("c-3", "tool", {"a": 1}),
             ToolResultChunk("c-3", "bad", is_error=True)],
            id="its id used again in later steps",
        ),
        pytest.param(
            [INPUT, {"type": "start-step"}, INPUT, {"type": "reset-step"}, DONE_CALL],
            [WHOLE, StepStartChunk(""), ToolCallChunk("c-2", "tool", {"a": 1}), RESULT],
            id="its id used again in a step that is reset",
        ),
        pytest.param(
            [{**INPUT, "toolCallId": "c-2"}, INPUT, {"type": "start-step"}, INPUT],
            [ToolCallChunk("c-2", "tool", {"a": 1}), WHOLE, StepStartChunk(""), ToolCallChunk("c-3", "tool", {"a": 1})],
            id="its id used again, with the id of another call",
        ),
        pytest.param(
            [INPUT, call("output-error", errorText="bad")],
            [WHOLE, ToolResultChunk("c", "bad", is_error=True)],
            id="failed",
        ),
        pytest.param(
            [INPUT_START, input_delta("{"), call("input-error", toolName="tool", input="{", errorText="bad")],
            [BEGIN, ToolCallDeltaChunk("c", "{"), FINAL, ToolResultChunk("c", "bad", is_error=True)],
            id="bad input",
        ),
        pytest.param(
            [call("input-error", toolName="tool", input={"a": 1}, errorText="bad")],
            [WHOLE, ToolResultChunk("c", "bad", is_error=True)],
            id="bad input at once",
        ),
        pytest.param(
            [call("input-error", toolName="tool", input="{", errorText="bad"), call("output-error", errorText="bad")],
            [BEGIN, ToolCallDeltaChunk("c", "{", is_final=True), ToolResultChunk("c", "bad", is_error=True)],
            id="input that is not JSON, with its error twice",
        ),
        pytest.param([INPUT, call("output-available")], [WHOLE, ToolResultChunk("c", None)], id="no output"),
        pytest.param(
            [INPUT, request("a"), response("a", approved=True), DONE_CALL],
            [WHOLE, ASKED, RESULT],
            id="approved",
        ),
        pytest.param(
            [INPUT, request("a"), response("a", reason="not now"), call("output-denied")],
            [WHOLE, ASKED, ToolResultChunk("c", "not now", is_error=True, denied=True)],
            id="denied with a reason",
        ),
        pytest.param(
            [INPUT, request("a"), response("a"), call("output-denied")],
            [WHOLE, ASKED, ToolResultChunk("c", "Tool execution denied.", is_error=True, denied=True)],
            id="denied",
        ),
        pytest.param(
            [INPUT_START, {**request("a"), "signature": "signed"}, request("b")],
            [BEGIN, ToolApprovalRequestChunk("c", "a", "signed")],
            id="asked twice",
        ),
        pytest.param(
            [INPUT, call("output-available", output=1, preliminary=True), request("a")],
            [WHOLE, ToolResultChunk("c", 1, preliminary=True)],
            id="asked after a preliminary result",
        ),
        pytest.param(
            [INPUT, request("a"), {**INPUT, "toolCallId": "d"}, {**request("a"), "toolCallId": "d"}],
            [WHOLE, ASKED, msgspec.structs.replace(WHOLE, tool_call_id="d")],
            id="two requests with one id",
        ),
        pytest.param(
            [{"type": "start-step"}, text_start(), INPUT_START, input_delta("{"), {"type": "reset-step"}, INPUT_START,
             input_delta("{}"), INPUT],
            [StepStartChunk(""), BEGIN, ToolCallDeltaChunk("c", "{"), FINAL],
            id="reset",
        ),
    ],
)  # fmt: skip
def test_tool_call(frames: list[Any], wanted: list[AssistantStreamChunk]) -> None:
    for is_strict in (True, False):
        decoder = UIMessageStreamDecoder(strict=is_strict)
        assert decoded(decoder, byte_by_byte(stream(*frames))) == wanted
        assert decoder.skipped == 0


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([[1]], "its value must be an object, not a list"),
        ([{}], "type must be text, not null"),
        ([{"type": "new"}], "its type 'new' is unknown"),
        ([{"type": "tool-new", "toolCallId": "c"}], "its type 'tool-new' is unknown"),
        ([text_start(), {"type": "text-delta", "id": "1", "delta": 5}], "delta"),
        ([{"type": "tool-input-start", "toolCallId": "c"}], "toolName"),
        ([{"type": "tool-output-available", "output": 1}], "toolCallId"),
        ([{"type": "source-url", "sourceId": "s"}], "url"),
        ([{"type": "source-document", "sourceId": "s", "mediaType": "m"}], "title"),
        ([{"type": "file", "url": "u"}], "mediaType"),
        ([input_delta("x")], "the input of this tool call was not started|no such tool call"),
    ],
)
def test_frame_that_cannot_be_read(frames: list[Any], reason: str) -> None:
    decoder = UIMessageStreamDecoder()
    assert decoded(decoder, [stream(*frames)]) == []
    assert decoder.skipped == 1
    with pytest.raises(DecodeError, match=reason):
        UIMessageStreamDecoder(strict=True).feed(stream(*frames))


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (text_delta("a"), TextDeltaChunk("a")),
        (text_delta("a", kind="reasoning"), ReasoningDeltaChunk("a")),
        ({"type": "text-delta", "id": None, "delta": "a"}, TextDeltaChunk("a")),
        (DONE_CALL, RESULT),
        ({"type": "error"}, ErrorChunk("Something went wrong.")),
        ({"type": "finish", "finishReason": "new"}, MessageFinishChunk("new")),
        ({"type": "finish", "finishReason": None}, MessageFinishChunk("unknown")),
        ({"type": "source-url", "url": "u", "title": None}, SourceChunk("", "u")),
        ({"type": "data-x", "id": None, "transient": None, "data": {"__proto__": 1}}, DataPartChunk("x", {})),
    ],
)
def test_frame_that_only_a_strict_decoder_refuses(frame: Any, wanted: AssistantStreamChunk) -> None:
    decoder = UIMessageStreamDecoder()
    assert decoded(decoder, [stream(frame)]) == [wanted]
    assert decoder.skipped == 0
    with pytest.raises(DecodeError):
        UIMessageStreamDecoder(strict=True).feed(stream(frame))


def test_a_lenient_decoder_accepts_a_result_for_a_call_of_an_earlier_message() -> None:
    frames = [{"type": "start", "messageId": "m"}, DONE_CALL, {"type": "start-step"}, INPUT, {**DONE_CALL, "output": 2}]
    call = [ToolCallChunk("c-2", "tool", {"a": 1}), ToolResultChunk("c-2", 2)]
    assert decoded(UIMessageStreamDecoder(), [stream(*frames)]) == [RESULT, StepStartChunk("m"), *call]


@pytest.mark.parametrize("spelled", [b"__proto__", b"\\u005f_pro\\u0074o_\\u005F"])
def test_strict_decoder_refuses_a_key_that_clients_refuse(spelled: bytes) -> None:
    data = b'data: {"type":"data-x","data":[{"%b" :1}]}\n\n' % spelled
    assert UIMessageStreamDecoder().feed(data) == [DataPartChunk("x", [{}])]
    with pytest.raises(DecodeError, match="__proto__"):
        UIMessageStreamDecoder(strict=True).feed(data)
    # The same in a text is none.
    data = b'data: {"type":"data-x","data":"\\"%b\\" :1"}\n\n' % spelled.replace(b"\\", b"\\\\")
    assert UIMessageStreamDecoder(strict=True).feed(data)


def test_names_of_events_are_ignored() -> None:
    data = b"event: ping\n" + stream(text_start(), text_delta("a"))
    assert decoded(UIMessageStreamDecoder(strict=True), [data]) == [TextDeltaChunk("a")]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("is_strict", [True, False])
def test_many_open_parts_and_calls(is_strict: bool) -> None:
    # A search among all of them for each of them would take 400 million steps.
    count = 20_000
    frames = [text_start(str(number)) for number in range(count)]
    frames += [{**INPUT_START, "toolCallId": str(number)} for number in range(count)]
    frames += [text_delta("a", str(number)) for number in range(count)]
    frames += [{"type": "finish-step"}, {"type": "start-step"}] * count
    assert len(decoded(UIMessageStreamDecoder(strict=is_strict), [stream(*frames)])) == 6 * count - 1


@pytest.mark.timeout(20)
def test_a_call_id_may_be_used_in_every_step() -> None:
    count = 20_000
    frames = [INPUT, DONE_CALL, {"type": "start-step"}] * count
    found = decoded(UIMessageStreamDecoder(strict=True), [stream(*frames)])
    assert len({chunk.tool_call_id for chunk in found if isinstance(chunk, ToolCallChunk)}) == count
