"""Responses for Django: one class that streams under WSGI and under ASGI, from `def` and `async def` views.

Django takes content that can be iterated both ways for synchronous, and collects synchronous content
whole under ASGI before it sends the first byte. So the response itself offers both ways, and the server's
handler takes its own. The connections that a blocking callback opens in its thread are closed with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

from assistant_stream_ce.background import iterate_in_thread, iterate_on_shared_loop
from assistant_stream_ce.channel import in_event_loop
from assistant_stream_ce.controller import ChunkSource
from assistant_stream_ce.errors import MissingExtraError
from assistant_stream_ce.responses.body import ResponseBody, choose_encoder, openai_encoder
from assistant_stream_ce.responses.headers import Headers, Heartbeat, header_list
from assistant_stream_ce.serialization import AssistantTransportEncoder, DataStreamEncoder, Encoder

try:
    from asgiref.sync import AsyncToSync, SyncToAsync
    from django.db import connections
    from django.http import StreamingHttpResponse
    from django.utils import timezone, translation
except ImportError as error:
    raise MissingExtraError(__name__, "django") from error

__all__ = ("AssistantStreamResponse", "AssistantTransportResponse", "DataStreamResponse", "OpenAIStreamResponse")


def _like_the_view() -> Callable[[], AbstractContextManager[None]]:
    """Return what surrounds a callback: the view's language and time zone, and the end of connections.

    Django keeps all three by thread, so a copied context does not bring them along; and a thread that ends cannot
    reuse the database connections that it has opened. A coroutine's are opened elsewhere, in asgiref's thread.
    """
    language, zone = translation.get_language(), timezone.get_current_timezone()

    @contextmanager
    def surround() -> Generator[None]:
        try:
            with translation.override(language), timezone.override(zone):
                yield
        finally:
            if not in_event_loop():
                connections.close_all()

    return surround


def _forget_executor() -> None:
    """Forget the thread that serves `sync_to_async` in an async view under WSGI: it ends with the view."""
    if hasattr(AsyncToSync.executors, "current"):
        del AsyncToSync.executors.current


class AssistantStreamResponse(StreamingHttpResponse):
    """Streams with any encoder.

    Args:
        stream: what to send.
        encoder: how to write it.
        heartbeat: True for 15 s, False for none, or seconds. Under WSGI it is also what notices a lost client.
        status: the status code.
        reason: the reason phrase, for an unusual status.
        headers: extra headers; they replace those of the same name.
        encoder_options: for the encoder of a subclass.
    """

    make_encoder: ClassVar[Callable[..., Encoder] | None] = None

    def __init__(
        self,
        stream: ChunkSource,
        encoder: Encoder | None = None,
        *,
        heartbeat: Heartbeat = True,
        status: int = 200,
        reason: str | None = None,
        headers: Headers | None = None,
        **encoder_options: Any,
    ) -> None:
        encoder = choose_encoder(encoder, self.make_encoder, encoder_options)
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
        if self._iterator is self._body or not self._wrapping_is_async:
            return iter(self._iterator)
        return iterate_on_shared_loop(self._iterator)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the content for an ASGI server."""
        if self._iterator is self._body or self._wrapping_is_async:
            return aiter(self._iterator)
        return iterate_in_thread(self._iterator)


def _is_under_asgi() -> bool:
    # Synchronous views and middleware run in a thread that asgiref has marked with the loop it serves.
    return in_event_loop() or getattr(SyncToAsync.threadlocal, "main_event_loop", None) is not None


class DataStreamResponse(AssistantStreamResponse):
    """Streams assistant-ui's data stream."""

    make_encoder = DataStreamEncoder


class AssistantTransportResponse(AssistantStreamResponse):
    """Streams the assistant transport."""

    make_encoder = AssistantTransportEncoder


class OpenAIStreamResponse(AssistantStreamResponse):
    """Streams OpenAI chat completion chunks; takes `model` and `include_usage`."""

    make_encoder = staticmethod(openai_encoder)
