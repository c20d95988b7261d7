"""The observer of runs: what it is told, and that nothing is called without one."""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.run import observation
from assistant_stream_ce.run.observation import RunEnd

seen: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="nothing")


class Recorder:
    """An observer, and the observation of each run."""

    def __init__(self) -> None:
        self.ends: list[RunEnd] = []
        self.count = 0

    def run_started(self, channel: Any, context: contextvars.Context) -> Recorder:
        context.run(seen.set, "the observer's")
        channel.add_sink(self)
        return self

    def turn(self, reader: Any) -> AbstractContextManager[Any]:
        return nullcontext(reader)

    def write(self, items: list[Any]) -> bool:
        self.count += len(items)
        return False

    def process(self) -> None:
        pass

    def end(self, end: RunEnd) -> None:
        self.ends.append(end)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(observation, "current", made)
    return made


def wait_for_end(stream: Any) -> None:
    assert stream._run.ended.wait_sync(10)


def test_a_run_is_observed_in_its_context(recorder: Recorder) -> None:
    values: list[str] = []

    def run(controller: RunController) -> None:
        values.append(seen.get())
        controller.append_text("a")
        controller.append_text("b")

    stream = create_run(run)
    list(stream)
    wait_for_end(stream)
    assert (values, recorder.count) == (["the observer's"], 2)
    assert recorder.ends == [RunEnd("completed", None, None)]


async def test_a_coroutine_is_observed_in_its_context(recorder: Recorder) -> None:
    values: list[str] = []

    async def run(controller: RunController) -> None:
        values.append(seen.get())

    stream = create_run(run)
    assert [chunk async for chunk in stream] == []
    await stream._run.ended.wait()
    assert values == ["the observer's"]


def test_a_failure_has_its_exception(recorder: Recorder) -> None:
    def run(controller: RunController) -> None:
        raise ValueError("no")

    stream = create_run(run)
    with pytest.raises(ValueError, match="no"):
        list(stream)
    wait_for_end(stream)
    [end] = recorder.ends
    assert (end.reason, type(end.error), end.cancelled_by) == ("failed", ValueError, None)


def test_a_reader_that_leaves_has_cancelled_the_run(recorder: Recorder) -> None:
    def run(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    stream = create_run(run)
    next(stream)
    stream.close()
    wait_for_end(stream)
    assert recorder.ends == [RunEnd("cancelled", None, "reader")]


def test_a_parent_cancels_its_child(recorder: Recorder) -> None:
    def child(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    streams: list[Any] = []

    def parent(controller: RunController) -> None:
        streams.append(create_run(child))
        controller.add_stream(streams[0])

    stream = create_run(parent)
    next(stream)
    stream.close()
    wait_for_end(stream)
    wait_for_end(streams[0])
    assert {end.cancelled_by for end in recorder.ends} == {"reader", "parent"}


async def test_a_task_that_other_code_cancels(recorder: Recorder) -> None:
    async def run(controller: RunController) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(30)

    stream = create_run(run)
    with pytest.raises(BaseException, match="cancelled from outside"):
        async for _ in stream:
            pass
    await stream._run.ended.wait()
    assert [(end.reason, end.cancelled_by) for end in recorder.ends] == [("cancelled", "outside")]


def test_without_an_observer_the_reader_is_used_itself() -> None:
    reader = object()
    with observation.turn(reader) as observed:
        assert observed is reader
