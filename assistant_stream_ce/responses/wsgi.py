"""Responses for any WSGI server, and for frameworks without a module here: Bottle, Falcon, Pyramid.

Each is a WSGI application: `return DataStreamResponse(create_run(run))(environ, start_response)`. A WSGI server detects
a disconnect only when a write fails, so the heartbeat also ends the run of an idle stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.responses import formats
from assistant_stream_ce.responses.body import ResponseBody
from assistant_stream_ce.responses.headers import Headers, Heartbeat, check_status, header_list
from assistant_stream_ce.responses.nothing import Nothing, replace_none
from assistant_stream_ce.serialization import Encoder

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = (
    "AGUIResponse",
    "AssistantStreamResponse",
    "AssistantTransportResponse",
    "DataStreamResponse",
    "OpenAIStreamResponse",
    "PlainTextResponse",
    "UIMessageStreamResponse",
)


_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class AssistantStreamResponse:
    """Stream with any encoder: a WSGI application for one request.

    Args:
        stream: the stream to send, or an iterable of chunks; None where there is nothing to follow.
        encoder: the encoder of the format.
        heartbeat: True for 15 seconds, False for none, or seconds.
        event_ids: whether the last server-sent event of each chunk has a cursor as its `id:`, for `Last-Event-ID`;
            ignored in formats that are not server-sent events.
        status: a number, or a line such as `"200 OK"`.
        headers: extra headers; they replace those of the same name.
    """

    def __init__(
        self,
        stream: ChunkSource | None,
        encoder: Encoder,
        *,
        heartbeat: Heartbeat = True,
        event_ids: bool = False,
        status: int | str = 200,
        headers: Headers | None = None,
    ) -> None:
        check_status(status, allows_line=True)
        stream, encoder, status = replace_none(stream, encoder, status)
        self._encoder = encoder
        #: The status line.
        self.status: str = _status_line(status)
        #: The body, an iterable of bytes with `close()`, for a framework that sends it itself.
        self.body: ResponseBody = ResponseBody(stream, encoder, heartbeat, event_ids=event_ids)
        #: The headers, for a framework that sends them itself.
        self.headers: list[tuple[str, str]] = header_list(encoder, headers, stream)
        if not any(name.lower() == "content-encoding" for name, _ in self.headers):
            # Compressing middleware would buffer the stream; it skips one with an encoding.
            self.headers.append(("content-encoding", "identity"))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request (PEP 3333).

        Args:
            environ: the request.
            start_response: starts the response.
        """
        if isinstance(self._encoder, Nothing) and "HTTP_LAST_EVENT_ID" in environ:
            self._encoder.end_reconnecting()
            self.status = _status_line(self._encoder.status)
        start_response(self.status, self.headers)
        if environ.get("REQUEST_METHOD") == "HEAD":
            self.body.close()
            return ()
        return self.body


def _status_line(status: int | str) -> str:
    return status if isinstance(status, str) else f"{int(status)} {_PHRASES.get(status, 'Unknown')}"


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
