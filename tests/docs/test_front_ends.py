"""Checks of docs/front-ends.rst. tests/frontends/test_front_end_pages.py runs its pages in a browser."""

import os
import tempfile
from pathlib import Path

from tests.docs.clients import at_page_end, post, write_files
from tests.docs.runner import Document

doc = Document("docs/front-ends.rst")
page = doc.page


@doc.before("# chat.py")
def check_page_is_in_the_folder() -> None:
    folder = at_page_end.enter_context(tempfile.TemporaryDirectory())
    at_page_end.callback(os.chdir, os.getcwd())
    os.chdir(folder)
    write_files("docs/front-ends.rst", Path(folder))


@doc.after("def ag_ui(")
def check_each_route() -> None:
    texts = "Let me look. ", "It is 21 degrees."
    for path, body in {
        "/use-chat": {"messages": []},
        "/data-stream": {"messages": [], "state": {"days": 1}},
        "/ag-ui": {"messages": [], "threadId": "t", "runId": "r", "state": None},
    }.items():
        reply = post(page.app, path, body)
        assert reply.status == 200
        assert all(text in reply.text for text in texts), reply.text
    assert '"value":{"days":1}' in post(page.app, "/data-stream", {"messages": [], "state": {"days": 1}}).text
    question = {"type": "add-message", "message": {"role": "user", "parts": [{"type": "text", "text": "Paris?"}]}}
    reply = post(page.app, "/assistant-transport", {"commands": [question], "state": {"messages": []}})
    assert reply.status == 200
    assert "Paris?" in reply.text
    assert "21 degrees" in reply.text


test_front_ends = doc.test()
