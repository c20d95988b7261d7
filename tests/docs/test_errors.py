"""Checks of docs/errors.rst."""

import asyncio
import builtins
import gc
import logging
import threading

from assistant_stream_ce import AssistantStreamError, create_run, errors
from tests.docs.clients import RecordList, post, table
from tests.docs.runner import Document

doc = Document("docs/errors.rst")
page = doc.page

logger = logging.getLogger("assistant_stream_ce")
log = RecordList()
records = log.records


@doc.after("# chat.py")
def check_response_ends_with_the_safe_error() -> None:
    logger.addHandler(log)
    logger.propagate = False
    reply = post(page.app, "/chat")
    assert reply.status == 200
    assert '"error":"Something went wrong. Please try again."' in reply.text
    assert reply.text.endswith("data: [DONE]\n\n")
    assert [(record.levelname, record.exc_info[0]) for record in records] == [("ERROR", ConnectionError)]
    records.clear()


@doc.after("def limited_chat(")
def check_status_of_the_first_reaction() -> None:
    reply = post(page.app, "/limited")
    assert (reply.status, reply.text) == (429, "Too many requests.")
    gc.collect()
    assert [record.exc_info[0] for record in records] == [page.RateLimitError]
    records.clear()


@doc.after("def talk(")
def check_producer_stops_after_its_reader() -> None:
    assert len(page.said) == 1
    assert page.said[0].startswith("word ")


@doc.after("def relay(")
def check_order_of_a_cancellation() -> None:
    # A coroutine whose clean-up awaits.
    seen = []

    async def patient(controller):
        controller.on_cancel(lambda: seen.append("on_cancel"))
        controller.append_text("x")
        try:
            await asyncio.sleep(3600)
        finally:
            controller.append_text("discarded")
            await asyncio.sleep(0.1)
            seen.append("cleaned up")

    with create_run(patient, on_finish=lambda result: seen.append(result.reason)) as stream:
        next(iter(stream))
    assert seen == ["on_cancel", "cleaned up", "cancelled"]

    def taken_back(controller):
        forget = controller.on_cancel(lambda: seen.append("not called"))
        forget()
        controller.append_text("x")
        controller.cancelled_event.wait_sync()
        controller.on_cancel(lambda: seen.append("called late"))

    seen.clear()
    with create_run(taken_back) as stream:
        next(iter(stream))
    assert seen == ["called late"]

    # A thread that does not stop is abandoned and reported in one warning.
    gate = threading.Event()
    with create_run(
        lambda controller: (controller.append_text("x"), gate.wait()), on_finish=lambda r: seen.append(r.reason)
    ) as stream:
        next(iter(stream))
    assert seen[-1] == "abandoned"
    assert [record.levelname for record in records] == ["WARNING"]
    assert "still runs, although its reader has left. A thread cannot be stopped" in records[0].getMessage()
    records.clear()
    gate.set()

    # An exception raised after the reader has left is logged at level debug.
    logger.setLevel(logging.DEBUG)
    ended = threading.Event()

    def late(controller):
        controller.append_text("x")
        controller.cancelled_event.wait_sync()
        raise ValueError("late")

    with create_run(late, on_finish=lambda result: (seen.append(result.reason), ended.set())) as stream:
        next(iter(stream))
    assert ended.wait(10)
    assert seen[-1] == "cancelled"
    assert [(record.levelname, record.exc_info[0]) for record in records] == [("DEBUG", ValueError)]


@doc.after("def wait(")
def check_table_of_exceptions_is_complete() -> None:
    rows = table("errors.rst", "Exceptions")
    assert {name for name, *_ in rows} | {"AssistantStreamError"} == set(errors.__all__)
    for name, base, _ in rows:
        kind = getattr(errors, name)
        assert issubclass(kind, getattr(builtins, base))
        assert issubclass(kind, AssistantStreamError) == (name != "RunCancelled")


test_errors = doc.test()
