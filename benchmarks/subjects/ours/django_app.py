"""Django, under WSGI and ASGI."""

from __future__ import annotations

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest
from django.urls import path

from assistant_stream_ce.responses.django import DataStreamResponse
from benchmarks.subjects.ours.callbacks import stream
from benchmarks.subjects.work import parse


def answer(request: HttpRequest, where: str) -> DataStreamResponse:
    """Answer what the path asks for."""
    return DataStreamResponse(stream(parse(where)))


async def answer_async(request: HttpRequest, where: str) -> DataStreamResponse:
    """Answer what the path asks for, from an async view."""
    return DataStreamResponse(stream(parse(where)))


settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
urlpatterns = [path("async/<path:where>", answer_async), path("<path:where>", answer)]
wsgi, asgi = get_wsgi_application(), get_asgi_application()
