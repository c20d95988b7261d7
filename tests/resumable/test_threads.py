"""Threads of the engine: they run only while there is work, and a command in one is awaited in a coroutine."""

from __future__ import annotations

import contextvars
import threading

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.resumable import ResumableStreams
from assistant_stream_ce.resumable.threads import in_thread
from tests.resumable.flaky import FlakyStore
from tests.resumable.test_streams import wait_for


def test_threads_end_with_the_last_run() -> None:
    streams = ResumableStreams(FlakyStore())

    def names() -> set[str]:
        return {thread.name for thread in threading.enumerate()} & {
            "assistant-stream-writer",
            "assistant-stream-reader",
        }

    def run(controller: RunController) -> None:
        controller.append_text("a")

    for _ in range(3):
        assert len(list(streams.start(create_run(run)))) == 1
        wait_for(lambda: not names())
    streams.close()


async def test_a_blocking_function_raises_in_the_coroutine_that_called_it() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


async def test_a_blocking_function_runs_in_another_thread_with_the_context_of_the_call() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(1)
    loop_thread = threading.get_ident()
    assert await in_thread(lambda: (variable.get(), threading.get_ident() != loop_thread)) == (1, True)
