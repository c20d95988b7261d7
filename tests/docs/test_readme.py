"""Checks of README.md."""

import os
import tempfile

from flask import Flask

from tests.docs.clients import Reply, at_page_end, post
from tests.docs.providers import LOOK, REPORT, chat, provide
from tests.docs.runner import Document

doc = Document("README.md")
page = doc.page


@doc.before("# chat.py")
def check_provider_is_local() -> None:
    page.provider = provide(chat, LOOK, REPORT, OPENAI_API_KEY="none", OPENAI_BASE_URL="{url}/v1")


def ask() -> Reply:
    question = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "How is the weather?"}]}
    return post(page.app, "/api/chat", {"id": "t1", "messages": [question], "trigger": "submit-message"})


@doc.after("# chat.py")
def check_model_and_tool_answer() -> None:
    reply = ask()
    assert "sunny in Paris" in reply.text
    assert "It is " in reply.text
    assert page.provider.requests[1]["messages"][-1]["content"] == "sunny in Paris"


@doc.before("streams.follow(")
def check_routes_can_be_replaced() -> None:
    folder = at_page_end.enter_context(tempfile.TemporaryDirectory())
    at_page_end.callback(os.chdir, os.getcwd())
    os.chdir(folder)
    page.app = Flask("chat")
    page.provider.bodies += [chat(LOOK), chat(REPORT)]


@doc.after("streams.follow(")
def check_answer_is_found_again() -> None:
    reply = ask()
    page.client.close()
    assert "sunny in Paris" in reply.text
    assert post(page.app, "/api/chat/t1/stream", method="GET").text == reply.text
    assert post(page.app, "/api/chat/t2/stream", method="GET").status == 204
    assert "false" in post(page.app, "/api/chat/t1/stop").text
    page.streams.close()


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
