"""Checks of docs/requests.rst."""

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


test_requests = doc.test()
