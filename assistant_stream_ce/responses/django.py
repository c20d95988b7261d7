"""Responses for Django: one class that streams under WSGI and under ASGI, from `def` and `async def` views.

Django treats content that is iterable both ways as synchronous, and buffers synchronous content under ASGI before it
sends the first byte. Therefore the response itself is iterable both ways, and the server's handler uses its own.
Database connections that a callback opens are closed when it ends.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Any

from assistant_stream_ce.concurrency.gevent import NativeExecutor, is_gevent
from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.errors import MissingExtraError, shorten
from assistant_stream_ce.responses import formats
from assistant_stream_ce.responses.body import ResponseBody, close_created
from assistant_stream_ce.responses.bridges import iterate_in_thread, iterate_on_shared_loop
from assistant_stream_ce.responses.headers import Headers, Heartbeat, check_status, header_list
from assistant_stream_ce.responses.nothing import Nothing, replace_none
from assistant_stream_ce.serialization import Encoder

try:
    from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext, sync_to_async
    from django.core.exceptions import ImproperlyConfigured
    from django.core.signals import got_request_exception
    from django.db import connections
    from django.http import HttpRequest, StreamingHttpResponse
except ImportError as _error:
    raise MissingExtraError(__name__, "django") from _error

__all__ = (
    "AGUIResponse",
    "AssistantStreamResponse",
    "AssistantTransportResponse",
    "DataStreamResponse",
    "OpenAIStreamResponse",
    "PlainTextResponse",
    "UIMessageStreamResponse",
)


def _callback_contexts() -> AbstractContextManager[None] | AbstractAsyncContextManager[None]:
    """Return the context manager around a callback, in its own thread or task."""
    return _around_coroutine() if in_event_loop() else _around_function()


@contextmanager
def _around_function() -> Generator[None]:
    _claim_locals()
    try:
        yield
    finally:
        # All of them, not only old ones: no later request can reuse the connections of a thread that ends.
        connections.close_all()


@asynccontextmanager
async def _around_coroutine() -> AsyncGenerator[None]:
    _claim_locals()
    # A new thread for the ORM. Under WSGI all coroutines would share one. Under ASGI it would be the request's, which
    # may end earlier, and whose connections Django keeps open after the thread's end (CONN_MAX_AGE).
    async with ThreadSensitiveContext() as thread:
        if is_gevent():
            SyncToAsync.context_to_thread_executor[thread] = NativeExecutor(1)
        try:
            yield
        finally:
            await sync_to_async(connections.close_all)()


@functools.cache
def _import_backends() -> None:
    """Import the modules of the databases, which Django does at the first query; opens no connection."""
    # A database whose driver is missing is reported by the first query.
    with suppress(ImproperlyConfigured):
        for connection in connections.all():
            connection.ops.compiler("SQLCompiler")


def _claim_locals() -> None:
    """Make the view's values of asgiref's `Local` visible in this thread: language, time zone, URL prefix, URLconf.

    They travel in the context, but since 3.12 asgiref tags them with their thread, and moves them itself only between
    `sync_to_async` and `async_to_sync`.
    """
    thread_id = threading.get_ident()
    for variable, value in contextvars.copy_context().items():
        if type(value).__module__ == "asgiref.local" and value.thread_id != thread_id:
            variable.set(type(value)(thread_id, value.data))


def _forget_executor() -> None:
    """Forget the thread that serves `sync_to_async` in an async view under WSGI: it ends with the view."""
    if hasattr(AsyncToSync.executors, "current"):
        del AsyncToSync.executors.current


def _is_under_asgi() -> bool:
    # asgiref marks the threads of synchronous views and middleware with the loop that they serve.
    loop = getattr(SyncToAsync.threadlocal, "main_event_loop", None)
    return in_event_loop() or (loop is not None and loop.is_running())


got_request_exception.connect(close_created)


class AssistantStreamResponse(StreamingHttpResponse):
    """Stream with any encoder, under WSGI and ASGI. Create it in the view, `def` or `async def`.

    Args:
        stream: the stream to send, or an iterable of chunks; None where there is nothing to follow.
        encoder: the encoder of the format.
        heartbeat: True for 15 seconds, False for none, or seconds. Under WSGI only a heartbeat detects a disconnect
            while the stream is idle.
        event_ids: whether the last server-sent event of each chunk has a cursor as its `id:`, for `Last-Event-ID`;
            ignored in formats that are not server-sent events.
        status: the status code.
        reason: the reason phrase, for an unusual status.
        headers: extra headers; they replace those of the same name.
    """

    def __init__(
        self,
        stream: ChunkSource | None,
        encoder: Encoder,
        *,
        heartbeat: Heartbeat = True,
        event_ids: bool = False,
        status: int = 200,
        reason: str | None = None,
        headers: Headers | None = None,
    ) -> None:
        check_status(status)
        if reason is not None and (not isinstance(reason, str) or not reason.isprintable()):
            raise TypeError(f"reason must be a printable str, not {shorten(repr(reason))}")
        stream, encoder, status = replace_none(stream, encoder, status)
        if is_gevent():
            # The locks of imports are gevent's, which lose wake-ups when several native threads, here those of the
            # ORM in coroutines, and greenlets import the same module at once.
            _import_backends()
        self._encoder = encoder
        self._body = ResponseBody(stream, encoder, heartbeat, _callback_contexts, event_ids=event_ids)
        self._body.context.run(_forget_executor)
        super().__init__(self._body, status=status, reason=reason, headers=dict(header_list(encoder, headers, stream)))

    # Middleware reads `is_async`, and replaces `streaming_content` to wrap it.

    @property
    def is_async(self) -> bool:
        """Whether the content is asynchronous: that of a wrapper, or else the kind that the server will read."""
        return _is_under_asgi() if self._iterator is self._body else self._wrapping_is_async

    @is_async.setter
    def is_async(self, value: bool) -> None:
        self._wrapping_is_async = value

    @property
    def streaming_content(self) -> Any:
        """The content, for middleware."""
        return self._iterator

    @streaming_content.setter
    def streaming_content(self, value: Any) -> None:
        self._set_streaming_content(value)

    def __iter__(self) -> Iterator[bytes]:
        """Return the content for a WSGI server."""
        if self._is_for_head():
            return iter(())
        if self._iterator is self._body or not self._wrapping_is_async:
            return iter(self._iterator)
        return iterate_on_shared_loop(self._iterator)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the content for an ASGI server."""
        if self._is_for_head():
            return iterate_in_thread(())
        if self._iterator is self._body or self._wrapping_is_async:
            return aiter(self._iterator)
        return iterate_in_thread(self._iterator)

    def _is_for_head(self) -> bool:
        """Return whether the request is a HEAD, and cancel the run then. Servers read the body and discard it."""
        is_head = any(request.method == "HEAD" for request in self._requests())
        if is_head:
            self._body.close()
        return is_head

    def _requests(self) -> Iterator[HttpRequest]:
        # The response holds the request only by its `close` method, which it has to call.
        for closer in getattr(self, "_resource_closers", ()):
            owner = getattr(closer, "__self__", None)
            if isinstance(owner, HttpRequest):
                yield owner

    @property
    def status_code(self) -> int:
        """The status code, which depends on the request where there is nothing to follow."""
        if isinstance(self._encoder, Nothing) and any("Last-Event-ID" in found.headers for found in self._requests()):
            self._encoder.end_reconnecting()
            self._status_code = self._encoder.status
        return self._status_code

    @status_code.setter
    def status_code(self, value: int) -> None:
        self._status_code = value


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
