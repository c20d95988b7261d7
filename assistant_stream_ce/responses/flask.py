"""Responses for Flask. The callback has the request's context: `request`, `session`, `g`, `current_app`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from assistant_stream_ce.controller.run_controller import ChunkSource
from assistant_stream_ce.errors import MissingExtraError
from assistant_stream_ce.responses import formats
from assistant_stream_ce.responses.body import ResponseBody
from assistant_stream_ce.responses.headers import Headers, Heartbeat, header_list
from assistant_stream_ce.serialization import Encoder

try:
    import flask
    from werkzeug.wsgi import ClosingIterator
except ImportError as error:
    raise MissingExtraError(__name__, "flask") from error

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = (
    "AGUIResponse",
    "AssistantStreamResponse",
    "AssistantTransportResponse",
    "DataStreamResponse",
    "OpenAIStreamResponse",
    "PlainTextResponse",
    "UIMessageStreamResponse",
)


def _tearing_down() -> Callable[[], AbstractContextManager[None]]:
    """Return what surrounds a callback: its own end of the app context, where extensions clean up after it.

    The view's app context was torn down before the body was read. The callback goes on using that context, so what
    it opens there (a database session, for example) needs the same functions again.
    """
    app = flask.current_app._get_current_object() if flask.has_app_context() else None  # type: ignore[attr-defined]

    @contextmanager
    def surround() -> Generator[None]:
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            if app is not None:
                app.do_teardown_appcontext(error)
            # Its traceback holds this frame.
            del error

    return surround


class AssistantStreamResponse(flask.Response):
    """Stream with any encoder. Create it in the view; `after_request` hooks cannot read the body.

    Args:
        stream: what to send: a stream, or an iterable of chunks.
        encoder: writes the chunks.
        heartbeat: True for 15 seconds, False for none, or seconds. Under WSGI only a heartbeat detects a disconnect
            while the stream is idle.
        status: a number or a status line.
        headers: extra headers; they replace those of the same name.
    """

    def __init__(
        self,
        stream: ChunkSource,
        encoder: Encoder,
        *,
        heartbeat: Heartbeat = True,
        status: int | str = 200,
        headers: Headers | None = None,
    ) -> None:
        body = ResponseBody(stream, encoder, heartbeat, _tearing_down())
        # In direct passthrough a hook that asks for the data gets an error, instead of draining the stream.
        super().__init__(body, status, header_list(encoder, headers), direct_passthrough=True)

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """Return the body for the server. In direct passthrough Werkzeug would forget `call_on_close`."""
        body = super().get_app_iter(environ)
        return ClosingIterator(body, self.close) if body is self.response else body


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
