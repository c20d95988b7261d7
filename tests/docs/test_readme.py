"""Checks of README.md."""

import os
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from assistant_stream_ce.responses import django, flask, starlette
from tests.docs.clients import Reply, at_page_end, post
from tests.docs.providers import LOOK, REPORT, chat, provide
from tests.docs.runner import Document

doc = Document("README.md")
page = doc.page


@doc.before("# chat.py")
def check_provider_is_local() -> None:
    page.provider = provide(chat, OPENAI_API_KEY="none", OPENAI_BASE_URL="{url}/v1")
    folder = at_page_end.enter_context(tempfile.TemporaryDirectory())
    at_page_end.callback(os.chdir, os.getcwd())
    os.chdir(folder)
    Path("static").mkdir()


def question(thread: str) -> dict[str, Any]:
    """Return what the page posts; the model will answer with the help of its tool."""
    page.provider.bodies = [chat(LOOK), chat(REPORT)]
    page.provider.requests.clear()
    message = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "How is the weather?"}]}
    return {"id": thread, "messages": [message], "trigger": "submit-message"}


def check_answer(reply: Reply) -> None:
    assert "sunny in Paris" in reply.text
    assert "It is " in reply.text
    assert page.provider.requests[1]["messages"][-1]["content"] == "sunny in Paris"


@doc.after("# flask_chat.py")
def check_flask_answers() -> None:
    page.flask_app = page.app
    check_answer(post(page.app, "/api/chat", question("t1")))


@doc.after("# fastapi_chat.py")
def check_fastapi_answers() -> None:
    page.fastapi_app = page.app
    check_answer(post(page.app, "/api/chat", question("t1")))


@doc.after("# django_chat.py")
def check_django_answers() -> None:
    check_answer(post(page.application, "/api/chat", question("t1")))


def change(app: Any, responses: ModuleType) -> None:
    """Let the next block change an application whose names a later one has overwritten."""
    page.app, page.UIMessageStreamResponse = app, responses.UIMessageStreamResponse


def check_answer_is_found_again(app: Any, thread: str) -> None:
    reply = post(app, "/api/chat", question(thread))
    check_answer(reply)
    assert post(app, f"/api/chat/{thread}/stream", method="GET").text == reply.text
    assert post(app, "/api/chat/other/stream", method="GET").status == 204
    assert "false" in post(app, f"/api/chat/{thread}/stop").text


@doc.before('"/api/chat/<thread>/stream")')
def check_flask_takes_routes() -> None:
    change(page.flask_app, flask)
    page.flask_app._got_first_request = False


@doc.after('"/api/chat/<thread>/stream")')
def check_flask_finds_the_answer_again() -> None:
    check_answer_is_found_again(page.flask_app, "flask")


@doc.before('"/api/chat/{thread}/stream")')
def check_fastapi_takes_routes() -> None:
    change(page.fastapi_app, starlette)


@doc.after('"/api/chat/{thread}/stream")')
def check_fastapi_finds_the_answer_again() -> None:
    check_answer_is_found_again(page.fastapi_app, "fastapi")


@doc.before("urlpatterns += [")
def check_django_takes_routes() -> None:
    change(page.application, django)


@doc.after("urlpatterns += [")
def check_django_finds_the_answer_again() -> None:
    from django.urls import clear_url_caches

    clear_url_caches()
    check_answer_is_found_again(page.application, "django")
    page.client.close()
    page.streams.close()


@doc.before("# django_app.py")
def check_django_can_be_configured_again() -> None:
    from django.conf import settings
    from django.urls import clear_url_caches
    from django.utils.functional import empty

    settings._wrapped = empty
    clear_url_caches()


@doc.after("# fastapi_app.py")
def check_fastapi_sends_a_frame_per_word() -> None:
    reply = post(page.app, "/chat", {"prompt": "Hello there"})
    assert reply.pieces == [b'0:"Hello "\n', b'0:"there "\n']
    assert reply.headers["x-vercel-ai-data-stream"] == "v1"


@doc.after("# flask_app.py")
def check_flask_sends_a_frame_per_word() -> None:
    assert post(page.app, "/chat", {"prompt": "Hello there"}).pieces == [b'0:"Hello "\n', b'0:"there "\n']


@doc.after("# django_app.py")
def check_django_sends_a_frame_per_word() -> None:
    for django_app in (page.application, page.asgi_application):
        assert post(django_app, "/chat", {"prompt": "Hello there"}).pieces == [b'0:"Hello "\n', b'0:"there "\n']


test_readme = doc.test()
