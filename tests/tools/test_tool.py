"""Tools of the server and of the front end."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from assistant_stream_ce import RunController
from assistant_stream_ce.tools import FrontendTool, Tool, ToolFailure


def weather(city: str) -> str:
    """Return the weather.

    Slowly.
    """
    return city


async def aweather(city: str) -> str:
    return city


def test_a_plain_function_is_a_tool() -> None:
    tool = Tool(weather)
    assert tool.name == "weather"
    assert tool.description == "Return the weather.\n\nSlowly."
    assert tool.parameters["required"] == ["city"]
    assert (tool.needs_approval, tool.timeout, tool.is_async) == (False, None, False)


def test_everything_can_be_set() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    tool = Tool(weather, name="w", description="d", parameters=schema, needs_approval=True, timeout=2)
    assert (tool.name, tool.description, tool.parameters) == ("w", "d", schema)
    assert (tool.needs_approval, tool.timeout) == (True, 2.0)


def test_arguments_are_not_checked_against_a_given_schema() -> None:
    tool = Tool(lambda **given: given, name="any", parameters={"type": "object"})
    assert tool.arguments({"a": 1.0}, None) == {"a": 1.0}  # type: ignore[arg-type]


def test_wrong_arguments_are_a_failure_for_the_model() -> None:
    with pytest.raises(ToolFailure, match=r"The arguments are invalid: Expected `str`, got `int` - at `\$\.city`"):
        Tool(weather).arguments({"city": 1}, None)  # type: ignore[arg-type]


def test_the_controller_is_passed() -> None:
    def search(query: str, controller: RunController) -> None: ...

    controller: Any = object()
    assert Tool(search).arguments({"query": "x"}, controller) == {"query": "x", "controller": controller}


def test_names_of_callables() -> None:
    class Search:
        """Search."""

        def __call__(self) -> None: ...

        def method(self) -> None: ...

    assert Tool(Search()).name == "Search"
    assert Tool(Search()).description == "Search."
    assert Tool(Search().method).name == "method"
    assert Tool(functools.partial(weather, "Paris")).description == "Return the weather.\n\nSlowly."
    with pytest.raises(TypeError, match=r"pass Tool\(function, name=...\)"):
        Tool(lambda: None)


def test_what_runs_on_an_event_loop() -> None:
    async def each() -> AsyncIterator[int]:
        yield 1

    def every() -> Iterator[int]:
        yield 1

    assert [Tool(one).is_async for one in (aweather, each, weather, every)] == [True, True, False, False]
    assert Tool(functools.partial(aweather, city="x")).is_async


def test_a_frontend_tool() -> None:
    assert FrontendTool("pick").parameters == {"type": "object", "properties": {}}
    assert FrontendTool("pick", parameters={"type": "object"}, description="d").description == "d"


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan")])
def test_a_timeout_is_positive(wrong: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Tool(weather, timeout=wrong)


def test_wrong_types_are_clear_errors() -> None:
    with pytest.raises(TypeError, match="must be a function"):
        Tool("weather")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="timeout"):
        Tool(weather, timeout="5")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="JSON Schema"):
        FrontendTool("x", parameters=[1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="needs a name"):
        FrontendTool("")
    with pytest.raises(TypeError, match="needs_approval must be a bool, not function"):
        Tool(weather, needs_approval=lambda args: True)  # type: ignore[arg-type]
    for make in (lambda **given: Tool(weather, **given), lambda **given: FrontendTool("x", **given)):
        with pytest.raises(TypeError, match="description must be a str or None, not int"):
            make(description=3)
