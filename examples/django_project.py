"""A Django project in one file, with a blocking callback: the same view under WSGI and under ASGI.

python -m examples.django_project
gunicorn --threads 8 examples.django_project:application
uvicorn examples.django_project:asgi_application
curl -N http://127.0.0.1:8000/api/chat --json '{"prompt": "What is the weather in Lisbon?"}'
"""

from __future__ import annotations

import json
from functools import partial

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest
from django.urls import path
from django.views.decorators.http import require_POST

from assistant_stream_ce import AssistantStream, create_run, mask_errors
from assistant_stream_ce.responses.django import (
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
)
from examples.assistant import answer
from examples.command_line import chosen_port
from examples.request_body import prompt_of

settings.configure(ALLOWED_HOSTS=["127.0.0.1", "localhost"], ROOT_URLCONF=__name__)


def reply(request: HttpRequest) -> AssistantStream:
    """Return the stream; the run starts when the server reads it."""
    body = json.loads(request.body)
    return create_run(partial(answer, prompt=prompt_of(body)), state=body.get("state"), on_error=mask_errors)


@require_POST
def chat(request: HttpRequest) -> DataStreamResponse:
    """Serve assistant-ui's data stream runtime and AI SDK 4."""
    return DataStreamResponse(reply(request))


@require_POST
def assistant(request: HttpRequest) -> AssistantTransportResponse:
    """Serve assistant-ui's assistant transport runtime."""
    return AssistantTransportResponse(reply(request))


@require_POST
def completions(request: HttpRequest) -> OpenAIStreamResponse:
    """Serve clients of OpenAI's chat API."""
    return OpenAIStreamResponse(reply(request))


urlpatterns = [
    path("api/chat", chat),
    path("api/assistant", assistant),
    path("v1/chat/completions", completions),
]

application = get_wsgi_application()
asgi_application = get_asgi_application()

if __name__ == "__main__":
    execute_from_command_line(["django", "runserver", "--noreload", f"127.0.0.1:{chosen_port()}"])
