"""The frames of the data stream that the decoder reads, and those that it does not."""

from __future__ import annotations

import json

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
from assistant_stream_ce.serialization import (
    DataStreamDecoder,
)
from tests.serialization.decoding import (
    BEGIN,
    FINAL,
    assert_cannot_be_read,
)
from tests.serialization.round_trips import decoded


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
