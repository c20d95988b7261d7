"""Responses for Starlette and FastAPI, on any ASGI server.

The response waits for `http.disconnect` in every version of the ASGI specification. Starlette does so only below 2.4,
and relies on `send` to raise otherwise, which an idle stream does not call.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from assistant_stream_ce.concurrency.waiters import require_loop
from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.errors import MissingExtraError
from assistant_stream_ce.responses import formats
from assistant_stream_ce.responses.body import ResponseBody
from assistant_stream_ce.responses.bridges import race
from assistant_stream_ce.responses.headers import Headers, Heartbeat, check_status, header_list
from assistant_stream_ce.responses.nothing import Nothing, replace_none
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.serialization import Encoder

try:
    from starlette.background import BackgroundTask
    from starlette.responses import StreamingResponse
except ImportError as _error:
    raise MissingExtraError(__name__, "starlette") from _error

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = (
    "AGUIResponse",
    "AssistantStreamResponse",
    "AssistantTransportResponse",
    "DataStreamResponse",
    "OpenAIStreamResponse",
    "PlainTextResponse",
    "UIMessageStreamResponse",
)


_CLIENT_GONE = "the client disconnected while the response was sent"


class AssistantStreamResponse(StreamingResponse):
    """Stream with any encoder. Create it in the endpoint, `def` or `async def`.

    Args:
        stream: the stream to send, or an iterable of chunks; None where there is nothing to follow.
        encoder: the encoder of the format.
        heartbeat: True for 15 seconds, False for none, or seconds.
        event_ids: whether the last server-sent event of each chunk has a cursor as its `id:`, for `Last-Event-ID`;
            ignored in formats that are not server-sent events.
        status_code: the status code.
        status: the same, by the name that other frameworks use; it has precedence.
        headers: extra headers; they replace those of the same name.
        background: a task to run after the response, also after a disconnect.
    """

    #: The name under which FastAPI passes the generator of an endpoint with `response_class`.
    stream_alias = "content"

    def __init__(
        self,
        stream: ChunkSource | None,
        encoder: Encoder,
        *,
        heartbeat: Heartbeat = True,
        event_ids: bool = False,
        status_code: int = 200,
        status: int | None = None,
        headers: Headers | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        status_code = status_code if status is None else status
        check_status(status_code)
        if background is not None and not isinstance(background, BackgroundTask):
            kind = type(background).__name__
            raise TypeError(f"background must be a BackgroundTask, for example BackgroundTask(function), not {kind}")
        stream, encoder, status_code = replace_none(stream, encoder, status_code)
        self._encoder = encoder
        self._body = ResponseBody(stream, encoder, heartbeat, event_ids=event_ids)
        super().__init__(self._body, status_code, background=background)
        self.raw_headers: list[tuple[bytes, bytes]] = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in header_list(encoder, headers, stream)
        ]
        # Compressing middleware may buffer the stream, as Starlette's did before 1.5; it skips one with an encoding.
        self.headers.setdefault("content-encoding", "identity")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: ASGI's calling convention."""
        try:
            require_loop()
            if isinstance(self._encoder, Nothing) and b"last-event-id" in dict(scope.get("headers", ())):
                self._encoder.end_reconnecting()
                self.status_code: int = self._encoder.status
            if scope["type"] == "websocket":
                await self.stream_response(self._wrap_websocket_denial_send(send))
            elif scope.get("method") == "HEAD":
                if await self._start(send):
                    await self._end(send)
            else:
                await race(self.stream_response(send), self._watch(receive))
        finally:
            # Before any await: in a cancelled scope the first one raises.
            self._body.close()
        await self._body.aclose()
        if self.background is not None:
            await self.background()

    async def stream_response(self, send: Send) -> None:
        """Send the response; return early if `send` fails, because the client has disconnected.

        Args:
            send: sends an ASGI message.
        """
        if not await self._start(send):
            return
        async for data in self.body_iterator:
            if not isinstance(data, (bytes, memoryview)):
                # Middleware has replaced the body.
                data = data.encode(self.charset)
            # Inline: another coroutine around `send` costs 0.2 us per piece.
            try:
                await send({"type": "http.response.body", "body": data, "more_body": True})
            except Exception:
                logger.debug(_CLIENT_GONE, exc_info=True)
                return
        await self._end(send)

    async def _start(self, send: Send) -> bool:
        """Send the start; return whether the client is connected. The server may refuse it for another reason."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        except OSError:
            logger.debug(_CLIENT_GONE, exc_info=True)
            return False
        return True

    async def _end(self, send: Send) -> None:
        try:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception:
            logger.debug(_CLIENT_GONE, exc_info=True)

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            # One that never waits, as in tests written by hand, must leave the event loop to the stream.
            await asyncio.sleep(0)
        self._body.close()


class DataStreamResponse(formats.DataStream, AssistantStreamResponse):
    """Streams assistant-ui's data stream."""


class AssistantTransportResponse(formats.AssistantTransport, AssistantStreamResponse):
    """Streams assistant-ui's assistant transport."""


class OpenAIStreamResponse(formats.OpenAIStream, AssistantStreamResponse):
    """Streams OpenAI chat completion chunks."""


class UIMessageStreamResponse(formats.UIMessageStream, AssistantStreamResponse):
    """Streams the UI message stream of AI SDK 5 and newer."""


class AGUIResponse(formats.AGUI, AssistantStreamResponse):
    """Streams AG-UI events."""


class PlainTextResponse(formats.PlainText, AssistantStreamResponse):
    """Streams the text of the answer and nothing else."""
