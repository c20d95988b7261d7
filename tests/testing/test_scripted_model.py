"""A scripted model plays its answers, waits at gates, and ends like a real client."""

from __future__ import annotations

import asyncio
import threading

import pytest

from assistant_stream_ce import RunController, TextDeltaChunk
from assistant_stream_ce.integrations.httpx import abort
from assistant_stream_ce.testing import Gate, ModelCall, ScriptedModel, SlowReader, acollect, read_and_leave
from tests.support.kinds import collect_with
from tests.testing.callbacks import SOON, each_kind, each_reader, in_world, leave, model_callback


@each_reader
@each_kind
def test_a_model_records_its_calls_and_raises_the_exceptions_of_its_script(kind: str, reader: str) -> None:
    error = ConnectionError("overloaded")
    model = ScriptedModel(["a", "b", error, "never"], ConnectionError("refused"))
    callback = model_callback(kind, model, aborts=False)
    run = collect_with(reader, callback)
    assert run.error is error
    assert run.text == "ab"
    (call,) = model.calls
    # As it was when it was asked.
    assert (call.args, call.options, call.taken) == (([{"role": "user"}],), {"temperature": 0}, 2)
    run = collect_with(reader, callback)
    assert (run.text, str(run.error), len(model.calls)) == ("", "refused", 2)
    with pytest.raises(AssertionError, match="called more often than it has answers, which are 2"):
        collect_with(reader, callback)


@each_reader
@each_kind
def test_a_gate_holds_the_model_until_the_test_opens_it(kind: str, reader: str) -> None:
    gate = Gate()
    model = ScriptedModel(["a", gate, gate, "b"])
    callback = model_callback(kind, model, aborts=False)

    async def test_async() -> None:
        async with SlowReader(callback) as slow:
            assert await anext(slow) == TextDeltaChunk("a")
            await gate.await_reached()
            assert model.calls[0].taken == 1
            gate.open()
            assert [chunk async for chunk in slow] == [TextDeltaChunk("b")]

    def test() -> None:
        with SlowReader(callback) as slow:
            assert next(slow) == TextDeltaChunk("a")
            gate.wait_reached()
            assert model.calls[0].taken == 1
            gate.open()
            assert list(slow) == [TextDeltaChunk("b")]

    test() if reader == "for" else asyncio.run(test_async())


@each_reader
@each_kind
def test_a_gate_has_a_timeout(kind: str, reader: str) -> None:
    model = ScriptedModel([Gate(SOON)])
    run = collect_with(reader, model_callback(kind, model))
    assert isinstance(run.error, TimeoutError)
    assert str(run.error) == "the gate was not opened for 0.2 s"
    with pytest.raises(TimeoutError, match=r"the model did not reach the gate in 0.2 s"):
        in_world(reader, (gate := Gate(SOON)).wait_reached, gate.await_reached)


@each_reader
@each_kind
def test_a_blocking_model_shows_whether_the_callback_can_be_cancelled(kind: str, reader: str) -> None:
    model = ScriptedModel(["a", Gate()])
    left = leave(reader, model_callback(kind, model))
    assert left.reason == "cancelled"
    assert left.ended_after < 5
    assert model.calls[0].is_aborted == (kind == "def")


def test_close_does_not_end_a_read_that_blocks() -> None:
    gate = Gate()
    model = ScriptedModel(["a", gate])

    def run(controller: RunController) -> None:
        answer = model()
        controller.on_cancel(answer.close)
        for text in answer:
            controller.append_text(text)

    left = read_and_leave(run, timeout=SOON)
    assert (left.reason, left.ended_after) == ("abandoned", None)
    assert model.calls[0].is_closed
    gate.open()


def test_abort_ends_every_read() -> None:
    for taken in (0, 1):
        answer = ScriptedModel(["a", "b"])()
        for _ in range(taken):
            next(answer)
        abort(answer)
        with pytest.raises(ConnectionAbortedError):
            next(answer)
    answer = ScriptedModel([])()
    assert list(answer) == []
    abort(answer)
    assert not answer.is_aborted
    assert list(answer) == []


async def test_a_blocking_read_in_a_coroutine_is_refused() -> None:
    model = ScriptedModel(["a", Gate()])

    async def run(controller: RunController) -> None:
        for text in model():
            controller.append_text(text)

    with pytest.raises(AssertionError, match="read with `for` in a coroutine"):
        await acollect(run)


def test_a_model_refuses_unsupported_arguments() -> None:
    with pytest.raises(TypeError, match=r"an answer is a list of items, not a str: write \['a'\]"):
        ScriptedModel("a")
    with pytest.raises(AssertionError, match="pass stream=True"):
        ScriptedModel([]).openai.chat.completions.create(model="m")
    lock = threading.Lock()
    call: ModelCall = ScriptedModel([])(lock)
    assert call.args == (lock,)
