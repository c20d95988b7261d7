"""The body of a response, the same for every framework: bytes, in either world, that always end properly."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from assistant_stream_ce.controller.run_controller import ChunkSource
from assistant_stream_ce.responses.headers import Heartbeat, heartbeat_seconds
from assistant_stream_ce.run.callbacks import Surrounding
from assistant_stream_ce.serialization import EncodedStream, Encoder, OpenAIStreamEncoder

__all__ = ("ResponseBody", "choose_encoder", "openai_encoder")

logger = logging.getLogger("assistant_stream_ce")


class ResponseBody(EncodedStream):
    """The bytes of a response. What the callback raises is logged, and the wire ends as it should.

    Made in the view: the run will see the context variables that are set there, because a server reads the
    body when the request's context has gone.
    """

    def __init__(
        self, stream: ChunkSource, encoder: Encoder, heartbeat: Heartbeat, surrounding: Surrounding | None = None
    ) -> None:
        super().__init__(encoder, stream, heartbeat_seconds(heartbeat))
        #: The context in which the callback will run.
        self.context = self._stream.bind(surrounding)

    def close(self) -> None:
        """Leave the stream without waiting: a server has other requests to serve. Also for a body never read."""
        self._stream.cancel()

    async def aclose(self) -> None:
        """Leave the stream, and give the callback a moment to end."""
        self.close()
        if self._async_reader is not None:
            self._async_reader.stop_timer()
        await self._stream.wait_for_end()

    def _report(self, error: Exception) -> None:
        logger.error("a chunk of a streamed response cannot be encoded", exc_info=error)

    def _raise_error(self) -> None:
        """Raise nothing: the wire has ended properly, and the run has logged what the callback raised."""
        # Its traceback holds this body: no cycle.
        self._error = None


def choose_encoder(
    encoder: Encoder | None, make_encoder: Callable[..., Encoder] | None, options: dict[str, Any]
) -> Encoder:
    """Return the encoder of a response: the one that was passed, or the one of its class.

    Raises:
        TypeError: there is none, or both an encoder and options for one were passed.
    """
    if encoder is None:
        if make_encoder is None:
            raise TypeError("encoder is missing: pass one, for example DataStreamEncoder()")
        try:
            return make_encoder(**options)
        except TypeError as error:
            raise TypeError(f"unexpected keyword arguments for this response: {', '.join(options)}") from error
    if not isinstance(encoder, Encoder):
        raise TypeError(f"encoder must be an Encoder, not {type(encoder).__name__}")
    if options:
        raise TypeError(f"unexpected keyword arguments: {', '.join(options)}")
    return encoder


def openai_encoder(**options: Any) -> OpenAIStreamEncoder:
    """Return an OpenAI encoder that knows what time it is."""
    return OpenAIStreamEncoder(**{"created": int(time.time()), **options})
