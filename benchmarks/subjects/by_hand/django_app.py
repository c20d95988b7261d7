"""Django, under WSGI and ASGI: a thread and a queue."""

from __future__ import annotations

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

from benchmarks.subjects.by_hand.bodies import body
from benchmarks.subjects.by_hand.starlette_app import body as body_async
from benchmarks.subjects.work import parse


def answer(request: HttpRequest, where: str) -> StreamingHttpResponse:
    """Answer what the path asks for."""
    return StreamingHttpResponse(body(parse(where)))


async def answer_async(request: HttpRequest, where: str) -> StreamingHttpResponse:
    """Answer what the path asks for, from an async view."""
    return StreamingHttpResponse(body_async(parse(where)))


settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
urlpatterns = [path("async/<path:where>", answer_async), path("<path:where>", answer)]
wsgi, asgi = get_wsgi_application(), get_asgi_application()
