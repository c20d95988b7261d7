"""Drivers: the thread or task of each kind of callback and reader."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.run.drivers import (
    CallScope,
    ExecutorDriver,
    TaskDriver,
    ThreadDriver,
    enter_contexts,
    enter_contexts_async,
)
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
def test_a_run_inside_a_callback_has_its_own_thread_or_task(kind: str, reader: str) -> None:
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


# --- drivers ---

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_a_thread_driver_runs_in_a_daemon_thread() -> None:
    done = threading.Event()
    threads: list[threading.Thread] = []
    driver = ThreadDriver(lambda: (threads.append(threading.current_thread()), done.set()))
    driver.start("assistant-stream-test")
    assert done.wait(10)
    assert (threads[0].name, threads[0].daemon, threads[0].ident) == ("assistant-stream-test", True, driver.thread_id)


@pytest.mark.parametrize("is_waiting", [False, True])
def test_an_executor_driver_can_be_cancelled_in_the_queue(*, is_waiting: bool) -> None:
    release, done = threading.Event(), threading.Event()
    ends: list[bool] = []

    def on_done(future: Future[None]) -> None:
        ends.append(future.cancelled())
        done.set()

    with ThreadPoolExecutor(1) as executor:
        if is_waiting:
            executor.submit(release.wait, 10)
        driver = ExecutorDriver(lambda: None)
        driver.start(executor, on_done)
        if is_waiting:
            driver.cancel(lambda: False)
        release.set()
        assert done.wait(10)
    assert ends == [is_waiting]


@pytest.mark.parametrize("is_over", [False, True])
async def test_a_task_driver_cancels_its_task_unless_it_is_over(*, is_over: bool) -> None:
    cancelled: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            cancelled.append(True)

    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    driver = TaskDriver(asyncio.get_running_loop())
    driver.start(work, "name", contextvars.copy_context(), lambda task: done.set_result(None))
    await asyncio.sleep(0)
    for _ in range(2):
        driver.cancel(lambda: is_over)
    await done
    assert cancelled == [] if is_over else [True]


def test_a_task_driver_of_a_closed_loop_raises() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError):
        TaskDriver(loop).cancel(lambda: False)


# --- the scope ---


def scope_of(value: str, *factories: object) -> CallScope:
    def view() -> CallScope:
        variable.set(value)
        scope = CallScope()
        for factory in factories:
            scope.bind(factory)  # type: ignore[arg-type]
        return scope

    return contextvars.copy_context().run(view)


def test_a_bound_scope_keeps_the_variables_of_the_bind_call() -> None:
    bound, unbound = scope_of("view", None), scope_of("view")
    assert bound.open().get(variable) == "view"
    assert unbound.open().get(variable) is None


def test_a_call_does_not_change_the_scope() -> None:
    scope = scope_of("view", None)
    scope.call(lambda: variable.set("changed"))
    assert scope.call(variable.get) == "view"


def test_a_call_is_made_while_another_thread_is_in_the_scope() -> None:
    scope = scope_of("view", None)
    inside, release = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: scope.open().run(lambda: (inside.set(), release.wait(10))))
    thread.start()
    assert inside.wait(10)
    assert scope.call(variable.get) == "view"
    release.set()
    thread.join()


def test_a_scope_inside_a_scope_inherits_its_context_managers() -> None:
    entered: list[str] = []

    @contextlib.contextmanager
    def outer() -> Iterator[None]:
        entered.append("outer")
        yield

    @contextlib.contextmanager
    def inner() -> Iterator[None]:
        entered.append("inner")
        yield

    scope = scope_of("view", outer)
    nested = scope.open().run(lambda: scope_of("nested", inner))
    nested.call(lambda: None)
    assert entered == ["outer", "inner"]


def test_a_hook_is_called_even_if_a_context_manager_fails(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.contextmanager
    def fail() -> Iterator[None]:
        raise ValueError("no connection")
        yield

    assert scope_of("view", fail).call(lambda: "called") == "called"
    assert "a context manager around a callback failed" in caplog.text


# --- context managers ---


async def test_contexts_exit_in_reverse_also_when_one_fails_on_entry() -> None:
    course: list[str] = []

    def manager(name: str) -> object:
        @contextlib.contextmanager
        def enter() -> Iterator[None]:
            course.append(f"+{name}")
            try:
                yield
            finally:
                course.append(f"-{name}")

        return enter

    def fail() -> contextlib.AbstractContextManager[None]:
        raise ValueError("no connection")

    factories = (manager("a"), manager("b"))
    with enter_contexts(factories):  # type: ignore[arg-type]
        pass
    async with await enter_contexts_async(factories):  # type: ignore[arg-type]
        pass
    assert course == ["+a", "+b", "-b", "-a"] * 2
    course.clear()
    with pytest.raises(ValueError, match="no connection"):
        enter_contexts((factories[0], fail))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no connection"):
        await enter_contexts_async((factories[0], fail))  # type: ignore[arg-type]
    assert course == ["+a", "-a"] * 2


async def test_an_asynchronous_context_manager_is_entered_around_a_coroutine() -> None:
    course: list[str] = []

    @contextlib.asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        course.append("+")
        yield
        course.append("-")

    async with await enter_contexts_async((manager,)):
        course.append("in")
    assert course == ["+", "in", "-"]
