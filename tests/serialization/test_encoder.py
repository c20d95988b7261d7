"""All encoders: they reject items that are not chunks, and encode any source of chunks.

Whole streams can be encoded sync and async, from a stream, a list, a generator and an async generator. When a callback
raises, the body is completed first, and then its exception is raised.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
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
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    RunController,
    RunResult,
    SourceChunk,
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
    shutdown,
)
from assistant_stream_ce.create_run import StreamHeader
from assistant_stream_ce.run import run
from assistant_stream_ce.serialization import (
    AGUIEncoder,
    AssistantTransportEncoder,
    DataStreamEncoder,
    EncodedStream,
    Encoder,
    OpenAIStreamEncoder,
    PlainTextEncoder,
    UIMessageStreamEncoder,
)
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, read_into

ENCODERS: list[Callable[[], Encoder]] = [
    DataStreamEncoder,
    AssistantTransportEncoder,
    lambda: OpenAIStreamEncoder(completion_id="c1"),
    lambda: AGUIEncoder("thread", "run", state={}),
    UIMessageStreamEncoder,
]
each_encoder = pytest.mark.parametrize(
    "make_encoder", ENCODERS, ids=["data stream", "transport", "openai", "ag-ui", "ui"]
)
each_reader = pytest.mark.parametrize("reader", READER_KINDS)
each_callback = pytest.mark.parametrize("kind", CALLBACK_KINDS)

CHUNKS: list[AssistantStreamChunk] = [
    TextDeltaChunk("a"),
    ToolCallBeginChunk("t1", "f"),
    ToolCallDeltaChunk("t1", '{"q":'),
    ToolCallDeltaChunk("t1", "1}"),
    ToolResultChunk("t1", None),
    TextDeltaChunk("b"),
]


#: The header of the streams with the message id "m1".
HEADER = StreamHeader("m1", is_continued=True)


class ModelError(Exception):
    """What a callback raises."""


def say(controller: RunController) -> None:
    """Say what is in CHUNKS."""
    controller.append_text("a")
    call = controller.add_tool_call("f", "t1")
    call.append_args_text('{"q":')
    call.append_args_text("1}")
    call.set_response(None)
    controller.append_text("b")


def say_and_raise(controller: RunController) -> None:
    """Say something, and break off in the middle of a tool call."""
    controller.append_text("a")
    controller.add_tool_call("f", "t1")
    raise ModelError("boom")


def generate(chunks: Iterable[AssistantStreamChunk]) -> Iterator[AssistantStreamChunk]:
    yield from chunks


async def generate_async(chunks: Iterable[AssistantStreamChunk]) -> AsyncIterator[AssistantStreamChunk]:
    for chunk in chunks:
        yield chunk


def chunk_by_chunk(
    encoder: Encoder, chunks: Iterable[AssistantStreamChunk], header: StreamHeader | None = None
) -> bytes:
    """Return what the encoder's functions write."""
    if header is not None:
        encoder.start_stream(header)
    return b"".join(map(encoder.encode, chunks)) + encoder.finish()


def read(reader: str, encoded: EncodedStream) -> bytes:
    """Read an encoded stream to its end."""
    return b"".join(read_pieces(reader, encoded))


def read_pieces(reader: str, encoded: Any) -> list[bytes]:
    pieces: list[Any] = []
    read_into(reader, encoded, pieces)
    return pieces


# --- What is no chunk -----------------------------------------------------------------------------


@each_encoder
@pytest.mark.parametrize("value", [None, "text", b"0:1", {"type": "text-delta"}, [TextDeltaChunk("a")], TextDeltaChunk])
def test_an_item_that_is_not_a_chunk_is_rejected(make_encoder: Callable[[], Encoder], value: Any) -> None:
    encoder = make_encoder()
    with pytest.raises(TypeError, match=f"must yield chunks, not {type(value).__name__}"):
        encoder.encode(value)
    assert encoder.encode(TextDeltaChunk("a")) == make_encoder().encode(TextDeltaChunk("a"))


@pytest.mark.parametrize("make_encoder", [DataStreamEncoder, AssistantTransportEncoder, UIMessageStreamEncoder])
def test_data_that_is_not_json_is_rejected(make_encoder: Callable[[], Encoder]) -> None:
    with pytest.raises(TypeError, match="object"):
        make_encoder().encode(DataChunk({"a": object()}))


# --- Whole streams --------------------------------------------------------------------------------

SOURCES: dict[str, Callable[[], Any]] = {
    "stream of def": lambda: create_run(as_kind("def", say), message_id="m1"),
    "stream of async def": lambda: create_run(as_kind("async def", say), message_id="m1"),
    "list": lambda: list(CHUNKS),
    "tuple": lambda: tuple(CHUNKS),
    "generator": lambda: generate(CHUNKS),
    "async generator": lambda: generate_async(CHUNKS),
}


@each_encoder
@each_reader
@pytest.mark.parametrize("source", SOURCES)
def test_source_is_encoded_whole(make_encoder: Callable[[], Encoder], reader: str, source: str) -> None:
    encoded = make_encoder().encode_stream(SOURCES[source]())
    header = HEADER if source.startswith("stream") else None
    assert read(reader, encoded) == chunk_by_chunk(make_encoder(), CHUNKS, header)


@each_encoder
@each_reader
@pytest.mark.parametrize("source", [list, generate, generate_async])
def test_empty_source_is_a_complete_body(make_encoder: Callable[[], Encoder], reader: str, source: Any) -> None:
    assert read(reader, make_encoder().encode_stream(source([]))) == make_encoder().finish()


@each_reader
def test_every_piece_is_bytes_and_none_is_empty(reader: str) -> None:
    # The OpenAI format does not support data, so a piece could be empty.
    pieces = read_pieces(reader, OpenAIStreamEncoder().encode_stream([DataChunk(1), TextDeltaChunk("a")]))
    assert all(type(piece) is bytes and piece for piece in pieces)


@each_reader
@pytest.mark.parametrize("path", [[], ["text"]])
def test_stored_state_edits_are_encoded_without_the_state_they_edit(reader: str, path: list[str]) -> None:
    """Chunks that were stored, of a run whose state started with a text, are encoded again."""
    chunk = UpdateStateChunk([{"type": "append-text", "path": path, "value": "more"}])
    wanted = chunk_by_chunk(DataStreamEncoder(), [chunk])
    assert read(reader, DataStreamEncoder().encode_stream([chunk])) == wanted


def test_chunks_in_a_thread_need_no_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    shared_loop = run.shared_loop
    monkeypatch.setattr(run, "shared_loop", lambda: asked.append("a loop") or shared_loop())
    assert b"".join(DataStreamEncoder().encode_stream(CHUNKS)) == chunk_by_chunk(DataStreamEncoder(), CHUNKS)
    assert asked == []


@each_reader
def test_stream_is_encoded_once(reader: str) -> None:
    stream = create_run(say)
    read(reader, DataStreamEncoder().encode_stream(stream))
    with pytest.raises(StreamUsageError, match="to its end"):
        read(reader, DataStreamEncoder().encode_stream(stream))


async def test_for_inside_a_loop_names_async_for() -> None:
    with pytest.raises(StreamUsageError, match="async for"):
        next(DataStreamEncoder().encode_stream(create_run(say)))


# --- Errors ---------------------------------------------------------------------------------------


@each_encoder
@each_callback
@each_reader
def test_raising_callback_leaves_a_complete_body(make_encoder: Callable[[], Encoder], kind: str, reader: str) -> None:
    encoded = make_encoder().encode_stream(create_run(as_kind(kind, say_and_raise), message_id="m1"))
    pieces: list[Any] = []
    with pytest.raises(ModelError, match="boom"):
        read_into(reader, encoded, pieces)
    begun: list[AssistantStreamChunk] = [TextDeltaChunk("a"), ToolCallBeginChunk("t1", "f")]
    broken: list[AssistantStreamChunk] = [ToolCallDeltaChunk("t1", "", is_final=True), ErrorChunk("boom")]
    assert b"".join(pieces) == chunk_by_chunk(make_encoder(), [*begun, *broken], HEADER)


@each_encoder
@each_reader
@pytest.mark.parametrize("is_async", [False, True], ids=["generator", "async generator"])
def test_raising_generator_leaves_a_complete_body(
    make_encoder: Callable[[], Encoder], reader: str, is_async: bool
) -> None:
    def fail() -> Iterator[AssistantStreamChunk]:
        yield TextDeltaChunk("a")
        raise ModelError("boom")

    async def fail_async() -> AsyncIterator[AssistantStreamChunk]:
        yield TextDeltaChunk("a")
        raise ModelError("boom")

    pieces: list[Any] = []
    with pytest.raises(ModelError, match="boom"):
        read_into(reader, make_encoder().encode_stream(fail_async() if is_async else fail()), pieces)
    assert b"".join(pieces) == chunk_by_chunk(make_encoder(), [TextDeltaChunk("a"), ErrorChunk("boom")])


@each_callback
def test_exception_is_raised_once(kind: str) -> None:
    encoded = DataStreamEncoder().encode_stream(create_run(as_kind(kind, say_and_raise)))
    with pytest.raises(ModelError):
        for _ in encoded:
            pass
    assert list(encoded) == []


@each_reader
def test_text_of_the_error_is_the_application_s(reader: str) -> None:
    stream = create_run(say_and_raise, on_error=lambda error: "Something went wrong.")
    pieces: list[Any] = []
    with pytest.raises(ModelError, match="boom"):
        read_into(reader, DataStreamEncoder().encode_stream(stream), pieces)
    assert b"".join(pieces).splitlines()[-1] == b'3:"Something went wrong."'


# --- Quiet streams and leaving --------------------------------------------------------------------


@each_encoder
@each_callback
def test_quiet_stream_is_kept_awake_in_a_thread(make_encoder: Callable[[], Encoder], kind: str) -> None:
    was_awake = threading.Event()
    encoded = EncodedStream(make_encoder(), create_run(quiet_until(was_awake, kind), message_id="m1"), heartbeat=0.01)
    pieces = []
    for piece in encoded:
        pieces.append(piece)
        if piece == make_encoder().keepalive:
            was_awake.set()
    assert was_awake.is_set()
    without = b"".join(piece for piece in pieces if piece != make_encoder().keepalive)
    assert without == chunk_by_chunk(make_encoder(), [TextDeltaChunk("a"), TextDeltaChunk("b")], HEADER)


@each_encoder
@each_callback
async def test_quiet_stream_is_kept_awake_in_a_coroutine(make_encoder: Callable[[], Encoder], kind: str) -> None:
    was_awake = threading.Event()
    encoded = EncodedStream(make_encoder(), create_run(quiet_until(was_awake, kind), message_id="m1"), heartbeat=0.01)
    pieces = []
    async for piece in encoded:
        pieces.append(piece)
        if piece == make_encoder().keepalive:
            was_awake.set()
    assert was_awake.is_set()
    without = b"".join(piece for piece in pieces if piece != make_encoder().keepalive)
    assert without == chunk_by_chunk(make_encoder(), [TextDeltaChunk("a"), TextDeltaChunk("b")], HEADER)


def quiet_until(event: threading.Event, kind: str) -> Callable[[RunController], Any]:
    """Return a callback that waits for an event between two texts."""

    def run(controller: RunController) -> None:
        controller.append_text("a")
        event.wait()
        controller.append_text("b")

    async def run_async(controller: RunController) -> None:
        controller.append_text("a")
        await asyncio.to_thread(event.wait)
        controller.append_text("b")

    return run if kind == "def" else run_async


@each_reader
def test_generator_is_closed_when_the_reader_leaves(reader: str) -> None:
    was_closed = threading.Event()

    def endless() -> Iterator[AssistantStreamChunk]:
        try:
            while True:
                yield TextDeltaChunk("a" * 1024)
        finally:
            was_closed.set()

    encoded = DataStreamEncoder().encode_stream(endless())

    async def read_one() -> None:
        assert (await anext(encoded)).startswith(b'0:"aaa')
        await encoded.aclose()

    if reader == "for":
        assert next(encoded).startswith(b'0:"aaa')
        encoded.close()
    else:
        asyncio.run(read_one())
    assert was_closed.wait(5)


# --- Line ends of Unicode -------------------------------------------------------------------------


@each_encoder
@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
def test_a_python_client_that_splits_lines_gets_whole_frames(make_encoder: Callable[[], Encoder], end: str) -> None:
    text = f"a{end}b"
    chunks: list[AssistantStreamChunk] = [
        *(TextDeltaChunk(text) for _ in range(5)),
        ReasoningDeltaChunk(text, parent_id=text),
        ReasoningPartChunk(text),
        ToolCallBeginChunk(text, text),
        ToolCallDeltaChunk(text, f'{{"q":"{text}"}}', is_final=True),
        ToolResultChunk(text, {text: text}, artifact=[text]),
        ToolCallChunk("whole", text, {text: text}),
        SourceChunk(text, text, title=text),
        FileChunk(text, text, filename=text),
        DataChunk({text: text}),
        DataPartChunk(text, text, id=text),
        AnnotationsChunk([text]),
        StepStartChunk(text),
        UpdateStateChunk([{"type": "set", "path": [], "value": {text: text}}]),
        UpdateStateChunk([{"type": "append-text", "path": [text], "value": text}]),
        StepFinishChunk("stop"),
        ErrorChunk(text, code=text),
    ]
    encoder = make_encoder()
    frames: list[bytes] = []
    encoder.encode_all(chunks, frames)
    data = b"".join([*frames, encoder.finish()]).decode()
    assert data.splitlines() == data.split("\n")[:-1]


# --- Options and token counts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make_encoder", "reason"),
    [
        (lambda: OpenAIStreamEncoder(model=None), "model must be a str, not NoneType"),
        (lambda: OpenAIStreamEncoder(42), "model must be a str, not int"),
        (lambda: OpenAIStreamEncoder(completion_id=42), "completion_id must be a str or None, not int"),
        (lambda: OpenAIStreamEncoder(created="now"), "created must be an int or None, in Unix seconds, not str"),
        (lambda: OpenAIStreamEncoder(created=1.5), "created must be an int or None, in Unix seconds, not float"),
        (lambda: OpenAIStreamEncoder(include_usage=1), "include_usage must be a bool, not int"),
        (lambda: UIMessageStreamEncoder(message_id=42), "message_id must be a str or None, not int"),
        (lambda: UIMessageStreamEncoder(metadata=[1]), "metadata must be a dict or None, not list"),
        (lambda: UIMessageStreamEncoder(metadata={"a": object()}), "metadata.a"),
        (lambda: UIMessageStreamEncoder(state={"a": object()}), "state.a"),
        (lambda: AGUIEncoder(42), "thread_id must be a str or None, not int"),
        (lambda: AGUIEncoder(run_id=b"r"), "run_id must be a str or None, not bytes"),
        (lambda: AGUIEncoder(state=object()), "state"),
    ],
)
def test_an_option_of_a_wrong_type_is_named_at_the_call(make_encoder: Callable[[], Encoder], reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        make_encoder()


@pytest.mark.parametrize("count", [10**400, 2**60, -5, 1.5, float("inf"), float("nan")])
@pytest.mark.parametrize(
    "make_encoder",
    [*ENCODERS[:2], lambda: OpenAIStreamEncoder(include_usage=True), *ENCODERS[3:]],
    ids=["data stream", "transport", "openai", "ag-ui", "ui"],
)
def test_token_counts_are_integers_that_clients_read(make_encoder: Callable[[], Encoder], count: Any) -> None:
    encoder = make_encoder()
    chunks = [
        StepFinishChunk("stop", count, 1),
        StepFinishChunk("stop", count, 1),
        MessageFinishChunk("stop", count, 1),
    ]
    data = b"".join(map(encoder.encode, chunks)) + encoder.finish()
    counts = re.findall(rb'"(?:inputTokens|totalTokens|prompt_tokens|total_tokens)":([^,}]+)', data)
    assert counts
    assert all(0 <= int(found) < 2**53 for found in counts)


# --- Ids and times of the stream ------------------------------------------------------------------


@dataclass
class Followed:
    """A source of chunks with a header of its own, as a replay has it."""

    header: StreamHeader

    def __iter__(self) -> Iterator[AssistantStreamChunk]:
        return iter(CHUNKS)


@pytest.mark.parametrize("make_encoder", [OpenAIStreamEncoder, AGUIEncoder, UIMessageStreamEncoder])
def test_a_replay_with_the_same_header_is_the_same_bytes(make_encoder: Callable[[], Encoder]) -> None:
    header = StreamHeader("m1", run_id="r1", thread_id="t1", created=1_700_000_000)
    first, second = (b"".join(make_encoder().encode_stream(Followed(header))) for _ in range(2))
    assert first == second
    assert b'"m1"' in first


def test_the_ids_of_the_application_take_precedence() -> None:
    header = StreamHeader("m1", run_id="r1", thread_id="t1", created=5)
    for encoder, wanted in (
        (UIMessageStreamEncoder(message_id="mine"), b'"messageId":"mine"'),
        (
            OpenAIStreamEncoder(completion_id="mine", created=7),
            b'"id":"mine","object":"chat.completion.chunk","created":7',
        ),
        (AGUIEncoder("mine", "my-run"), b'"threadId":"mine","runId":"my-run"'),
    ):
        data = b"".join(encoder.encode_stream(Followed(header)))
        assert wanted in data
        assert (b"m1" in data) == isinstance(encoder, AGUIEncoder)
        assert not any(one in data for one in (b"r1", b't1","runId', b'"created":5'))


@each_reader
@pytest.mark.parametrize("given", [None, "m1"])
def test_all_formats_have_the_id_of_the_stream(reader: str, given: str | None) -> None:
    for encoder, head in (
        (UIMessageStreamEncoder(), b'data: {"type":"start","messageId":"%b"}'),
        (OpenAIStreamEncoder(), b'data: {"id":"%b"'),
        (AGUIEncoder(), b'"TEXT_MESSAGE_START","messageId":"%b"'),
    ):
        stream = create_run(say, message_id=given)
        assert head % stream.message_id.encode() in read(reader, encoder.encode_stream(stream))


@pytest.mark.parametrize(
    ("header", "start"),
    [
        (StreamHeader("m1"), b'{"type":"start"}'),
        (StreamHeader("m1", is_continued=True), b'{"type":"start","messageId":"m1"}'),
    ],
)
def test_a_client_that_continues_a_message_keeps_its_id(header: StreamHeader, start: bytes) -> None:
    encoder = UIMessageStreamEncoder(continues_message=not header.is_continued)
    data = chunk_by_chunk(encoder, [ToolResultChunk("t0", 1)], header)
    assert data.startswith(b"data: " + start + b"\n\n")
    assert b"tool-input-start" not in data


# --- The end --------------------------------------------------------------------------------------

STEPS: list[AssistantStreamChunk] = [
    StepStartChunk("s1"),
    StepFinishChunk("tool-calls", 1, 2),
    StepStartChunk("s2"),
    TextDeltaChunk("a"),
    StepFinishChunk("length", 10, 20),
]

FINISHES: dict[Callable[[], Encoder], bytes] = {
    DataStreamEncoder: b'd:{"finishReason":"%b","usage":{"inputTokens":11,"outputTokens":22}}\n',
    AssistantTransportEncoder: (
        b'{"type":"message-finish","path":[],"finishReason":"%b","usage":{"inputTokens":11,"outputTokens":22}}'
    ),
    lambda: OpenAIStreamEncoder(include_usage=True): b'"finish_reason":"%b"',
    AGUIEncoder: b'"usage":[{"inputTokens":11,"outputTokens":22}],"metadata":{"finishReason":"%b"}}',
    UIMessageStreamEncoder: b'{"type":"finish","finishReason":"%b","usage":{"inputTokens":11,"outputTokens":22}',
}


@pytest.mark.parametrize("make_encoder", FINISHES)
def test_without_a_finish_the_message_has_the_reason_and_usage_of_its_steps(make_encoder: Any) -> None:
    data = chunk_by_chunk(make_encoder(), STEPS)
    assert data.count(FINISHES[make_encoder] % b"length") == 1
    # A finish of the message takes precedence.
    data = chunk_by_chunk(make_encoder(), [*STEPS, MessageFinishChunk("stop")])
    assert FINISHES[make_encoder] % b"length" not in data
    # And so does an error.
    data = chunk_by_chunk(make_encoder(), [*STEPS, ErrorChunk("boom")])
    assert b"length" not in data.partition(b"boom")[2]


@pytest.mark.parametrize("make_encoder", FINISHES)
def test_a_step_without_a_reason_is_no_finish(make_encoder: Any) -> None:
    data = chunk_by_chunk(make_encoder(), [StepFinishChunk("unknown", 1, 2)])
    assert not any(finish in data for finish in (b"d:{", b"message-finish", b'"finishReason":"unknown"}}\n\ndata'))


INTERRUPTED: dict[Callable[[], Encoder], tuple[bytes, bytes]] = {
    DataStreamEncoder: (b"", b'd:{"finishReason":"interrupted","usage":{"inputTokens":1,"outputTokens":2}}\n'),
    AssistantTransportEncoder: (b'"message-finish","path":[],"finishReason":"interrupted"', b"data: [DONE]\n\n"),
    OpenAIStreamEncoder: (b'"finish_reason":"length"', b"data: [DONE]\n\n"),
    AGUIEncoder: (b'"RUN_FINISHED"', b'"metadata":{"finishReason":"interrupted"}}\n\n'),
    UIMessageStreamEncoder: (b'data: {"type":"abort"}\n\n', b"data: [DONE]\n\n"),
    PlainTextEncoder: (b"a", b"a"),
}


@each_callback
@each_reader
@pytest.mark.parametrize("make_encoder", INTERRUPTED)
def test_a_stopped_stream_ends_as_an_interrupted_answer(
    make_encoder: Callable[[], Encoder], kind: str, reader: str
) -> None:
    """The reader goes on to the end, while another thread stops the run."""
    was_read = threading.Event()
    reasons: list[str] = []
    ended = threading.Event()

    def say_and_wait(controller: RunController) -> None:
        controller.add_step_finish("stop", 1, 2)
        controller.append_text("a")
        controller.cancelled_event.wait_sync()

    async def say_and_wait_async(controller: RunController) -> None:
        controller.add_step_finish("stop", 1, 2)
        controller.append_text("a")
        await controller.cancelled_event.wait()

    def note(result: RunResult) -> None:
        reasons.append(result.reason)
        ended.set()

    stream = create_run(say_and_wait if kind == "def" else say_and_wait_async, on_finish=note)

    def stop() -> None:
        was_read.wait(10)
        stream.cancel()

    class Noting(list[bytes]):
        def append(self, data: bytes) -> None:
            super().append(data)
            was_read.set()

    thread = threading.Thread(target=stop)
    thread.start()
    pieces: Any = Noting()
    read_into(reader, make_encoder().encode_stream(stream), pieces)
    thread.join()
    data = b"".join(pieces)
    within, end = INTERRUPTED[make_encoder]
    assert data.endswith(end)
    assert within in data
    assert b'"type":"finish"' not in data.replace(b': "type":"finish"', b"")
    assert b"error" not in data
    assert ended.wait(10)
    assert (reasons, stream.was_interrupted) == (["cancelled"], True)


@each_encoder
def test_a_stop_after_the_finish_of_the_message_changes_nothing(make_encoder: Callable[[], Encoder]) -> None:
    chunks: list[AssistantStreamChunk] = [TextDeltaChunk("a"), MessageFinishChunk("stop", 3, 4)]
    encoder = make_encoder()
    data = b"".join(map(encoder.encode, chunks))
    assert encoder.interrupt() == b""
    # The ids that encoders generate differ.
    assert (data + encoder.finish()).endswith(chunk_by_chunk(make_encoder(), chunks)[-20:])


def test_a_run_that_is_shut_down_ends_with_its_error() -> None:
    has_begun = threading.Event()

    def wait(controller: RunController) -> None:
        controller.append_text("a")
        has_begun.set()
        controller.cancelled_event.wait_sync()

    stream = create_run(wait)
    pieces: list[bytes] = []
    thread = threading.Thread(target=lambda: pieces.extend(UIMessageStreamEncoder().encode_stream(stream)))
    thread.start()
    assert has_begun.wait(10)
    shutdown(10)
    thread.join(10)
    assert b'{"type":"error","errorText":"The server is shutting down."}' in b"".join(pieces)
    assert b"abort" not in b"".join(pieces)
    assert not stream.was_interrupted
