"""Checks of docs/requests.rst."""

import json

from tests.docs.clients import post
from tests.docs.runner import Document

doc = Document("docs/requests.rst")
page = doc.page


@doc.after("# chat.py")
def check_request_is_parsed_and_rejected() -> None:
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    body = {"id": "t1", "messages": [message], "trigger": "submit-message"}
    assert '"delta":"You said: Hi"' in post(page.app, "/chat", body).text
    reply = post(page.app, "/chat", ["no object"])
    assert reply.status == 400
    assert "error" in reply.text


@doc.after("# endpoint.py")
def check_openai_clients_are_answered() -> None:
    question = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    whole = post(page.app, "/v1/chat/completions", question)
    assert json.loads(whole.text)["choices"][0]["message"]["content"] == "You said: Hi"
    streamed = post(page.app, "/v1/chat/completions", {**question, "stream": True})
    assert '"content":"You said: Hi"' in streamed.text
    refused = post(page.app, "/v1/chat/completions", {"model": "m"})
    assert refused.status == 400
    assert json.loads(refused.text)["error"]["type"] == "invalid_request_error"


test_requests = doc.test()
