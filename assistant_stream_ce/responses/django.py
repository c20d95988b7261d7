"""Responses for Django: one class that streams under WSGI and under ASGI, from `def` and `async def` views.

Django takes content that can be iterated both ways for synchronous, and collects synchronous content
whole under ASGI before it sends the first byte. So the response itself offers both ways, and the server's
handler takes its own. The database connections that a callback opens are closed when it ends.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from assistant_stream_ce.concurrency.gevent import NativeExecutor, is_gevent
from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.controller.run_controller import ChunkSource
from assistant_stream_ce.errors import MissingExtraError
from assistant_stream_ce.responses import formats
from assistant_stream_ce.responses.body import ResponseBody
from assistant_stream_ce.responses.bridges import iterate_in_thread, iterate_on_shared_loop
from assistant_stream_ce.responses.headers import Headers, Heartbeat, header_list
from assistant_stream_ce.run.drivers import ContextFactory
from assistant_stream_ce.serialization import Encoder

try:
    from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext, sync_to_async
    from django.db import connections
    from django.http import HttpRequest, StreamingHttpResponse
    from django.utils import timezone, translation
except ImportError as error:
    raise MissingExtraError(__name__, "django") from error

__all__ = (
    "AGUIResponse",
    "AssistantStreamResponse",
    "AssistantTransportResponse",
    "DataStreamResponse",
    "OpenAIStreamResponse",
    "PlainTextResponse",
    "UIMessageStreamResponse",
)


def _like_the_view() -> ContextFactory:
    """Return what surrounds a callback: the view's language and time zone, and the end of its connections.

    Django keeps all three by thread, so a copied context does not bring them along; and a thread that ends cannot
    reuse the database connections that it has opened.
    """
    language, zone = translation.get_language(), timezone.get_current_timezone()

    @contextmanager
    def surround() -> Generator[None]:
        try:
            with translation.override(language), timezone.override(zone):
                yield
        finally:
            connections.close_all()

    @asynccontextmanager
    async def surround_coroutine() -> AsyncGenerator[None]:
        with translation.override(language), timezone.override(zone):
            # Under WSGI all coroutines would share one thread for the ORM. Under ASGI this one would use its request's,
            # which may end earlier, and whose connections Django keeps open (CONN_MAX_AGE) when their thread has gone.
            async with ThreadSensitiveContext() as thread:
                if is_gevent():
                    SyncToAsync.context_to_thread_executor[thread] = NativeExecutor(1)
                try:
                    yield
                finally:
                    await sync_to_async(connections.close_all)()

    return lambda: surround_coroutine() if in_event_loop() else surround()


def _forget_executor() -> None:
    """Forget the thread that serves `sync_to_async` in an async view under WSGI: it ends with the view."""
    if hasattr(AsyncToSync.executors, "current"):
        del AsyncToSync.executors.current


class AssistantStreamResponse(StreamingHttpResponse):
    """Stream with any encoder, under WSGI and ASGI. Create it in the view, `def` or `async def`.

    Args:
        stream: what to send: a stream, or an iterable of chunks.
        encoder: writes the chunks.
        heartbeat: True for 15 seconds, False for none, or seconds. Under WSGI only a heartbeat detects a disconnect
            while the stream is idle.
        status: the status code.
        reason: the reason phrase, for an unusual status.
        headers: extra headers; they replace those of the same name.
    """

    def __init__(
        self,
        stream: ChunkSource,
        encoder: Encoder,
        *,
        heartbeat: Heartbeat = True,
        status: int = 200,
        reason: str | None = None,
        headers: Headers | None = None,
    ) -> None:
        self._body = ResponseBody(stream, encoder, heartbeat, _like_the_view())
        self._body.context.run(_forget_executor)
        super().__init__(self._body, status=status, reason=reason, headers=dict(header_list(encoder, headers)))

    # `is_async` and `streaming_content` are what middleware looks at, and what it replaces to wrap the content.

    @property
    def is_async(self) -> bool:
        """Whether the content is to be read with `async for`: what wraps it now, or else what will read it."""
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
        """Return whether nobody wants the body, and cancel the run then. Servers read it all and throw it away."""
        # The handler has the response close its request: the one way from here to what was asked.
        owners = (getattr(closer, "__self__", None) for closer in self._resource_closers)
        is_head = any(isinstance(owner, HttpRequest) and owner.method == "HEAD" for owner in owners)
        if is_head:
            self._body.close()
        return is_head


def _is_under_asgi() -> bool:
    # Synchronous views and middleware run in a thread that asgiref has marked with the loop it serves.
    return in_event_loop() or getattr(SyncToAsync.threadlocal, "main_event_loop", None) is not None


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
