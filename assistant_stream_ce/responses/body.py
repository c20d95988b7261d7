"""The body of a streamed response, for sync and async servers. Closing it (a client disconnect) cancels the run."""

from __future__ import annotations

from contextvars import Context, ContextVar
from weakref import WeakSet

from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.errors import StreamUsageError
from assistant_stream_ce.responses.headers import Heartbeat, heartbeat_seconds
from assistant_stream_ce.run.drivers import ContextFactory
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.serialization import EncodedStream, Encoder

__all__ = ("ResponseBody",)


_created: ContextVar[WeakSet[ResponseBody]] = ContextVar("assistant_stream_bodies")


def close_created(*_args: object, **_options: object) -> None:
    """Close the bodies that were created in this context: a receiver for a framework's signal of a failed request.

    A log that keeps the exception of a view also keeps its variables alive, such as a response.
    """
    for body in list(_created.get(())):
        body.close()


class ResponseBody(EncodedStream):
    """Body of a response, an iterable of bytes for `for` or `async for`.

    Create it in the view: the callback sees the context variables that are set there, because a server reads the body
    after the request's context has ended. An exception of the callback is logged, and the body is a complete stream of
    its format.

    Args:
        stream: the stream to send, or an iterable of chunks.
        encoder: the encoder of the format.
        heartbeat: True for 15 seconds, False for none, or seconds.
        surrounding: returns a context manager that is entered around the callback, in its thread or task.
        event_ids: see `EncodedStream`.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: `heartbeat` is not positive.
    """

    def __init__(
        self,
        stream: ChunkSource,
        encoder: Encoder,
        heartbeat: Heartbeat,
        surrounding: ContextFactory | None = None,
        *,
        event_ids: bool = False,
    ) -> None:
        if not isinstance(encoder, Encoder):
            raise TypeError(
                f"encoder must be an Encoder, for example DataStreamEncoder(), not {type(encoder).__name__}"
            )
        super().__init__(encoder, stream, heartbeat_seconds(heartbeat), event_ids=event_ids)
        #: The context in which the callback will run.
        self.context: Context = self._stream.bind(surrounding)
        if (created := _created.get(None)) is None:
            _created.set(created := WeakSet())
        created.add(self)

    def close(self) -> None:
        """Cancel the run without waiting for its end. Idempotent, from any thread, also for a body never read."""
        self._is_finished = True
        if not self.is_read_elsewhere:
            self._stream.release()

    async def aclose(self) -> None:
        """Cancel the run, and wait for its end within the limits of `AssistantStream.aclose`."""
        self.close()
        if self._async_reader is not None:
            self._async_reader.stop_timer()
        if not self.is_read_elsewhere:
            await self._stream.wait_for_end()

    def _report(self, error: Exception) -> None:
        logger.error("a chunk of a streamed response cannot be encoded", exc_info=error)

    def _raise_error(self) -> None:
        """Drop the error: the format was finished properly, and the run has logged its own."""
        if isinstance(self._error, StreamUsageError) and self._stream.reason != "failed":
            logger.error("a response could not read its stream", exc_info=self._error)
        # The traceback refers to this body: avoid a cycle.
        self._error = None
