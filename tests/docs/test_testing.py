"""Checks of docs/testing.rst."""

import asyncio

import pytest

from assistant_stream_ce.serialization.formats import FORMATS
from assistant_stream_ce.testing import SlowReader, check_wire, collect
from tests.docs.clients import post
from tests.docs.runner import Document

doc = Document("docs/testing.rst")
page = doc.page


@doc.after("def test_the_answer_is_shown_and_counted(")
def check_tests_of_a_callback() -> None:
    page.test_the_answer_is_shown_and_counted()
    page.test_what_was_said_before_the_model_failed_is_kept()


@doc.after("def test_in_a_coroutine(")
def check_test_in_a_coroutine() -> None:
    asyncio.run(page.test_in_a_coroutine())


@doc.after("def test_the_view(")
def check_test_of_a_view() -> None:
    page.test_the_view()
    assert list(FORMATS) == ["data-stream", "assistant-transport", "openai", "ui-message-stream", "ag-ui", "plain-text"]
    failed = b'0:"It is "\n3:"overloaded"\n'
    assert collect(check_wire(failed, "data-stream")).message.error.message == "overloaded"
    assert post(page.app, "/chat", {"prompt": "Oslo?"}).text.startswith('0:"It is raining."\n')


@doc.after("# fastapi_chat.py")
def check_test_of_a_route() -> None:
    page.test_the_route()
    assert post(page.app, "/chat", {"prompt": "Oslo?"}).text.endswith("data: [DONE]\n\n")


@doc.after("def test_the_callback_shows_the_tool_call(")
def check_test_with_a_scripted_model() -> None:
    page.test_the_callback_shows_the_tool_call()


@doc.after("def relay(")
def check_test_of_a_disconnect() -> None:
    page.test_a_blocked_read_ends_when_the_client_leaves()


@doc.after("def count(")
def check_test_of_a_slow_client() -> None:
    asyncio.run(page.test_the_callback_waits_for_a_slow_client())


@doc.after("def count(")
def check_missing_drain_is_found() -> None:
    async def careless(controller):
        for number in range(1000):
            controller.append_text(f"{number} ")

    with SlowReader(careless, max_pending=8) as reader:
        next(reader)
        with pytest.raises(AssertionError, match="the callback ended without waiting for its reader: 999 chunks wait"):
            reader.wait_until_held()


test_testing = doc.test()
