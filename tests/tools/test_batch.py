"""Calls of user code that run at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.tools.batch import Batch, Job
from tests.tools.models import KINDS, read


class Recorded(Job):
    """Records how its function ends."""

    def __init__(self, function: Any, timeout: float | None = None) -> None:
        self.name = "recorded"
        self.is_async = False
        self.timeout = timeout
        self.function = function
        self.events: list[Any] = []

    def call(self) -> object:
        return self.function()

    def show(self, value: object) -> None:
        self.events.append(value)

    def succeed(self, value: object) -> None:
        self.events.append(("succeed", value))

    def fail(self, error: BaseException) -> None:
        self.events.append(("fail", type(error)))

    def expire(self) -> None:
        self.events.append("expire")


def run_jobs(kind: str, *jobs: Job) -> None:
    def run(controller: RunController) -> None:
        Batch(controller, jobs).run()

    async def arun(controller: RunController) -> None:
        await Batch(controller, jobs).arun()

    read(kind, run if kind.startswith("def") else arun, [])


@pytest.mark.parametrize("kind", KINDS)
def test_each_job_ends_once(kind: str) -> None:
    good, bad = Recorded(lambda: 1), Recorded(lambda: 1 / 0)
    run_jobs(kind, good, bad)
    assert good.events == [("succeed", 1)]
    assert bad.events == [("fail", ZeroDivisionError)]


@pytest.mark.parametrize("kind", KINDS)
def test_no_jobs(kind: str) -> None:
    run_jobs(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_after_the_time_is_dropped_and_the_generator_closed(kind: str) -> None:
    release, closed = threading.Event(), threading.Event()

    def values() -> Iterator[int]:
        try:
            yield 1
            release.wait(30)
            yield 2
            yield 3
        finally:
            closed.set()

    job = Recorded(values, timeout=0.1)
    run_jobs(kind, job)
    release.set()
    assert closed.wait(20)
    assert job.events == [1, "expire"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_that_starts_later_has_its_own_time(kind: str) -> None:
    """The waiting code is woken for it, although the jobs before have no limit."""
    release = threading.Event()
    forever = [Recorded(lambda: release.wait(30)) for _ in range(7)]
    first = Recorded(lambda: 1)
    late = Recorded(lambda: release.wait(30), timeout=0.1)
    late.expire = release.set  # type: ignore[method-assign]
    run_jobs(kind, *forever, first, late)
    assert release.is_set()
    assert [job.events for job in forever] == [[("succeed", True)]] * 7


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_in_the_report_of_a_job_is_raised(kind: str) -> None:
    job = Recorded(lambda: 1)
    job.succeed = lambda value: 1 / 0  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        run_jobs(kind, job)


def test_jobs_run_inside_the_context_managers_of_the_run() -> None:
    """As Django's connections are closed in each thread, and Flask's request is there."""
    entered = threading.local()

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        entered.value = True
        yield
        entered.value = False

    job = Recorded(lambda: getattr(entered, "value", False))

    def run(controller: RunController) -> None:
        Batch(controller, [job]).run()

    stream = create_run(run)
    stream.bind(around)
    list(stream)
    assert job.events == [("succeed", True)]
