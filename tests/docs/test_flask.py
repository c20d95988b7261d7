"""Checks of docs/flask.rst."""

import contextlib
import time

import pytest

from assistant_stream_ce import create_run
from tests.docs.clients import post
from tests.docs.runner import Document

doc = Document("docs/flask.rst")
page = doc.page


def last_in_log(wanted):
    # The server's thread does not wait for the callback's.
    give_up_at = time.monotonic() + 10
    while page.log[-1:] != [wanted] and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return page.log[-1:] == [wanted]


@doc.after("def close_database(")
def check_request_and_session_are_usable() -> None:
    reply = post(page.app, "/remember")
    assert reply.text == '0:"Visit 1 of /remember"\n'
    assert "session=" in reply.headers["set-cookie"]
    assert page.log == ["closed the callback's connection"]


@doc.after("def async_chat(")
def check_async_callback() -> None:
    assert post(page.app, "/async", {"prompt": "Hi"}).text == '0:"Hi"\n'


@doc.after("def transport(")
def check_response_options() -> None:
    reply = post(page.app, "/transport")
    assert (reply.status, reply.text, reply.headers["x-run"]) == (201, '0:"Hi"\n', "7")
    assert page.log[-1] == "response closed"

    with (
        page.app.test_request_context(),
        contextlib.closing(page.transport()) as response,
        pytest.raises(RuntimeError, match="direct passthrough"),
    ):
        response.get_data()


@doc.after("def long(")
def check_disconnect_cancels() -> None:
    assert post(page.app, "/long", leave_after=1).text == '0:"One moment. "\n'
    assert last_in_log("cancelled")


@doc.after("def long(")
def check_heartbeat_detects_the_disconnect() -> None:
    @page.app.post("/silent")
    def silent():
        return page.DataStreamResponse(
            create_run(
                lambda controller: controller.cancelled_event.wait_sync(), on_finish=lambda r: page.log.append(r.reason)
            ),
            heartbeat=0.05,
        )

    page.log.clear()
    assert post(page.app, "/silent", leave_after=1).text == "2:[]\n"
    assert last_in_log("cancelled")
    assert page.log == ["cancelled"]


@doc.after("def test_chat(")
def check_example_tests_pass() -> None:
    page.test_chat()
    page.test_it_streams()


test_flask = doc.test()
