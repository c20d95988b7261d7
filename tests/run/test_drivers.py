"""Where a callback runs: its thread or task, for each kind of callback and reader."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, read

each_reader = pytest.mark.parametrize("reader", READER_KINDS)


@each_reader
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_callback_never_runs_in_the_thread_of_a_blocking_reader(kind: str, reader: str) -> None:
    threads: list[threading.Thread] = []
    read(reader, create_run(as_kind(kind, lambda controller: threads.append(threading.current_thread()))))
    (thread,) = threads
    # A coroutine runs as a task on the loop of an async reader.
    is_on_the_reader_s_loop = kind == "async def" and reader == "async for"
    assert (thread is threading.current_thread()) == is_on_the_reader_s_loop


@each_reader
def test_a_plain_callback_has_no_event_loop(reader: str) -> None:
    def callback(controller: RunController) -> None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        controller.append_text("none")

    assert next(iter(read(reader, create_run(callback)))).type == "text-delta"


@each_reader
def test_an_executor_s_thread_runs_a_plain_callback(reader: str) -> None:
    names: list[str] = []
    with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        stream = create_run(lambda controller: names.append(threading.current_thread().name), executor=pool)
        read(reader, stream)
    assert names[0].startswith("pool")


@each_reader
def test_coroutines_of_blocking_readers_share_one_loop(reader: str) -> None:
    loops: list[Any] = []

    async def callback(controller: RunController) -> None:
        loops.append(asyncio.get_running_loop())

    for _ in range(2):
        read(reader, create_run(callback))
    assert (loops[0] is loops[1]) == (reader == "for")


@each_reader
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_run_inside_a_callback_runs_in_a_thread_or_task_of_its_own(kind: str, reader: str) -> None:
    events: list[str] = []

    @contextmanager
    def noted(name: str) -> Iterator[None]:
        events.append(f"{name} begins")
        yield
        events.append(f"{name} ends")

    async def inner(controller: RunController) -> None:
        with noted("inner"):
            controller.append_text("inner")

    async def outer(controller: RunController) -> None:
        with noted("outer"):
            await controller.add_stream(create_run(inner))

    def blocking_outer(controller: RunController) -> None:
        with noted("outer"):
            controller.add_stream(create_run(inner))

    chunks = read(reader, create_run(outer if kind == "async def" else blocking_outer))
    assert chunks[0].type == "text-delta"
    assert events[0] == "outer begins"
    assert {"inner begins", "inner ends", "outer ends"} <= set(events)
