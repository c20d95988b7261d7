"""Each frame that a decoder reads, what it makes of others, and where it stops."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant_stream_ce import (
    AnnotationsChunk,
    AssistantStreamChunk,
    AssistantStreamError,
    DataChunk,
    DataPartChunk,
    DecodeError,
    ErrorChunk,
    FileChunk,
    MessageFinishChunk,
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
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
    create_run,
)
from assistant_stream_ce.serialization import (
    AGUIDecoder,
    AssistantTransportDecoder,
    DataStreamDecoder,
    DataStreamEncoder,
    Decoder,
    OpenAIStreamDecoder,
    UIMessageStreamDecoder,
    decode,
)
from assistant_stream_ce.serialization.decoder import MAX_FRAME_BYTES
from tests import conformance
from tests.serialization.round_trips import WIRES, byte_by_byte, decoded

DECODERS = [decoder for _, decoder in WIRES.values()]
each_decoder = pytest.mark.parametrize("make_decoder", DECODERS)
# AG-UI's client takes another end of lines and of the stream than all others.
each_but_ag_ui = pytest.mark.parametrize(
    "make_decoder", [decoder for decoder in DECODERS if decoder is not AGUIDecoder]
)

BEGIN = ToolCallBeginChunk("1", "tool")
FINAL = ToolCallDeltaChunk("1", "", is_final=True)


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(fields: dict[str, Any], finish_reason: str | None = None) -> bytes:
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]})


def hello(make_decoder: type[Decoder]) -> bytes:
    """Return frames that say hello."""
    if make_decoder is DataStreamDecoder:
        return b'0:"hello"\n'
    if make_decoder is OpenAIStreamDecoder:
        return delta({"content": "hello"})
    if make_decoder is AGUIDecoder:
        return b"".join(map(event, (RUN_STARTED, *SAY_HELLO, RUN_FINISHED)))
    if make_decoder is UIMessageStreamDecoder:
        return event({"type": "text-start", "id": "1"}) + event({"type": "text-delta", "id": "1", "delta": "hello"})
    return event({"type": "part-start", "part": {"type": "text"}}) + event(
        {"type": "text-delta", "path": [0], "textDelta": "hello"}
    )


def frame(make_decoder: type[Decoder], data: bytes) -> bytes:
    """Return data as one frame."""
    return data + b"\n" if make_decoder is DataStreamDecoder else b"data: " + data + b"\n\n"


RUN_STARTED = {"type": "RUN_STARTED", "threadId": "t", "runId": "r"}
RUN_FINISHED = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}
SAY_HELLO = (
    {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"},
    {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "hello"},
    {"type": "TEXT_MESSAGE_END", "messageId": "m"},
)


def told(make_decoder: type[Decoder], text: str = "hello") -> list[AssistantStreamChunk]:
    """Return the chunks of `hello`."""
    chunks: list[AssistantStreamChunk] = [TextDeltaChunk(text)]
    return [*chunks, MessageFinishChunk("stop")] if make_decoder is AGUIDecoder else chunks


# --- Frames of the data stream --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b'0:"a"\n', [TextDeltaChunk("a")]),
        (b'0: "a" \n', [TextDeltaChunk("a")]),
        (b'g:"a"\n', [ReasoningDeltaChunk("a")]),
        (b'aui-text-delta:{"textDelta":"a","parentId":"p"}\n', [TextDeltaChunk("a", "p")]),
        (b'aui-reasoning-delta:{"reasoningDelta":"a","parentId":"p"}\n', [ReasoningDeltaChunk("a", "p")]),
        (b'b:{"toolCallId":"1","toolName":"tool","parentId":"p"}\n', [ToolCallBeginChunk("1", "tool", "p")]),
        (b'h:{"sourceType":"url","id":"1","url":"u","more":1}\n', [SourceChunk("1", "u")]),
        (
            b'h:{"sourceType":"x","id":"1","url":"u","title":"t","parentId":"p"}\n',
            [SourceChunk("1", "u", "x", "t", "p")],
        ),
        (b'k:{"data":"aGk=","mimeType":"text/plain","parentId":null}\n', [FileChunk("aGk=", "text/plain")]),
        (b"2:[]\n", []),
        (b'2:[1,{"a":null}]\n', [DataChunk(1), DataChunk({"a": None})]),
        (b"8:[1,[2]]\n", [AnnotationsChunk([1, [2]])]),
        (b'f:{"messageId":"m"}\n', [StepStartChunk("m")]),
        (
            b'e:{"finishReason":"stop","usage":{"inputTokens":1,"outputTokens":2},"isContinued":true}\n',
            [StepFinishChunk("stop", 1, 2, True)],
        ),
        (b'd:{"finishReason":"length"}\n', [MessageFinishChunk("length")]),
        (
            b'd:{"finishReason":"x","usage":{"promptTokens":1,"completionTokens":null}}\n',
            [MessageFinishChunk("x", 1, 0)],
        ),
        (b'3:"broken"\n', [ErrorChunk("broken")]),
        (b"aui-state:[]\n", [UpdateStateChunk([])]),
        (
            b'aui-state:[{"type":"set","path":["a",0],"value":1},{"type":"append-text","path":[],"value":"b"}]\n',
            [
                UpdateStateChunk(
                    [
                        {"type": "set", "path": ["a", "0"], "value": 1},
                        {"type": "append-text", "path": [], "value": "b"},
                    ]
                )
            ],
        ),
        (b'j:{"signature":"x"}\n', [ReasoningSignatureChunk("x")]),
        (b"aui-reasoning-part-start:{}\n", [ReasoningPartChunk()]),
        (
            b'aui-reasoning-part-start:{"unstable_summary":"S","parentId":"p"}\n',
            [ReasoningPartChunk("S", "p")],
        ),
        (b'aui-data:{"name":"n","data":null}\n', [DataPartChunk("n", None)]),
        (b'aui-data:{"name":"n","data":1,"id":"i","parentId":"p"}\n', [DataPartChunk("n", 1, "i", parent_id="p")]),
        (
            b'h:{"sourceType":"document","id":"1","mediaType":"m","title":"t","filename":"f","parentId":"p"}\n',
            [SourceDocumentChunk("1", "m", "t", "f", "p")],
        ),
        (b'h:{"sourceType":"document","id":"1","url":"u"}\n', [SourceChunk("1", "u", "document")]),
        (b'k:{"data":"d","mimeType":"m","filename":"f"}\n', [FileChunk("d", "m", filename="f")]),
        # Known, and there is no chunk for it.
        (b'i:{"data":"x"}\n', []),
        (b"\n \n\r\n\t\n", []),
    ],
)
def test_data_stream_frame(data: bytes, wanted: list[AssistantStreamChunk]) -> None:
    decoder = DataStreamDecoder(strict=True)
    assert decoded(decoder, [data]) == wanted
    assert decoder.skipped == 0


@pytest.mark.parametrize(
    "data",
    [
        b"no colon",
        b": comment",
        b"z:1",
        b"0:",
        b"0:null",
        b"0:5",
        b'0:"a',
        b'0:"a" "b"',
        b"2:{}",
        b"2:[NaN]",
        b'2:"ab"',
        b"8:null",
        b"b:[]",
        b'b:{"toolCallId":"1"}',
        b'b:{"toolCallId":1,"toolName":"tool"}',
        b'c:{"toolCallId":"none","argsTextDelta":""}',
        b'a:{"toolCallId":"none","result":1}',
        b'9:{"toolCallId":"1","toolName":"tool","args":[]}',
        b"e:{}",
        b"e:1",
        b"aui-state:{}",
        b'aui-state:[{"type":"delete","path":[]}]',
        b'aui-state:[{"type":"set","path":["__proto__"],"value":1}]',
        b'aui-state:[{"type":"set","path":"a","value":1}]',
        b'aui-state:[{"type":"append-text","path":["a"],"value":1}]',
        b"2:" + b"[" * 1000 + b"]" * 1000,
        b"2:" + b"[" * 5000,
    ],
)
def test_data_stream_frame_that_cannot_be_read(data: bytes) -> None:
    assert_cannot_be_read(DataStreamDecoder, data)


def test_data_stream_keeps_calls_in_order() -> None:
    data = (
        b'b:{"toolCallId":"1","toolName":"tool"}\n'
        b'c:{"toolCallId":"1","argsTextDelta":"{"}\n'
        b'c:{"toolCallId":"1","argsTextDelta":"}","isFinal":true}\n'
        b'c:{"toolCallId":"1","argsTextDelta":"late","isFinal":true}\n'
        b'a:{"toolCallId":"1","result":{"a":1},"artifact":[2],"isError":true}\n'
        b'a:{"toolCallId":"1","result":"second"}\n'
    )
    assert decoded(DataStreamDecoder(strict=True), [data]) == [
        BEGIN,
        ToolCallDeltaChunk("1", "{"),
        ToolCallDeltaChunk("1", "}", is_final=True),
        ToolResultChunk("1", {"a": 1}, [2], True),
    ]


def test_result_without_a_value() -> None:
    data = b'b:{"toolCallId":"1","toolName":"tool"}\na:{"toolCallId":"1"}\n'
    assert decoded(DataStreamDecoder(strict=True), [data]) == [BEGIN, ToolResultChunk("1", None)]


def test_second_begin_of_a_call_cannot_be_read() -> None:
    begin = b'b:{"toolCallId":"1","toolName":"tool"}\n'
    decoder = DataStreamDecoder()
    assert decoded(decoder, [begin * 2]) == [BEGIN]
    assert decoder.skipped == 1


WHOLE = b'9:{"toolCallId":"1","toolName":"tool","args":{"a":1}}\n'


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        (b"", [ToolCallChunk("1", "tool", {"a": 1})]),
        (
            b'b:{"toolCallId":"1","toolName":"tool"}\n',
            [BEGIN, ToolCallDeltaChunk("1", '{"a":1}', is_final=True)],
        ),
        (
            b'b:{"toolCallId":"1","toolName":"tool"}\nc:{"toolCallId":"1","argsTextDelta":"{}"}\n',
            [BEGIN, ToolCallDeltaChunk("1", "{}"), FINAL],
        ),
    ],
)
def test_whole_call(before: bytes, wanted: list[AssistantStreamChunk]) -> None:
    assert decoded(DataStreamDecoder(strict=True), [before + WHOLE * 2]) == wanted


def test_result_of_a_whole_call() -> None:
    call = WHOLE.replace(b"}}", b'},"parentId":"p"}')
    result = b'a:{"toolCallId":"1","result":2,"modelContent":["m"]}\n'
    wanted = [ToolCallChunk("1", "tool", {"a": 1}, "p"), ToolResultChunk("1", 2, model_content=["m"])]
    assert decoded(DataStreamDecoder(strict=True), [call + result]) == wanted


@pytest.mark.parametrize(
    ("code", "wanted"), [(b"e", StepFinishChunk("stop")), (b"d", MessageFinishChunk("stop"))], ids=["step", "message"]
)
def test_a_finish_completes_arguments(code: bytes, wanted: AssistantStreamChunk) -> None:
    data = b'b:{"toolCallId":"1","toolName":"tool"}\n' + code + b':{"finishReason":"stop"}\n'
    assert decoded(DataStreamDecoder(strict=True), [data]) == [BEGIN, FINAL, wanted]


def test_arguments_are_completed_once() -> None:
    late = b'c:{"toolCallId":"1","argsTextDelta":"late"}\n'
    data = b'b:{"toolCallId":"1","toolName":"tool"}\n' + (b'd:{"finishReason":"stop"}\n' + late) * 2
    assert decoded(DataStreamDecoder(strict=True), [data]) == [BEGIN, FINAL, *[MessageFinishChunk("stop")] * 2]


def test_single_operations_are_left_out() -> None:
    good = {"type": "set", "path": ["a"], "value": None}
    decoder = DataStreamDecoder()
    data = b"aui-state:" + json.dumps([{"type": "set"}, good, 5]).encode() + b"\n"
    assert decoded(decoder, [data]) == [UpdateStateChunk([good])]  # type: ignore[list-item]
    assert decoder.skipped == 2
    assert decoded(DataStreamDecoder(), [b"aui-state:[5]\n"]) == []


# --- Events of the assistant transport ------------------------------------------------------------


def transport(*values: Any) -> bytes:
    return b"".join(map(event, values)) + b"data: [DONE]\n\n"


def part(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "part-start", "part": {"type": kind, **fields}, "path": []}


CALL = part("tool-call", toolCallId="1", toolName="tool")


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([part("text"), {"type": "text-delta", "path": [0], "textDelta": "a"}], [TextDeltaChunk("a")]),
        (
            [part("text", parentId="p"), {"type": "text-delta", "path": [0], "textDelta": "a"}],
            [TextDeltaChunk("a", "p")],
        ),
        (
            [part("text"), part("reasoning", parentId=None), {"type": "text-delta", "path": [1], "textDelta": "a"}],
            [ReasoningDeltaChunk("a")],
        ),
        (
            [part("text"), {"type": "part-finish", "path": [0]}, {"type": "text-delta", "path": [0], "textDelta": "a"}],
            [TextDeltaChunk("a")],
        ),
        ([CALL, {"type": "text-delta", "path": [0], "textDelta": "{}"}], [BEGIN, ToolCallDeltaChunk("1", "{}")]),
        (
            [CALL, {"type": "tool-call-args-text-finish", "path": [0]}, {"type": "part-finish", "path": [0]}],
            [BEGIN, FINAL],
        ),
        ([CALL, {"type": "part-finish", "path": [0]}], [BEGIN, FINAL]),
        (
            [CALL, {"type": "result", "path": [0], "result": 1}, {"type": "tool-call-args-text-finish", "path": [0]}],
            [BEGIN, ToolResultChunk("1", 1)],
        ),
        (
            [CALL, {"type": "result", "path": [0], "result": 1, "isError": True, "artifact": 2, "messages": []}],
            [BEGIN, ToolResultChunk("1", 1, 2, True)],
        ),
        ([part("source", sourceType="url", id="1", url="u", title="t")], [SourceChunk("1", "u", title="t")]),
        ([part("file", data="d", mimeType="m", parentId="p")], [FileChunk("d", "m", "p")]),
        ([part("file", data="d", mimeType="m", filename="f")], [FileChunk("d", "m", filename="f")]),
        (
            [part("source", sourceType="document", id="1", mediaType="m", title="t")],
            [SourceDocumentChunk("1", "m", "t")],
        ),
        ([part("data", name="n", data=1), {"type": "part-finish", "path": [0]}], [DataPartChunk("n", 1)]),
        ([part("data", name="n", data=None, id="i", parentId="p")], [DataPartChunk("n", None, "i", parent_id="p")]),
        (
            [part("reasoning", unstable_summary="S"), {"type": "text-delta", "path": [0], "textDelta": "a"}],
            [ReasoningPartChunk("S"), ReasoningDeltaChunk("a")],
        ),
        (
            [CALL, {"type": "result", "path": [0], "result": 1, "modelContent": ["m"]}],
            [BEGIN, ToolResultChunk("1", 1, model_content=["m"])],
        ),
        ([{"type": "data", "data": [1, 2]}], [DataChunk(1), DataChunk(2)]),
        ([{"type": "annotations", "path": [], "annotations": [1]}], [AnnotationsChunk([1])]),
        ([{"type": "step-start", "messageId": "m"}, {"type": "step-start"}], [StepStartChunk("m"), StepStartChunk("")]),
        ([{"type": "step-finish", "finishReason": "stop"}], [StepFinishChunk("stop")]),
        (
            [CALL, {"type": "message-finish", "finishReason": "stop", "usage": {"inputTokens": 1, "outputTokens": 2}}],
            [BEGIN, FINAL, MessageFinishChunk("stop", 1, 2)],
        ),
        ([{"type": "error", "error": "e", "code": "c", "severity": "info"}], [ErrorChunk("e", "c", "info")]),
        ([{"type": "error", "error": "e", "code": 429, "severity": ["fatal"]}], [ErrorChunk("e")]),
        ([{"type": "error"}], [ErrorChunk("Something went wrong.")]),
        ([{"type": "update-state", "operations": []}], [UpdateStateChunk([])]),
    ],
)  # fmt: skip
def test_transport_event(values: list[Any], wanted: list[AssistantStreamChunk]) -> None:
    decoder = AssistantTransportDecoder(strict=True)
    assert decoded(decoder, [transport(*values)]) == wanted
    assert decoder.skipped == 0


@pytest.mark.parametrize(
    "value",
    [
        5,
        [],
        {},
        {"type": "new"},
        {"type": ["unhashable"]},
        {"type": "part-start"},
        {"type": "part-start", "part": 1},
        part("new"),
        part("tool-call"),
        part("text", parentId=1),
        part("source", id=1),
        part("source", sourceType="document", id="1"),
        part("data", name="n"),
        part("reasoning", unstable_summary=1),
        {"type": "text-delta", "path": [7], "textDelta": "a"},
        {"type": "text-delta", "path": None, "textDelta": "a"},
        {"type": "text-delta", "textDelta": "a"},
        {"type": "data", "data": {}},
        {"type": "annotations"},
        {"type": "step-finish"},
        {"type": "error", "error": 5},
        {"type": "update-state"},
        {"type": "result", "path": [], "result": 1},
    ],
)
def test_transport_event_that_cannot_be_read(value: Any) -> None:
    assert_cannot_be_read(AssistantTransportDecoder, json.dumps(value).encode())


@pytest.mark.parametrize("path", [[-1], [1], [0, 0], [], [True], ["0"], 0])
def test_path_without_a_part(path: Any) -> None:
    decoder = AssistantTransportDecoder()
    values = [part("text"), {"type": "text-delta", "path": path, "textDelta": "a"}]
    assert decoded(decoder, [transport(*values)]) == []
    assert decoder.skipped == 1


def test_parts_that_cannot_be_read_are_counted() -> None:
    values = [part("new"), part("source"), CALL, CALL, part("text")]
    decoder = AssistantTransportDecoder()
    deltas = [{"type": "text-delta", "path": [number], "textDelta": "a"} for number in range(5)]
    wanted = [BEGIN, ToolCallDeltaChunk("1", "a"), TextDeltaChunk("a")]
    assert decoded(decoder, [transport(*values, *deltas)]) == wanted
    assert decoder.skipped == 6


def test_part_of_the_reasoning_is_told_where_its_text_would_extend_another() -> None:
    starts = [part("reasoning"), part("reasoning"), part("reasoning"), part("reasoning", parentId="p"), part("text")]
    said = [{"type": "text-delta", "path": [number], "textDelta": "a"} for number in (0, 0, 2, 3, 4, 2)]
    reasoning = ReasoningDeltaChunk("a")
    wanted = [
        *(reasoning, reasoning, ReasoningPartChunk(), reasoning),
        *(ReasoningDeltaChunk("a", "p"), TextDeltaChunk("a"), reasoning),
    ]
    assert decoded(AssistantTransportDecoder(strict=True), [transport(*starts, *said)]) == wanted


@pytest.mark.parametrize("between", [CALL, part("file", data="d", mimeType="m"), part("data", name="n", data=1)])
def test_text_after_another_part_needs_no_part_of_its_own(between: dict[str, Any]) -> None:
    said = [{"type": "text-delta", "path": [number], "textDelta": "a"} for number in (0, 2)]
    values = [part("reasoning"), said[0], between, part("reasoning"), said[1]]
    chunks = decoded(AssistantTransportDecoder(strict=True), [transport(*values)])
    assert not any(isinstance(chunk, ReasoningPartChunk) for chunk in chunks)


def test_result_for_a_text() -> None:
    values = [part("text"), {"type": "result", "path": [0], "result": 1}, {"type": "part-finish", "path": [0]}]
    decoder = AssistantTransportDecoder()
    assert decoded(decoder, [transport(*values)]) == []
    assert decoder.skipped == 1


# --- Events of OpenAI's format --------------------------------------------------------------------


def openai_call(index: int | None, call_id: str | None, name: str | None, arguments: str | None) -> dict[str, Any]:
    call = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {key: value for key, value in call.items() if value is not None}


STOP = delta({}, "stop")
STOPPED = MessageFinishChunk("stop")


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (delta({"role": "assistant", "content": ""}), []),
        (delta({"content": "a", "refusal": None}), [TextDeltaChunk("a")]),
        (delta({"content": None, "refusal": "no"}), [RefusalDeltaChunk("no")]),
        (delta({"reasoning_content": "a", "content": None}), [ReasoningDeltaChunk("a")]),
        (delta({"reasoning": "a", "content": "b"}), [ReasoningDeltaChunk("a"), TextDeltaChunk("b")]),
        (event({"choices": []}), []),
        (event({"id": "x", "choices": [{"delta": None}]}), []),
        (event({"choices": [{"index": None, "delta": {"content": "a"}}]}), [TextDeltaChunk("a")]),
        # Both names of the reasoning at once, as some servers send it while they change from one to the other.
        (delta({"reasoning_content": "a", "reasoning": "a"}), [ReasoningDeltaChunk("a")]),
        (delta({"content": None, "refusal": None, "tool_calls": None, "function_call": None, "reasoning": None}), []),
        # No error in each chunk.
        (event({"error": "", "choices": [{"delta": {"content": "a"}}]}), [TextDeltaChunk("a")]),
        # Mistral: a content in parts, with the reasoning in it.
        (
            delta({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]}),
            [ReasoningDeltaChunk("a")],
        ),
        (
            delta({"content": [{"type": "thinking", "thinking": "a"}, {"type": "text", "text": "a"}, {"type": "new"}]}),
            [ReasoningDeltaChunk("a"), TextDeltaChunk("a")],
        ),
        # A finish reason that is no text yet.
        (delta({"content": "a"}, ""), [TextDeltaChunk("a")]),
        # Azure: what its filters say of the prompt comes first, and what they say of the answer between.
        (event({"id": "", "object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}), []),
        (event({"choices": [{"index": 0, "content_filter_offsets": {"start_offset": 1}}]}), []),
        (b": OPENROUTER PROCESSING\n\n", []),
        (b": comment\n\nid: 7\nretry: 10\n\n", []),
    ],
)
def test_openai_event(data: bytes, wanted: list[AssistantStreamChunk]) -> None:
    decoder = OpenAIStreamDecoder(strict=True)
    assert decoded(decoder, [data, STOP, b"data: [DONE]\n\n"]) == [*wanted, STOPPED]
    assert decoder.skipped == 0


@pytest.mark.parametrize(
    ("calls", "wanted"),
    [
        pytest.param(
            [openai_call(0, "1", "tool", ""), openai_call(0, None, None, "{}")],
            [BEGIN, ToolCallDeltaChunk("1", "{}"), FINAL],
            id="as documented",
        ),
        pytest.param(
            [openai_call(0, "1", "tool", "{"), openai_call(0, "1", "tool", "}")],
            [BEGIN, ToolCallDeltaChunk("1", "{"), ToolCallDeltaChunk("1", "}"), FINAL],
            id="with the id each time",
        ),
        pytest.param(
            [openai_call(None, "1", "tool", "{}"), openai_call(None, "2", "tool", "[]")],
            [
                BEGIN,
                ToolCallDeltaChunk("1", "{}"),
                ToolCallBeginChunk("2", "tool"),
                ToolCallDeltaChunk("2", "[]"),
                FINAL,
                ToolCallDeltaChunk("2", "", is_final=True),
            ],
            id="without numbers",
        ),
        pytest.param(
            [{**openai_call(None, "1", "tool", "{"), "index": None}, openai_call(None, None, None, "}")],
            [BEGIN, ToolCallDeltaChunk("1", "{"), ToolCallDeltaChunk("1", "}"), FINAL],
            id="with null for its number",
        ),
        pytest.param(
            [openai_call(0, "1", "tool", "{"), openai_call(0, "2", None, "}")],
            [BEGIN, ToolCallDeltaChunk("1", "{"), ToolCallDeltaChunk("1", "}"), FINAL],
            id="with another id each time",
        ),
        pytest.param(
            [
                openai_call(None, "1", "tool", "{"),
                openai_call(None, "2", "tool", "["),
                openai_call(None, "1", None, "}"),
            ],
            [
                BEGIN,
                ToolCallDeltaChunk("1", "{"),
                ToolCallBeginChunk("2", "tool"),
                ToolCallDeltaChunk("2", "["),
                ToolCallDeltaChunk("1", "}"),
                FINAL,
                ToolCallDeltaChunk("2", "", is_final=True),
            ],
            id="by their ids only",
        ),
        pytest.param(
            [openai_call(0, "1", "tool", "{}"), openai_call(0, "2", "tool", "[]")],
            [
                BEGIN,
                ToolCallDeltaChunk("1", "{}"),
                ToolCallBeginChunk("2", "tool"),
                ToolCallDeltaChunk("2", "[]"),
                FINAL,
                ToolCallDeltaChunk("2", "", is_final=True),
            ],
            id="all with the same number",
        ),
        pytest.param(
            [openai_call(3, None, "tool", "{}")],
            [
                ToolCallBeginChunk("call-3", "tool"),
                ToolCallDeltaChunk("call-3", "{}"),
                ToolCallDeltaChunk("call-3", "", is_final=True),
            ],
            id="without an id",
        ),
    ],
)
def test_openai_tool_calls(calls: list[dict[str, Any]], wanted: list[AssistantStreamChunk]) -> None:
    pieces = [*(delta({"tool_calls": [call]}) for call in calls), delta({}, "tool_calls"), b"data: [DONE]\n\n"]
    assert decoded(OpenAIStreamDecoder(strict=True), pieces) == [*wanted, MessageFinishChunk("tool-calls")]


def test_openai_calls_that_come_whole_and_at_once() -> None:
    calls = [openai_call(0, "1", "tool", "{}"), openai_call(1, "2", "tool", "[]")]
    assert decoded(
        OpenAIStreamDecoder(strict=True), [delta({"tool_calls": calls}, "tool_calls"), b"data: [DONE]\n\n"]
    ) == [
        BEGIN,
        ToolCallDeltaChunk("1", "{}"),
        ToolCallBeginChunk("2", "tool"),
        ToolCallDeltaChunk("2", "[]"),
        FINAL,
        ToolCallDeltaChunk("2", "", is_final=True),
        MessageFinishChunk("tool-calls"),
    ]


def test_openai_function_call_is_a_tool_call_without_an_id() -> None:
    pieces = [
        delta({"role": "assistant", "content": None, "function_call": {"name": "tool", "arguments": ""}}),
        delta({"function_call": {"arguments": "{"}}),
        delta({"function_call": {"arguments": "}"}}),
        delta({}, "function_call"),
        b"data: [DONE]\n\n",
    ]
    assert decoded(OpenAIStreamDecoder(strict=True), pieces) == [
        ToolCallBeginChunk("call-0", "tool"),
        ToolCallDeltaChunk("call-0", "{"),
        ToolCallDeltaChunk("call-0", "}"),
        ToolCallDeltaChunk("call-0", "", is_final=True),
        MessageFinishChunk("tool-calls"),
    ]


def test_openai_finish_reason_of_no_text_completes_no_arguments() -> None:
    pieces = [delta({"tool_calls": [openai_call(0, "1", "tool", "{")]}, "")]
    pieces += [delta({"tool_calls": [openai_call(0, None, None, "}")]}, ""), delta({}, "tool_calls")]
    assert decoded(OpenAIStreamDecoder(), pieces) == [
        BEGIN,
        ToolCallDeltaChunk("1", "{"),
        ToolCallDeltaChunk("1", "}"),
        FINAL,
        MessageFinishChunk("tool-calls"),
    ]


@pytest.mark.parametrize("indexes", [(0, 1), (1, 0)])
def test_openai_only_the_first_choice_is_read(indexes: tuple[int, int]) -> None:
    text = {0: "a", 1: "other"}
    data = event({"choices": [{"index": index, "delta": {"content": text[index]}} for index in indexes]})
    stop = event({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"} for index in indexes]})
    decoder = OpenAIStreamDecoder()
    assert decoded(decoder, [data, event({"choices": [{"index": 1, "delta": {"content": "b"}}]}), stop]) == [
        TextDeltaChunk("a"),
        STOPPED,
    ]
    assert decoder.skipped == 3

    with pytest.raises(DecodeError, match="only the choice with index 0") as raised:
        OpenAIStreamDecoder(strict=True).feed(data)
    assert raised.value.chunks == [TextDeltaChunk("a")]


def test_openai_arguments_after_the_finish_reason_are_ignored() -> None:
    pieces = [delta({"tool_calls": [openai_call(0, "1", "tool", "")]}), STOP]
    pieces += [delta({"tool_calls": [openai_call(0, None, None, "late")]}), STOP, b"data: [DONE]\n\n"]
    assert decoded(OpenAIStreamDecoder(strict=True), pieces) == [BEGIN, FINAL, STOPPED]


def test_openai_calls_may_interleave() -> None:
    begins = [openai_call(0, "a", "x", ""), openai_call(1, "b", "y", "")]
    rest = [openai_call(1, None, None, "1"), openai_call(0, None, None, "2")]
    chunks = decoded(OpenAIStreamDecoder(), [delta({"tool_calls": begins}), delta({"tool_calls": rest})])
    assert chunks[2:] == [ToolCallDeltaChunk("b", "1"), ToolCallDeltaChunk("a", "2")]


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("stop", "stop"),
        ("tool_calls", "tool-calls"),
        ("function_call", "tool-calls"),
        ("content_filter", "content-filter"),
        ("new", "new"),
    ],
)
def test_openai_finish_reason(reason: str, wanted: str) -> None:
    assert decoded(OpenAIStreamDecoder(), [delta({}, reason)]) == [MessageFinishChunk(wanted)]


def test_openai_usage_beside_or_after_the_finish_reason() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    beside = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
    after = STOP + event({"choices": [], "usage": usage})
    for data in (beside, after):
        decoder = OpenAIStreamDecoder()
        assert decoder.feed(data) == []
        assert decoder.feed(b"data: [DONE]\n\n") == [MessageFinishChunk("stop", 3, 4)]
        assert decoder.close() == []


def test_openai_usage_in_each_chunk() -> None:
    pieces = []
    for count, text in enumerate(("a", "b"), start=1):
        usage = {"prompt_tokens": 3, "completion_tokens": count, "total_tokens": 3 + count}
        pieces.append(event({"choices": [{"index": 0, "delta": {"content": text}}], "usage": usage}))
    pieces += [event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None})]
    wanted = [TextDeltaChunk("a"), TextDeltaChunk("b"), MessageFinishChunk("stop", 3, 2)]
    assert decoded(OpenAIStreamDecoder(strict=True), [*pieces, b"data: [DONE]\n\n"]) == wanted


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (event({"error": {"message": "broken", "code": 1}}), ErrorChunk("broken", "1")),
        (event({"error": {"message": "broken", "code": "rate_limit"}}), ErrorChunk("broken", "rate_limit")),
        (event({"error": {"message": "broken", "code": True}}), ErrorChunk("broken")),
        (event({"error": {"message": "broken", "type": "server_error", "code": None}}), ErrorChunk("broken")),
        (event({"error": "broken"}), ErrorChunk("broken")),
        (event({"error": {}}), ErrorChunk("Something went wrong.")),
        (event({"error": {"message": 5}}), ErrorChunk("Something went wrong.")),
        (event({"object": "error", "message": "broken", "code": 400}), ErrorChunk("broken", "400")),
        # OpenRouter sends a choice beside it.
        (
            event({"error": {"code": 502, "message": "broken"}, "choices": [{"delta": {}, "finish_reason": "error"}]}),
            ErrorChunk("broken", "502"),
        ),
        (b"event: error\n" + event({"message": "broken", "code": "c"}), ErrorChunk("broken", "c")),
        (b"event: error\n" + event({"error": {"message": "broken"}}), ErrorChunk("broken")),
        (b"event: error\n" + event("broken"), ErrorChunk("broken")),
        (b"event: error\n" + event(None), ErrorChunk("Something went wrong.")),
        (b"event: error\ndata: upstream timed out\n\n", ErrorChunk("upstream timed out")),
    ],
)
def test_openai_error_ends_the_stream(data: bytes, wanted: ErrorChunk) -> None:
    chunks = decoded(
        OpenAIStreamDecoder(strict=True), [delta({"content": "a"}) + data + STOP + delta({"content": "b"})]
    )
    assert chunks == [TextDeltaChunk("a"), wanted]


@pytest.mark.parametrize(
    "value",
    [
        5,
        {},
        {"choices": None},
        {"choices": [5]},
        {"choices": [{"index": 1, "delta": {"content": "a"}}]},
        {"choices": [{"delta": 5}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"tool_calls": {"index": 0}}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": "0"}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": 1}]}}]},
        {"choices": [{"delta": {"function_call": "f"}}]},
        {"choices": [{"delta": {}, "finish_reason": 1}]},
    ],
)
def test_openai_event_that_cannot_be_read(value: Any) -> None:
    assert_cannot_be_read(OpenAIStreamDecoder, json.dumps(value).encode())


# --- What the real clients accept -------------------------------------------------------------------

GOOD_INPUTS = [
    pytest.param(make_decoder, path, id=path.stem)
    for protocol, make_decoder in (
        ("data-stream", DataStreamDecoder),
        ("ai-sdk-v4-data-stream", DataStreamDecoder),
        ("assistant-transport", AssistantTransportDecoder),
        ("openai-chat", OpenAIStreamDecoder),
        ("ui-message-stream", UIMessageStreamDecoder),
        ("ai-sdk-ui", UIMessageStreamDecoder),
        ("ai-sdk-ui-v6", UIMessageStreamDecoder),
        ("ai-sdk-ui-v5", UIMessageStreamDecoder),
        ("ag-ui", AGUIDecoder),
    )
    for path in sorted((Path(conformance.__file__).parent / "inputs" / "good").glob(f"{protocol}--*.txt"))
]


@pytest.mark.parametrize(("make_decoder", "path"), GOOD_INPUTS)
def test_what_clients_accept_is_read(make_decoder: type[Decoder], path: Path) -> None:
    data = path.read_bytes()
    decoder = make_decoder(strict=True)
    chunks = decoded(decoder, [data])
    assert chunks
    assert decoder.skipped == 0
    assert decoded(make_decoder(strict=True), byte_by_byte(data)) == chunks


# --- Frames that cannot be read -------------------------------------------------------------------


def assert_cannot_be_read(make_decoder: type[Decoder], data: bytes) -> None:
    """Hold that a frame is left out, or raises in strict mode after what was before it."""
    before, bad = hello(make_decoder), frame(make_decoder, data)
    lenient = make_decoder()
    assert lenient.feed(before + bad + before)[: 2 * len(told(make_decoder))] == told(make_decoder) * 2
    assert lenient.skipped == 1

    strict = make_decoder(strict=True)
    with pytest.raises(DecodeError) as raised:
        strict.feed(before + bad + before)
    error = raised.value
    assert error.chunks == told(make_decoder)
    assert error.offset == len(before)
    assert error.reason
    assert error.frame.removesuffix("...") in data.decode()
    assert len(error.frame) <= 103
    for again in (lambda: strict.feed(b""), strict.close):
        with pytest.raises(DecodeError) as raised:
            again()
        assert (raised.value.offset, raised.value.reason, raised.value.chunks) == (error.offset, error.reason, [])


def test_decode_error_is_of_the_library_and_a_value_error() -> None:
    error = DecodeError("it is odd", 1234, "0:", [])
    assert isinstance(error, AssistantStreamError)
    assert isinstance(error, ValueError)
    assert str(error) == "cannot decode the frame at byte 1,234, '0:': it is odd"


@each_decoder
def test_bytes_that_are_no_utf_8(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder).replace(b"hello", b"h\xff\xed\xa0\x80")
    assert make_decoder().feed(data) == told(make_decoder, "h\ufffd\ufffd\ufffd\ufffd")
    with pytest.raises(DecodeError, match="utf-8"):
        make_decoder(strict=True).feed(data)


@each_decoder
def test_halves_of_surrogate_pairs_are_kept(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder).replace(b"hello", b"\\ud83d")
    assert make_decoder(strict=True).feed(data) == told(make_decoder, "\ud83d")


@pytest.mark.parametrize(
    ("make_decoder", "data", "wanted"),
    [
        (DataStreamDecoder, b'f:{"messageId":"m","\\ud83d":1}\n', StepStartChunk("m")),
        (AssistantTransportDecoder, b'data: {"type":"step-start","messageId":"","\\ud83d":1}\n\n', StepStartChunk("")),
        (
            UIMessageStreamDecoder,
            b'data: {"type":"file","url":"u","mediaType":"m","providerMetadata":{"\\ud83d":{"\\ud83d":1}}}\n\n',
            FileChunk("u", "m"),
        ),
        (
            AGUIDecoder,
            event(RUN_STARTED) + b'data: {"type":"CUSTOM","name":"\\ud83d","value":"\\ud83d","\\ud83d":1}\n\n',
            DataPartChunk("\ud83d", "\ud83d"),
        ),
    ],
)  # fmt: skip
def test_keys_with_halves_of_surrogate_pairs(make_decoder: type[Decoder], data: bytes, wanted: Any) -> None:
    assert make_decoder(strict=True).feed(data) == [wanted]


@pytest.mark.parametrize(
    ("make_decoder", "data"),
    [
        (DataStreamDecoder, b'aui-state:[{"type":"\\ud83d","path":[],"value":1}]\n'),
        (UIMessageStreamDecoder, b'data: {"type":"finish","finishReason":"\\ud83d"}\n\n'),
        (AGUIDecoder, event(RUN_STARTED) + b'data: {"type":"TEXT_MESSAGE_START","messageId":"m","role":"\\ud83d"}\n\n'),
    ],
)
def test_words_with_halves_of_surrogate_pairs(make_decoder: type[Decoder], data: bytes) -> None:
    with pytest.raises(DecodeError):
        make_decoder(strict=True).feed(data)


def test_values_are_made_safe() -> None:
    data = b'2:[1e400,{"__proto__":1,"constructor":{"prototype":1},"a":1}]\n'
    assert DataStreamDecoder(strict=True).feed(data) == [DataChunk(None), DataChunk({"a": 1})]


# --- Events ---------------------------------------------------------------------------------------


def test_event_over_several_lines() -> None:
    data = (
        b'event: message\ndata: {"choices":[{"delta":\ndata:{"content":"a"}}\n'
        b"id\ndata\ndata: ]}\nother: 1\n: comment\n\n"
    )
    for pieces in ([data], byte_by_byte(data)):
        assert decoded(OpenAIStreamDecoder(), pieces) == [TextDeltaChunk("a")]


def test_named_event_is_unknown_to_the_transport() -> None:
    data = b"event: ping\n" + event({"type": "data", "data": [1]})
    decoder = AssistantTransportDecoder()
    assert decoder.feed(data + event({"type": "data", "data": [2]})) == [DataChunk(2)]
    assert decoder.skipped == 1
    with pytest.raises(DecodeError, match="'ping' is unknown"):
        AssistantTransportDecoder(strict=True).feed(data)


def test_name_without_data_is_no_event() -> None:
    data = b"event: ping\n\n" + event({"type": "data", "data": [2]})
    assert AssistantTransportDecoder(strict=True).feed(data) == [DataChunk(2)]


def test_offset_counts_what_is_no_event() -> None:
    before = b"\xef\xbb\xbf: comment\r\n\r\n" + event({"type": "data", "data": [1]})
    with pytest.raises(DecodeError) as raised:
        AssistantTransportDecoder(strict=True).feed(before + b"\r\r: x\rdata: 5\r\r")
    assert raised.value.offset == len(before) + len(b"\r\r: x\r")


@each_but_ag_ui
def test_a_line_end_that_is_cut_is_one(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder).replace(b"\n", b"\r\n")
    bad = frame(make_decoder, b"bad").replace(b"\n", b"\r\n")
    with pytest.raises(DecodeError) as raised:
        decoded(make_decoder(strict=True), byte_by_byte(data + bad))
    assert raised.value.offset == len(data)


# --- The end --------------------------------------------------------------------------------------


@each_but_ag_ui
def test_last_frame_without_its_end(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder).rstrip(b"\n")
    assert decoded(make_decoder(), [data]) == told(make_decoder)
    strict = make_decoder(strict=True)
    strict.feed(data)
    with pytest.raises(DecodeError, match="ended in the middle"):
        strict.close()
    cut_decoder = make_decoder()
    assert decoded(cut_decoder, [data[:-3]]) == []
    assert cut_decoder.skipped == 1


@pytest.mark.parametrize("make_decoder", [AssistantTransportDecoder, OpenAIStreamDecoder, UIMessageStreamDecoder])
def test_missing_terminator(make_decoder: type[Decoder]) -> None:
    assert decoded(make_decoder(), [hello(make_decoder)]) == told(make_decoder)
    strict = make_decoder(strict=True)
    strict.feed(hello(make_decoder))
    with pytest.raises(DecodeError, match=r"\[DONE\]") as raised:
        strict.close()
    assert raised.value.offset == len(hello(make_decoder))


@pytest.mark.parametrize("make_decoder", [AssistantTransportDecoder, OpenAIStreamDecoder, UIMessageStreamDecoder])
def test_what_follows_the_terminator_is_ignored(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder) + b"data: [DONE]\n\n"
    rest = b"data: nonsense\n\n" + b"x" * 100
    strict = make_decoder(strict=True, max_frame_bytes=90)
    assert strict.feed(data + rest) == told(make_decoder)
    assert strict.feed(rest * 1000) == []
    assert strict.close() == []


@each_decoder
def test_empty_stream(make_decoder: type[Decoder]) -> None:
    assert decoded(make_decoder(), []) == []


@each_but_ag_ui
def test_after_close(make_decoder: type[Decoder]) -> None:
    decoder = make_decoder()
    decoder.feed(hello(make_decoder).rstrip(b"\n"))
    assert decoder.close() == told(make_decoder)
    assert decoder.close() == []
    with pytest.raises(StreamUsageError, match="was closed"):
        decoder.feed(b"")


# --- Size -----------------------------------------------------------------------------------------


@each_decoder
@pytest.mark.parametrize("piece_bytes", [1, 7, 10_000])
def test_frame_that_is_too_large(make_decoder: type[Decoder], piece_bytes: int) -> None:
    before = hello(make_decoder)
    data = before + b"data: " + b"x" * 5000
    decoder = make_decoder(max_frame_bytes=1000)
    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(DecodeError, match="more than 1,000 bytes") as raised:
        for at in range(0, len(data), piece_bytes):
            chunks += decoder.feed(data[at : at + piece_bytes])
    assert chunks + raised.value.chunks == told(make_decoder)
    assert raised.value.offset == len(before)
    assert raised.value.frame.startswith("data: xxx")


def test_event_of_many_lines_that_is_too_large() -> None:
    decoder = OpenAIStreamDecoder(max_frame_bytes=1000)
    with pytest.raises(DecodeError, match="more than 1,000 bytes"):
        for _ in range(1002):
            decoder.feed(b"data:\n")


@each_decoder
def test_frame_of_the_largest_size(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder)
    longest = max(map(len, data.splitlines()))
    assert decoded(make_decoder(max_frame_bytes=longest), byte_by_byte(data)) == told(make_decoder)
    with pytest.raises(DecodeError, match="more than"):
        decoded(make_decoder(max_frame_bytes=longest - 1), byte_by_byte(data))


@each_decoder
@pytest.mark.parametrize("unlimited", [0, None])
def test_no_limit(make_decoder: type[Decoder], unlimited: int | None) -> None:
    text = b"x" * (MAX_FRAME_BYTES + 1)
    data = hello(make_decoder).replace(b"hello", text)
    assert make_decoder(max_frame_bytes=unlimited).feed(data) == told(make_decoder, text.decode())
    with pytest.raises(DecodeError, match="more than"):
        make_decoder().feed(data)


@each_decoder
def test_long_line_in_small_pieces(make_decoder: type[Decoder]) -> None:
    # Were it joined or searched anew with each of the 80,000 pieces, this would go over 200 GB of memory.
    data = hello(make_decoder).replace(b"hello", b"x" * 5_000_000)
    tracemalloc.start()
    try:
        chunks = decoded(make_decoder(), (data[at : at + 64] for at in range(0, len(data), 64)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert chunks == told(make_decoder, "x" * 5_000_000)
    assert peak < 8 * len(data)


@each_decoder
def test_a_long_stream_leaves_nothing(make_decoder: type[Decoder]) -> None:
    decoder = make_decoder()
    decoder.feed(hello(make_decoder) * 10)
    is_transport = make_decoder is AssistantTransportDecoder
    data = event({"type": "text-delta", "path": [0], "textDelta": "a"}) if is_transport else hello(make_decoder)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(2000):
            decoder.feed(data * 10)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


@pytest.mark.parametrize("size", ["1", 1.0, True])
def test_max_frame_bytes_of_a_wrong_type(size: Any) -> None:
    with pytest.raises(TypeError, match="max_frame_bytes must be an int or None"):
        DataStreamDecoder(max_frame_bytes=size)


def test_max_frame_bytes_below_zero() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        DataStreamDecoder(max_frame_bytes=-1)


@pytest.mark.parametrize("data", ["text", None, [1]])
def test_data_of_a_wrong_type(data: Any) -> None:
    with pytest.raises(TypeError, match="data must be bytes"):
        DataStreamDecoder().feed(data)


def test_other_kinds_of_bytes() -> None:
    decoder = DataStreamDecoder()
    assert decoder.feed(bytearray(b'0:"a"\n')) + decoder.feed(memoryview(b'0:"b"\n')) == [  # type: ignore[arg-type]
        TextDeltaChunk("a"),
        TextDeltaChunk("b"),
    ]


# --- `decode` -------------------------------------------------------------------------------------

BROKEN = [b'0:"a"\n0:"', b'b"\nbroken\n0:"c"\n']


def test_decode_yields_what_was_before_an_error() -> None:
    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(DecodeError):
        for chunk in decode(BROKEN, DataStreamDecoder(strict=True)):
            chunks.append(chunk)
    assert chunks == [TextDeltaChunk("a"), TextDeltaChunk("b")]
    assert list(decode(BROKEN, DataStreamDecoder())) == [*chunks, TextDeltaChunk("c")]


async def test_decode_async() -> None:
    closed = []

    async def source() -> AsyncIterator[bytes]:
        try:
            for data in BROKEN:
                yield data
        finally:
            closed.append(True)

    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(DecodeError):
        async for chunk in decode(source(), DataStreamDecoder(strict=True)):
            chunks.append(chunk)
    assert chunks == [TextDeltaChunk("a"), TextDeltaChunk("b")]
    assert closed
    chunks = [chunk async for chunk in decode(source(), DataStreamDecoder())]
    assert chunks == [TextDeltaChunk("a"), TextDeltaChunk("b"), TextDeltaChunk("c")]


@pytest.mark.parametrize("make_decoder", [OpenAIStreamDecoder])
async def test_decode_yields_what_the_end_completes(make_decoder: type[Decoder]) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield STOP

    assert list(decode([STOP], make_decoder())) == [STOPPED]
    assert [chunk async for chunk in decode(source(), make_decoder())] == [STOPPED]


def test_decode_closes_the_source_when_it_is_left() -> None:
    closed = []

    def source() -> Iterator[bytes]:
        try:
            while True:
                yield b'0:"a"\n'
        finally:
            closed.append(True)

    chunks = decode(source(), DataStreamDecoder())
    assert next(chunks) == TextDeltaChunk("a")
    chunks.close()
    assert closed


def test_decode_reads_what_is_both_with_for() -> None:
    encoded = DataStreamEncoder().encode_stream(create_run(lambda controller: controller.append_text("a")))
    assert list(decode(encoded, DataStreamDecoder())) == [TextDeltaChunk("a")]


def test_decode_leaves_an_error_of_the_source_as_it_is() -> None:
    # As of a proxy behind this one: its chunks have come already.
    def source() -> Iterator[bytes]:
        yield b'0:"a"\n'
        raise DecodeError("it is odd", 0, "", [TextDeltaChunk("a")])

    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(DecodeError):
        for chunk in decode(source(), DataStreamDecoder()):
            chunks.append(chunk)
    assert chunks == [TextDeltaChunk("a")]


def test_decode_fails_a_run_with_the_source() -> None:
    def source() -> Iterator[bytes]:
        yield b'0:"a"\n'
        raise ConnectionError("lost")

    def run(controller: RunController) -> None:
        controller.add_stream(decode(source(), DataStreamDecoder()))

    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(ConnectionError):
        for chunk in create_run(run):
            chunks.append(chunk)
    assert chunks == [TextDeltaChunk("a"), ErrorChunk("lost")]


@pytest.mark.parametrize("source", [b"0:", "0:", None, 5])
def test_decode_wants_an_iterable_of_bytes(source: Any) -> None:
    with pytest.raises(TypeError, match="iterable of bytes"):
        decode(source, DataStreamDecoder())
