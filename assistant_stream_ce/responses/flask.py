"""Responses for Flask. The callback has the request's context: `request`, `session`, `g`, `current_app`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext, suppress

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.errors import MissingExtraError
from assistant_stream_ce.responses import formats
from assistant_stream_ce.responses.body import ResponseBody, close_created
from assistant_stream_ce.responses.headers import Headers, Heartbeat, check_status, header_list
from assistant_stream_ce.responses.nothing import Nothing, replace_none
from assistant_stream_ce.serialization import Encoder

try:
    import flask
    from flask.ctx import RequestContext
    from flask.globals import request_ctx
except ImportError as _error:
    raise MissingExtraError(__name__, "flask") from _error

__all__ = (
    "AGUIResponse",
    "AssistantStreamResponse",
    "AssistantTransportResponse",
    "DataStreamResponse",
    "OpenAIStreamResponse",
    "PlainTextResponse",
    "UIMessageStreamResponse",
)


class _CallbackContexts:
    """Contexts around a callback: its own, with the request, the session and the data of the view's.

    The view's contexts are torn down before the body is read, which closes what the view has opened. The callback's are
    torn down when it ends: `teardown_request` and `teardown_appcontext` functions close what it has opened.
    """

    def __init__(self) -> None:
        self._app = flask.current_app._get_current_object()  # type: ignore[attr-defined]
        self._data = flask.g._get_current_object()
        self._context: RequestContext | None = None
        if flask.has_request_context():
            self._context = request_ctx._get_current_object()  # type: ignore[attr-defined]
            # The end of the view's context would close the uploaded files.
            flask.request.close = _do_nothing  # type: ignore[method-assign]
            # uWSGI clears the environment at the end of the request, before the last hooks.
            self._context.request.environ = dict(self._context.request.environ)
        # Guards the number of hooks and callbacks that are inside.
        self._lock = new_lock()
        self._users = 0

    @contextmanager
    def __call__(self) -> Generator[None]:
        self._count(1)
        try:
            with self._app.app_context(), nullcontext() if self._context is None else self._context.copy():
                for name in self._data:
                    value = self._data.get(name)
                    # What can be closed, such as a database connection, was closed with the view's context.
                    if not hasattr(value, "close"):
                        setattr(flask.g, name, value)
                yield
        finally:
            if not self._count(-1) and self._context is not None:
                request = self._context.request
                type(request).close(request)

    def _count(self, change: int) -> int:
        with self._lock:
            self._users += change
            return self._users


def _do_nothing() -> None:
    """Close nothing."""


class _Body(ResponseBody):
    """A body that calls the functions of `call_on_close`, which Werkzeug does not in direct passthrough.

    Overriding a method of the response would not do: Flask replaces its class by the application's own.
    """

    on_close: list[Callable[[], object]]

    def close(self) -> None:
        super().close()
        with suppress(IndexError):
            while True:
                self.on_close.pop(0)()


flask.got_request_exception.connect(close_created)


class AssistantStreamResponse(flask.Response):
    """Stream with any encoder. Create it in the view; `after_request` hooks cannot read the body.

    Args:
        stream: the stream to send, or an iterable of chunks; None where there is nothing to follow.
        encoder: the encoder of the format.
        heartbeat: True for 15 seconds, False for none, or seconds. Under WSGI only a heartbeat detects a disconnect
            while the stream is idle.
        event_ids: whether the last server-sent event of each chunk has a cursor as its `id:`, for `Last-Event-ID`;
            ignored in formats that are not server-sent events.
        status: a number or a status line.
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
        if isinstance(encoder, Nothing) and flask.has_request_context() and "Last-Event-ID" in flask.request.headers:
            encoder.end_reconnecting()
            status = encoder.status
        surrounding = _CallbackContexts() if flask.has_app_context() else None
        body = _Body(stream, encoder, heartbeat, surrounding, event_ids=event_ids)
        # In direct passthrough a hook that reads the data gets an error, instead of draining the stream.
        super().__init__(body, status, header_list(encoder, headers, stream), direct_passthrough=True)
        # Compressing hooks, such as Flask-Compress, would buffer the stream; they skip a response with an encoding.
        self.headers.setdefault("content-encoding", "identity")
        body.on_close = self._on_close


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
