"""The chat back end with Django, as a project in one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chat import SECRET_KEY, log_in, respond, resumable_state, resume, stop, stored
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.exceptions import RequestDataTooBig
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from django.views.static import serve
from store import Thread, threads

from assistant_stream_ce.chat_requests import RequestError
from assistant_stream_ce.responses import django as responses

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=SECRET_KEY,
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        f"{__name__}.UserMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    CSRF_FAILURE_VIEW=f"{__name__}.refuse",
    DATA_UPLOAD_MAX_MEMORY_SIZE=20_000_000,
)


# The front ends show the body as the error, so it is a plain text.
def plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, "text/plain", status)


def refuse(request: HttpRequest, reason: str = "") -> HttpResponse:
    return plain("Please reload the page.", 403)


class UserMiddleware:
    """Refuses requests without a login, and answers wrong requests."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        needs_user = request.path.startswith("/api/threads")
        if needs_user and "user" not in request.session:
            return plain("Please log in.", 401)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, RequestError):
            return plain(str(error), error.status)
        return plain("The request is too large.", 413) if isinstance(error, RequestDataTooBig) else None


@csrf_exempt
def login(request: HttpRequest) -> HttpResponse:
    request.session["user"] = log_in(request.body)
    return show_session(request)


def show_session(request: HttpRequest) -> HttpResponse:
    user = request.session.get("user")
    return JsonResponse({"csrf": get_token(request) if user else None, "threads": threads(user)})


def chat(request: HttpRequest, thread: str, front_end: str) -> Any:
    found = Thread(request.session["user"], thread)
    if request.method == "POST":
        return respond(responses, front_end, found, request.body)
    return JsonResponse(stored(front_end, found))


def open_answer(request: HttpRequest, thread: str, front_end: str) -> Any:
    return resume(responses, front_end, Thread(request.session["user"], thread))


def state_of_open_answer(request: HttpRequest, thread: str, front_end: str) -> HttpResponse:
    state = resumable_state(Thread(request.session["user"], thread))
    return JsonResponse(state) if state else HttpResponse(status=204)


def stop_answer(request: HttpRequest, thread: str, front_end: str) -> HttpResponse:
    return JsonResponse({"stopped": stop(Thread(request.session["user"], thread))})


PAGE = {"document_root": Path(__file__).with_name("page")}
urlpatterns = [
    path("api/login", login),
    path("api/session", show_session),
    path("api/threads/<thread>/<front_end>", chat),
    path("api/threads/<thread>/<front_end>/stream", open_answer),
    path("api/threads/<thread>/<front_end>/state", state_of_open_answer),
    path("api/threads/<thread>/<front_end>/stop", require_POST(stop_answer)),
    path("", serve, {"path": "index.html", **PAGE}),
    path("<path:path>", serve, PAGE),
]
application = get_wsgi_application()
asgi_application = get_asgi_application()
