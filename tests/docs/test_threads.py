"""Checks of docs/threads.rst."""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from assistant_stream_ce import create_run
from tests.docs.clients import serve
from tests.docs.runner import Document

doc = Document("docs/threads.rst")
page = doc.page


@doc.after("def relay(")
def check_abort_ends_a_blocked_read() -> None:
    released = threading.Event()

    def slow_server(environ, start_response):
        start_response("200 OK", [("content-type", "text/plain")])
        yield b"one"
        released.wait(30)

    results = []
    with create_run(partial(page.relay, url=serve(slow_server)), on_finish=results.append) as stream:
        assert next(iter(stream)).text_delta == "one"
        left_at = time.monotonic()
    assert [result.reason for result in results] == ["cancelled"]
    assert time.monotonic() - left_at < 5
    released.set()


@doc.before("def ask_openai(")
def check_openai_is_replaced() -> None:
    from assistant_stream_ce.responses.wsgi import OpenAIStreamResponse as FakeResponse

    def fake_openai(environ, start_response):
        body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))

        def fake(controller):
            controller.append_text("Let me ")
            controller.append_text("look.")
            if body["messages"][-1]["content"] == "Be slow":
                controller.cancelled_event.wait_sync(30)
            with controller.add_tool_call("get_weather", "call-1") as call:
                call.append_args_text('{"city":')
                call.append_args_text(' "Paris"}')

        return FakeResponse(create_run(fake), heartbeat=0.05)(environ, start_response)

    os.environ["OPENAI_BASE_URL"] = serve(fake_openai)
    os.environ["OPENAI_API_KEY"] = "none"


@doc.after("from functools import partial")
def check_abort_ends_a_completion() -> None:
    results = []
    slow = partial(page.ask_openai, messages=[{"role": "user", "content": "Be slow"}])
    with create_run(slow, on_finish=results.append) as stream:
        reader = iter(stream)
        assert [next(reader).type, next(reader).text_delta, next(reader).text_delta] == [
            "step-start",
            "Let me ",
            "look.",
        ]
    assert [result.reason for result in results] == ["cancelled"]


@doc.after("def ask_openai_async(")
def check_clients_are_closed() -> None:
    async def close_client(controller):
        await page.async_client.close()

    assert list(create_run(close_client)) == []
    page.client.close()


@doc.after("def look_up(")
def check_each_thread_keeps_its_order() -> None:
    kinds = {}
    for chunk in create_run(page.run):
        kinds.setdefault(getattr(chunk, "tool_call_id", "text"), []).append(chunk.type)
    calls_expected = ["tool-call-begin", "tool-call-delta", "tool-result"]
    assert kinds == {"call-Paris": calls_expected, "call-Lisbon": calls_expected, "text": ["text-delta"]}
    assert list(kinds)[-1] == "text"


@doc.after("def whoami(")
def check_queued_callback_is_cancelled() -> None:
    one = ThreadPoolExecutor(max_workers=1)
    gate = threading.Event()
    one.submit(gate.wait)
    results = []
    waiting = create_run(page.whoami, executor=one, on_finish=results.append)
    starter = threading.Thread(target=lambda: list(waiting))
    starter.start()
    while not one._work_queue.qsize():
        time.sleep(0.001)
    waiting.cancel()
    starter.join(10)
    assert [result.reason for result in results] == ["cancelled"]
    gate.set()
    one.shutdown()
    page.pool.shutdown()


@doc.after("def flood(")
def check_reader_bounds_the_producer() -> None:
    furthest = 0

    async def counted(controller):
        nonlocal furthest
        for furthest in range(1, 100_001):  # noqa: B007
            controller.append_text("x")
            await controller.drain()

    def counted_in_thread(controller):
        nonlocal furthest
        for furthest in range(1, 100_001):  # noqa: B007
            controller.append_text("x")

    for callback in (counted, counted_in_thread):
        furthest = 0
        with create_run(callback, max_pending=64) as stream:
            reader = iter(stream)
            for _ in range(1000):
                next(reader)
            assert furthest < 1000 + 64 + 64, furthest


test_threads = doc.test()
