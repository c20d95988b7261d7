"""OpenAI's response without streaming: the whole `chat.completion` of a run, as one JSON object."""

from __future__ import annotations

from typing import TypeAlias

from assistant_stream_ce import chunks
from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.create_run import AssistantStream, as_stream
from assistant_stream_ce.errors import RunFailedError, StreamUsageError
from assistant_stream_ce.jsonvalue import JSON, dumps, whole_text
from assistant_stream_ce.run.recorder import header_of
from assistant_stream_ce.serialization.openai_stream.encoder import OpenAIEncoder
from assistant_stream_ce.serialization.tool_calls import ToolCallState

_Fields: TypeAlias = dict[str, JSON]


def completion(
    stream: ChunkSource,
    model: str = "assistant-stream",
    *,
    completion_id: str | None = None,
    created: int | None = None,
) -> dict[str, JSON]:
    """Read a stream to its end and return its `chat.completion` object, for a request without `stream: true`.

    Blocks until the run ends; in a coroutine, use `await acompletion(...)`. The stream is closed in any case.

    Args:
        stream: the stream to read.
        model: the name of the model.
        completion_id: the id; that of the stream's message if None, or a new one.
        created: when the completion was created, in Unix seconds; if None, that of the stream, or 0.

    Raises:
        BaseException: what the callback raised.
        RunFailedError: the stream reported an error without an exception, as with `add_error`, and was read to its
            end; or it was closed by another thread or task before that.
        StreamUsageError: an event loop is running in this thread.
        TypeError: `stream` is not a source of chunks, or an option has a wrong type.
    """
    if in_event_loop():
        raise StreamUsageError("completion would block the running event loop: use `await acompletion(...)`")
    encoder = _new_encoder(stream, model, completion_id, created)
    with as_stream(stream) as source:
        for chunk in source:
            encoder.encode(chunk)
    return _whole(source, encoder)


async def acompletion(
    stream: ChunkSource,
    model: str = "assistant-stream",
    *,
    completion_id: str | None = None,
    created: int | None = None,
) -> dict[str, JSON]:
    """Read a stream to its end in a coroutine, and return its `chat.completion` object.

    Arguments and exceptions are those of `completion`. Cancelling it closes the stream, and so cancels the run.
    """
    encoder = _new_encoder(stream, model, completion_id, created)
    async with as_stream(stream) as source:
        async for chunk in source:
            encoder.encode(chunk)
    return _whole(source, encoder)


def _new_encoder(stream: ChunkSource, model: str, completion_id: str | None, created: int | None) -> _CompletionEncoder:
    encoder = _CompletionEncoder("chat.completion", model, completion_id, created)
    if (header := header_of(stream)) is not None:
        encoder.start_stream(header)
    return encoder


def _whole(stream: AssistantStream, encoder: _CompletionEncoder) -> _Fields:
    fields = encoder.completion()
    if stream.is_cancelled:
        # The reader saw a normal end, but an incomplete answer is not a completion.
        raise RunFailedError("the stream was closed before its end")
    return fields


class _CompletionEncoder(OpenAIEncoder):
    """Collects a message, and writes all bytes at the end."""

    media_type = "application/json"

    def __init__(self, kind: str, model: str, completion_id: str | None, created: int | None) -> None:
        super().__init__(kind, model, completion_id, created)
        self._texts: list[str] = []
        self._reasonings: list[str] = []
        self._refusals: list[str] = []
        # The name and the pieces of argument text of each call, by number.
        self._functions: list[tuple[str, list[str]]] = []
        self._failure: chunks.ErrorChunk | None = None

    def finish(self) -> bytes:
        """Return the completion as JSON."""
        return dumps(self.completion())

    def completion(self) -> _Fields:
        """Return the completion. Call it once, at the end.

        Raises:
            RunFailedError: there was an error.
        """
        if self._failure is not None:
            raise RunFailedError(self._failure.error, self._failure.code)
        self._close_all()
        choice = {"index": 0, "message": self._message(), "logprobs": None, "finish_reason": self._finish_reason()}
        return {**self._identity(), "choices": [choice], "usage": self._usage()}

    def text_delta(self, chunk: chunks.TextDeltaChunk) -> bytes:
        return self._gather(self._texts, chunk.text_delta)

    def reasoning_delta(self, chunk: chunks.ReasoningDeltaChunk) -> bytes:
        self._has_reasoned = True
        return self._gather(self._reasonings, chunk.reasoning_delta)

    def refusal_delta(self, chunk: chunks.RefusalDeltaChunk) -> bytes:
        return self._gather(self._refusals, chunk.refusal_delta)

    def _gather(self, texts: list[str], text: str) -> bytes:
        texts.append(text)
        return b""

    def error(self, chunk: chunks.ErrorChunk) -> bytes:
        # Clients of the events raise the first one.
        self._failure = self._failure or chunk
        return b""

    def _write_begin(self, record: ToolCallState, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk) -> bytes:
        self._functions.append((chunk.tool_name, []))
        return b""

    def _write_args(self, record: ToolCallState, text: str) -> bytes:
        return self._gather(self._functions[record.number][1], text)

    def _message(self) -> _Fields:
        content, refusal = _joined(self._texts), _joined(self._refusals)
        # Null if the message has other content instead.
        message: _Fields = {
            "role": "assistant",
            "content": content if content or not (refusal or self._calls) else None,
            "refusal": refusal or None,
        }
        if self._reasonings:
            message["reasoning_content"] = _joined(self._reasonings)
        if self._calls:
            message["tool_calls"] = [self._call(record) for record in self._calls.values()]
        return message

    def _call(self, record: ToolCallState) -> _Fields:
        name, texts = self._functions[record.number]
        function = {"name": whole_text(name), "arguments": _joined(texts)}
        return {"id": whole_text(record.call_id), "type": "function", "function": function}


def _joined(texts: list[str]) -> str:
    return whole_text("".join(texts))
