"""Inspection of a callback, and the check of its result."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from assistant_stream_ce.run.callbacks import RunName, check_result, is_callable_as, is_generator_function, name_of


def plain(controller: Any) -> None: ...


async def coroutine(controller: Any) -> None: ...


def generator(controller: Any) -> Iterator[str]:
    yield "a"


async def async_generator(controller: Any) -> AsyncIterator[str]:
    yield "a"


class Agent:
    """A callable object."""

    async def __call__(self, controller: Any) -> None: ...


KINDS = {
    inspect.iscoroutinefunction: coroutine,
    inspect.isgeneratorfunction: generator,
    inspect.isasyncgenfunction: async_generator,
}

WRAPPERS: list[Any] = [lambda function: function, functools.partial, lambda f: functools.partial(f, 1)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", [plain, *KINDS.values()])
@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_kind_is_recognized_through_partial(kind: Any, function: Any, wrap: Any) -> None:
    assert is_callable_as(kind, wrap(function)) == (KINDS[kind] is function)


def test_a_kind_is_recognized_through_call() -> None:
    assert is_callable_as(inspect.iscoroutinefunction, Agent())
    assert not is_callable_as(inspect.isgeneratorfunction, Agent())


def test_a_name_has_no_arguments() -> None:
    assert name_of(functools.partial(plain, "a secret")) == "plain"
    assert name_of(Agent()) == "Agent"


@pytest.mark.parametrize("result", [None, 5, {"a": 1}, object()])
def test_other_results_are_allowed(result: object) -> None:
    check_result(result)


@pytest.mark.parametrize(
    ("result", "hint"),
    [
        ("text", "append_text"),
        (b"bytes", "append_text"),
        (generator(None), "append_text"),
        (async_generator(None), "add_stream"),
        (iter([1]), "add_stream"),
    ],
)
def test_a_result_that_would_be_lost_is_refused_with_a_hint(result: object, hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        check_result(result)


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("function", KINDS.values())
def test_generators_of_both_kinds_are_recognized(wrap: Any, function: Any) -> None:
    is_generator = function in (KINDS[inspect.isgeneratorfunction], KINDS[inspect.isasyncgenfunction])
    assert is_generator_function(wrap(function)) == is_generator


def test_the_name_of_a_run_has_that_of_its_callback() -> None:
    name = RunName("assistant-stream-7", functools.partial(plain, "a secret"))
    assert (name.thread, str(name)) == ("assistant-stream-7", "assistant-stream-7 (plain)")
