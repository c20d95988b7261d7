"""The data stream: each chunk becomes the frames that the format's clients document, byte for byte.

And no frame is written that a client refuses: for a call it does not know, for arguments that are complete,
or for a second result.
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
from assistant_stream_ce.serialization import DataStreamEncoder

BEGIN = ToolCallBeginChunk("t1", "search")
BEGIN_FRAME = b'b:{"toolCallId":"t1","toolName":"search"}\n'
ARGUMENTS = ToolCallDeltaChunk("t1", '{"q":1}')
ARGUMENTS_FRAME = b'c:{"toolCallId":"t1","argsTextDelta":"{\\"q\\":1}"}\n'
CLOSE = ToolCallDeltaChunk("t1", "", is_final=True)
CLOSE_FRAME = b'c:{"toolCallId":"t1","argsTextDelta":"","isFinal":true}\n'
CLOSE_EMPTY_FRAME = b'c:{"toolCallId":"t1","argsTextDelta":"{}","isFinal":true}\n'
RESULT = ToolResultChunk("t1", {"n": 1})
RESULT_FRAME = b'a:{"toolCallId":"t1","result":{"n":1}}\n'
UNKNOWN_BEGIN_FRAME = b'b:{"toolCallId":"t1","toolName":"unknown"}\n'


def encode(*chunks: AssistantStreamChunk, finish: bool = False) -> bytes:
    """Return what one encoder writes for chunks."""
    encoder = DataStreamEncoder()
    frames = b"".join(map(encoder.encode, chunks))
    return frames + encoder.finish() if finish else frames


def test_client_recognises_the_format() -> None:
    encoder = DataStreamEncoder()
    assert encoder.media_type == "text/plain"
    assert dict(encoder.headers) == {"x-vercel-ai-data-stream": "v1"}


def test_keepalive_is_an_empty_data_frame() -> None:
    assert DataStreamEncoder().keepalive == b"2:[]\n"


@pytest.mark.parametrize(
    ("chunk", "frames"),
    [
        (TextDeltaChunk("Hel"), b'0:"Hel"\n'),
        (TextDeltaChunk("x", parent_id="p"), b'aui-text-delta:{"textDelta":"x","parentId":"p"}\n'),
        (ReasoningDeltaChunk("hm"), b'g:"hm"\n'),
        (ReasoningDeltaChunk("x", parent_id="p"), b'aui-reasoning-delta:{"reasoningDelta":"x","parentId":"p"}\n'),
        (RefusalDeltaChunk("no"), b'0:"no"\n'),
        (RefusalDeltaChunk("no", parent_id="p"), b'aui-text-delta:{"textDelta":"no","parentId":"p"}\n'),
        (ReasoningPartChunk(), b"aui-reasoning-part-start:{}\n"),
        (
            ReasoningPartChunk("S", parent_id="p"),
            b'aui-reasoning-part-start:{"unstable_summary":"S","parentId":"p"}\n',
        ),
        (ReasoningSignatureChunk("s=="), b'j:{"signature":"s=="}\n'),
        (ToolCallChunk("t1", "f", {"a": 1}), b'9:{"toolCallId":"t1","toolName":"f","args":{"a":1}}\n'),
        (BEGIN, BEGIN_FRAME),
        (ToolCallBeginChunk("t1", "f", parent_id="p"), b'b:{"toolCallId":"t1","toolName":"f","parentId":"p"}\n'),
        (SourceChunk("s", "https://example.org"), b'h:{"sourceType":"url","id":"s","url":"https://example.org"}\n'),
        (
            SourceChunk("s", "https://example.org", title="T", parent_id="p"),
            b'h:{"sourceType":"url","id":"s","url":"https://example.org","title":"T","parentId":"p"}\n',
        ),
        (FileChunk("aGk=", "text/plain"), b'k:{"data":"aGk=","mimeType":"text/plain"}\n'),
        (
            FileChunk("aGk=", "text/plain", parent_id="p"),
            b'k:{"data":"aGk=","mimeType":"text/plain","parentId":"p"}\n',
        ),
        (FileChunk("d", "m", filename="a.txt"), b'k:{"data":"d","mimeType":"m","filename":"a.txt"}\n'),
        (
            SourceDocumentChunk("s", "m", "T"),
            b'h:{"sourceType":"document","id":"s","mediaType":"m","title":"T"}\n',
        ),
        (
            SourceDocumentChunk("s", "m", "T", "a.txt", "p"),
            b'h:{"sourceType":"document","id":"s","mediaType":"m","title":"T","filename":"a.txt","parentId":"p"}\n',
        ),
        (DataPartChunk("x", None), b'aui-data:{"name":"x","data":null}\n'),
        (
            DataPartChunk("x", [1], id="i", parent_id="p"),
            b'aui-data:{"name":"x","data":[1],"id":"i","parentId":"p"}\n',
        ),
        (DataPartChunk("x", 1, transient=True), b'2:[{"name":"x","data":1}]\n'),
        (DataChunk({"k": 1}), b'2:[{"k":1}]\n'),
        (DataChunk([1, 2]), b"2:[[1,2]]\n"),
        (DataChunk(None), b"2:[null]\n"),
        (AnnotationsChunk([{"n": 1}, None]), b'8:[{"n":1},null]\n'),
        (AnnotationsChunk([]), b"8:[]\n"),
        (StepStartChunk("m1"), b'f:{"messageId":"m1"}\n'),
        (
            StepFinishChunk("tool-calls", 1, 2, True),
            b'e:{"finishReason":"tool-calls","usage":{"inputTokens":1,"outputTokens":2},"isContinued":true}\n',
        ),
        (
            StepFinishChunk("stop"),
            b'e:{"finishReason":"stop","usage":{"inputTokens":0,"outputTokens":0},"isContinued":false}\n',
        ),
        (ErrorChunk('bo"om'), b'3:"bo\\"om"\n'),
        (ErrorChunk("boom", "quota", "warning"), b'3:"boom"\n'),
        (
            MessageFinishChunk("length", 3, 4),
            b'd:{"finishReason":"length","usage":{"inputTokens":3,"outputTokens":4}}\n',
        ),
        (
            UpdateStateChunk(
                [
                    {"type": "set", "path": [], "value": {"text": None}},
                    {"type": "set", "path": ["text"], "value": "a"},
                    {"type": "append-text", "path": ["text"], "value": "b"},
                ]
            ),
            b'aui-state:[{"type":"set","path":[],"value":{"text":null}},{"type":"set","path":["text"],"value":"a"},'
            b'{"type":"append-text","path":["text"],"value":"b"}]\n',
        ),
        (UpdateStateChunk([]), b"aui-state:[]\n"),
    ],
)
def test_chunk_becomes_frames(chunk: AssistantStreamChunk, frames: bytes) -> None:
    assert encode(chunk) == frames


def test_arguments_are_sent_as_they_come() -> None:
    deltas = ToolCallDeltaChunk("t1", '{"q":'), ToolCallDeltaChunk("t1", "1}")
    assert encode(BEGIN, *deltas) == (
        BEGIN_FRAME
        + b'c:{"toolCallId":"t1","argsTextDelta":"{\\"q\\":"}\n'
        + b'c:{"toolCallId":"t1","argsTextDelta":"1}"}\n'
    )


def test_empty_piece_of_arguments_is_not_sent() -> None:
    assert encode(BEGIN, ToolCallDeltaChunk("t1", "")) == BEGIN_FRAME


@pytest.mark.parametrize(
    ("result", "frame"),
    [
        (ToolResultChunk("t1", None), b'a:{"toolCallId":"t1","result":null}\n'),
        (ToolResultChunk("t1", [1], is_error=True), b'a:{"toolCallId":"t1","result":[1],"isError":true}\n'),
        (ToolResultChunk("t1", "x", artifact={"z": 2}), b'a:{"toolCallId":"t1","result":"x","artifact":{"z":2}}\n'),
        (
            ToolResultChunk("t1", 1, artifact=0, is_error=True),
            b'a:{"toolCallId":"t1","result":1,"artifact":0,"isError":true}\n',
        ),
        (
            ToolResultChunk("t1", 1, model_content=[{"type": "text", "text": "one"}]),
            b'a:{"toolCallId":"t1","result":1,"modelContent":[{"type":"text","text":"one"}]}\n',
        ),
    ],
)
def test_result_is_sent_with_what_it_has(result: ToolResultChunk, frame: bytes) -> None:
    assert encode(BEGIN, result) == BEGIN_FRAME + frame


def test_closing_arguments_sends_a_frame() -> None:
    assert encode(BEGIN, ARGUMENTS, CLOSE) == BEGIN_FRAME + ARGUMENTS_FRAME + CLOSE_FRAME


def test_last_piece_may_close_the_arguments() -> None:
    last = ToolCallDeltaChunk("t1", '{"q":1}', is_final=True)
    assert encode(BEGIN, last) == BEGIN_FRAME + ARGUMENTS_FRAME + CLOSE_FRAME


def test_arguments_without_text_are_an_empty_object() -> None:
    assert encode(BEGIN, CLOSE) == BEGIN_FRAME + CLOSE_EMPTY_FRAME


def test_closing_twice_sends_one_frame() -> None:
    assert encode(BEGIN, CLOSE, CLOSE, finish=True) == BEGIN_FRAME + CLOSE_EMPTY_FRAME


def test_result_may_follow_closed_arguments() -> None:
    assert encode(BEGIN, CLOSE, RESULT) == BEGIN_FRAME + CLOSE_EMPTY_FRAME + RESULT_FRAME


@pytest.mark.parametrize(
    "end",
    [StepFinishChunk("stop"), MessageFinishChunk("stop"), None],
    ids=["step-finish", "message-finish", "end of the stream"],
)
def test_end_closes_the_arguments_of_every_open_call(end: AssistantStreamChunk | None) -> None:
    calls = BEGIN, ARGUMENTS, ToolCallBeginChunk("t2", "f"), ToolCallBeginChunk("t3", "f"), ToolResultChunk("t3", 1)
    before = encode(*calls)
    ended = encode(*calls, *([end] if end else []), finish=True)
    closes = CLOSE_FRAME + b'c:{"toolCallId":"t2","argsTextDelta":"{}","isFinal":true}\n'
    finish = encode(MessageFinishChunk("stop")) if isinstance(end, StepFinishChunk) else b""
    assert ended == before + closes + (encode(end) if end else b"") + finish


def test_error_closes_nothing_and_the_end_does() -> None:
    assert encode(BEGIN, ErrorChunk("boom"), finish=True) == BEGIN_FRAME + b'3:"boom"\n' + CLOSE_EMPTY_FRAME


def test_stream_has_no_terminator() -> None:
    assert DataStreamEncoder().finish() == b""
    assert encode(TextDeltaChunk("x"), BEGIN, RESULT, finish=True) == b'0:"x"\n' + BEGIN_FRAME + RESULT_FRAME


# --- What a client would refuse -------------------------------------------------------------------


def test_result_of_an_earlier_message_begins_the_call() -> None:
    assert encode(RESULT) == UNKNOWN_BEGIN_FRAME + RESULT_FRAME


def test_arguments_of_an_unknown_call_begin_it() -> None:
    assert encode(ARGUMENTS, finish=True) == UNKNOWN_BEGIN_FRAME + ARGUMENTS_FRAME + CLOSE_FRAME


def test_close_of_an_unknown_call_begins_it() -> None:
    assert encode(CLOSE) == UNKNOWN_BEGIN_FRAME + CLOSE_EMPTY_FRAME


def test_second_begin_is_left_out() -> None:
    assert encode(BEGIN, ARGUMENTS, ToolCallBeginChunk("t1", "other")) == BEGIN_FRAME + ARGUMENTS_FRAME


def test_second_result_is_left_out() -> None:
    assert encode(BEGIN, RESULT, ToolResultChunk("t1", "again")) == BEGIN_FRAME + RESULT_FRAME


@pytest.mark.parametrize("end", [CLOSE, RESULT, StepFinishChunk("stop"), MessageFinishChunk("stop")])
def test_arguments_after_their_end_are_left_out(end: AssistantStreamChunk) -> None:
    assert encode(BEGIN, end, ARGUMENTS, CLOSE) == encode(BEGIN, end)
    assert ARGUMENTS_FRAME not in encode(BEGIN, end, ARGUMENTS, CLOSE, finish=True)


def test_whole_call_is_complete() -> None:
    call = encode(ToolCallChunk("t1", "search", {}))
    assert encode(ToolCallChunk("t1", "search", {}), ARGUMENTS, CLOSE, BEGIN, finish=True) == call
    assert encode(ToolCallChunk("t1", "search", {}), RESULT) == call + RESULT_FRAME


def test_whole_call_of_a_known_id_is_left_out() -> None:
    assert encode(BEGIN, ToolCallChunk("t1", "search", {"q": 1})) == BEGIN_FRAME


def test_whole_call_under_a_parent_begins_there() -> None:
    # A client does not keep the parent of a call that comes whole.
    begin = BEGIN_FRAME.replace(b"}", b',"parentId":"p"}')
    assert encode(ToolCallChunk("t1", "search", {"q": 1}, "p"), finish=True) == begin + ARGUMENTS_FRAME + CLOSE_FRAME


def test_calls_interleave() -> None:
    other = ToolCallBeginChunk("t2", "f"), ToolCallDeltaChunk("t2", "{}"), ToolResultChunk("t2", 2)
    assert encode(BEGIN, other[0], ARGUMENTS, other[1], RESULT, other[2]) == (
        BEGIN_FRAME
        + b'b:{"toolCallId":"t2","toolName":"f"}\n'
        + ARGUMENTS_FRAME
        + b'c:{"toolCallId":"t2","argsTextDelta":"{}"}\n'
        + RESULT_FRAME
        + b'a:{"toolCallId":"t2","result":2}\n'
    )


def test_encoders_do_not_share_calls() -> None:
    encode(BEGIN, RESULT)
    assert encode(BEGIN, RESULT) == BEGIN_FRAME + RESULT_FRAME
