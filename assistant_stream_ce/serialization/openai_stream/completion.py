"""OpenAI's answer without streaming: the whole `chat.completion` of a run, as one JSON object.

It says what the events of the same run say together.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from assistant_stream_ce import chunks
from assistant_stream_ce.concurrency.channel import in_event_loop
from assistant_stream_ce.controller.run_controller import ChunkSource
from assistant_stream_ce.create_run import AssistantStream, as_stream
from assistant_stream_ce.errors import RunFailedError
from assistant_stream_ce.jsonvalue import JSON, dumps, whole_text
from assistant_stream_ce.serialization.openai_stream.encoder import OpenAIEncoder
from assistant_stream_ce.serialization.tool_calls import ToolCallState

__all__ = ("completion",)

_Fields: TypeAlias = dict[str, JSON]


def completion(
    stream: ChunkSource,
    model: str = "assistant-stream",
    *,
    completion_id: str | None = None,
    created: int = 0,
) -> Any:
    """Return the `chat.completion` object of a stream, for a request without `stream: true`.

    In a thread it reads the stream to its end, and returns a dict. In a coroutine it does not block: `await` what it
    returns for the dict. The stream is closed in any case; cancelling the wait leaves the run.

    Args:
        stream: what to read.
        model: the model's name.
        completion_id: the id; a fresh one when left out.
        created: when the completion was created, in Unix seconds; 0 means unknown.

    Raises:
        BaseException: what the callback raised.
        RunFailedError: the stream told of an error without an exception, as with `add_error`, and was read to its end;
            or it was closed from elsewhere before that.
        TypeError: `stream` is no source of chunks.
    """
    stream = as_stream(stream)
    encoder = _CompletionEncoder("chat.completion", model, completion_id, created)
    return _read_async(stream, encoder) if in_event_loop() else _read(stream, encoder)


def _read(stream: AssistantStream, encoder: _CompletionEncoder) -> _Fields:
    with stream:
        for chunk in stream:
            encoder.encode(chunk)
    return _whole(stream, encoder)


async def _read_async(stream: AssistantStream, encoder: _CompletionEncoder) -> _Fields:
    async with stream:
        async for chunk in stream:
            encoder.encode(chunk)
    return _whole(stream, encoder)


def _whole(stream: AssistantStream, encoder: _CompletionEncoder) -> _Fields:
    fields = encoder.completion()
    if stream.is_cancelled:
        # To its reader that is an end like any other, but half an answer is none.
        raise RunFailedError("the stream was closed before its end")
    return fields


class _CompletionEncoder(OpenAIEncoder):
    """Gathers a message; all of its bytes come at the end."""

    media_type = "application/json"

    def __init__(self, kind: str, model: str, completion_id: str | None, created: int) -> None:
        super().__init__(kind, model, completion_id, created)
        self._texts: list[str] = []
        self._reasonings: list[str] = []
        self._refusals: list[str] = []
        # The name and the argument texts of each call, by its number.
        self._functions: list[tuple[str, list[str]]] = []
        self._failure: chunks.ErrorChunk | None = None

    def finish(self) -> bytes:
        """Write the completion."""
        return dumps(self.completion())

    def completion(self) -> _Fields:
        """Return the completion; to be called once, at the end.

        Raises:
            RunFailedError: there was an error.
        """
        if self._failure is not None:
            raise RunFailedError(self._failure.error, self._failure.code)
        self._close_all()
        choice = {"index": 0, "message": self._message(), "logprobs": None, "finish_reason": self._finish_reason()}
        return {**self._identity, "choices": [choice], "usage": self._usage()}

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
        # The first one is the one that clients of the events raise.
        self._failure = self._failure or chunk
        return b""

    def _write_begin(self, record: ToolCallState, name: str, parent_id: str | None) -> bytes:
        self._functions.append((name, []))
        return b""

    def _write_args(self, record: ToolCallState, text: str) -> bytes:
        return self._gather(self._functions[record.number][1], text)

    def _message(self) -> _Fields:
        content, refusal = _joined(self._texts), _joined(self._refusals)
        # Null says that something else stands in its place.
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
