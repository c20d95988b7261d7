"""`None` in place of a stream, in every format and framework."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import django_settings  # noqa: F401 - configures Django

Answer = tuple[int, bytes]

NOTHING: dict[str, Answer] = {
    "DataStream": (200, b""),
    "AssistantTransport": (200, b"data: [DONE]\n\n"),
    "OpenAIStream": (204, b""),
    "UIMessageStream": (204, b""),
    "AGUI": (200, b""),
    "PlainText": (204, b""),
}


def ask_starlette(make: Callable[[], Any], headers: dict[str, str]) -> Answer:
    from starlette.applications import Starlette
    from starlette.routing import Route
    from starlette.testclient import TestClient

    response = TestClient(Starlette(routes=[Route("/", lambda request: make())])).get("/", headers=headers)
    return response.status_code, response.content


def ask_flask(make: Callable[[], Any], headers: dict[str, str]) -> Answer:
    import flask

    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=make)
    with app.test_client() as client:
        response = client.get("/", headers=headers)
        return response.status_code, response.data


def ask_django(make: Callable[[], Any], headers: dict[str, str]) -> Answer:
    from django.core.handlers.base import BaseHandler
    from django.test import RequestFactory, override_settings
    from django.urls import path

    urls = type("Urls", (), {"urlpatterns": [path("", lambda request: make())]})
    with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[]):
        handler = BaseHandler()
        handler.load_middleware()
        response = handler.get_response(RequestFactory().get("/", headers=headers))
        answer = response.status_code, b"".join(response)
        response.close()
        return answer


def ask_wsgi(make: Callable[[], Any], headers: dict[str, str]) -> Answer:
    from werkzeug.test import Client

    response = Client(lambda environ, start_response: make()(environ, start_response)).get("/", headers=headers)
    return response.status_code, response.data


ASK = {"starlette": ask_starlette, "flask": ask_flask, "django": ask_django, "wsgi": ask_wsgi}


@pytest.mark.parametrize("framework", ASK)
@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("reconnects", [False, True])
def test_it_is_answered_as_the_clients_of_the_format_expect(framework: str, name: str, reconnects: bool) -> None:
    kind = getattr(importlib.import_module(f"assistant_stream_ce.responses.{framework}"), f"{name}Response")
    headers = {"last-event-id": "1.3"} if reconnects else {}
    assert ASK[framework](lambda: kind(None), headers) == ((204, b"") if reconnects else NOTHING[name])
