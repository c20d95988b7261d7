"""Checks of the controller's arguments."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from assistant_stream_ce import MessageFinishChunk, RunController, StepFinishChunk, create_run
from assistant_stream_ce.controller import validation
from assistant_stream_ce.testing import collect


def called(name: str, *arguments: Any, **options: Any) -> list[Any]:
    """Return the chunks of one call of the controller."""

    def callback(controller: RunController) -> None:
        getattr(controller, name)(*arguments, **options)

    return list(create_run(callback))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("append_text", (5,), r"text must be a str, not int"),
        ("append_reasoning", (b"a",), r"text must be a str, not bytes"),
        ("add_error", (None,), r"message must be a str, not NoneType"),
        ("add_source", ("id", 5), r"url must be a str, not int"),
        ("add_source", ("id", "url", 5), r"title must be a str, not int"),
        ("add_annotations", ({"a": 1},), r"annotations must be a list, not dict"),
        ("add_step_finish", (None,), r"finish_reason must be a str, not NoneType: write `finish_reason or 'unknown'`"),
        ("add_step_finish", ("stop", -1), r"input_tokens must be an int of at least 0, not -1"),
        ("add_step_finish", ("stop", "x" * 10_000), r"input_tokens must be an int of at least 0, not 'x{79}\.\.\."),
        ("add_step_finish", ("stop", 1, True), r"output_tokens must be an int of at least 0, not True"),
        ("add_step_finish", ("stop", 1, 1, 1), r"is_continued must be a bool, not int"),
    ],
)
def test_a_wrong_type_is_named(name: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        called(name, *arguments)


def test_numbers_keep_their_meaning() -> None:
    assert (validation.positive(1, "x"), validation.seconds(0, "x"), validation.seconds(0.5, "x")) == (1, 0.0, 0.5)
    assert type(validation.seconds(1, "x", is_positive=True)) is float


@pytest.mark.parametrize(
    ("check", "value", "error", "message"),
    [
        (validation.positive, True, TypeError, "x must be an int, not bool"),
        (validation.positive, 1.0, TypeError, "x must be an int, not float"),
        (validation.positive, 0, ValueError, "x must be at least 1, not 0"),
        (validation.seconds, "1", TypeError, "x must be a number of seconds, not str"),
        (validation.seconds, True, TypeError, "x must be a number of seconds, not bool"),
        (validation.seconds, float("nan"), ValueError, "x must be 0 or more seconds, not nan"),
        (partial(validation.seconds, is_positive=True), 0, ValueError, "x must be more than 0 seconds, not 0"),
    ],
)
def test_a_number_out_of_range_is_named(check: Any, value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check(value, "x")


@pytest.mark.parametrize("count", [2**53, 10**5000, -(10**5000)], ids=["2**53", "huge", "negative"])
def test_a_count_that_clients_cannot_read_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=r"input_tokens must be an int from 0 to 2\*\*53 - 1"):
        called("add_message_finish", "stop", count)


def test_an_unknown_severity_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"severity must be one of .*warning.*, not 'fatal'"):
        called("add_error", "boom", severity="fatal")


@pytest.mark.parametrize(
    ("given", "sent"), [("tool_calls", "tool-calls"), ("content_filter", "content-filter"), ("stop", "stop")]
)
def test_finish_reasons_of_openai_are_spelled_with_hyphens(given: str, sent: str) -> None:
    assert called("add_message_finish", given)[0].finish_reason == sent


def test_values_are_copied() -> None:
    data: dict[str, Any] = {"list": [1]}
    chunks = called("add_data", data)
    data["list"].append(2)
    assert chunks[0].data == {"list": [1]}


class Index:
    """An integer of another library, as numpy's are."""

    def __index__(self) -> int:
        return 7


@pytest.mark.parametrize("reason", ["stop", "length", "content-filter", "tool-calls", "error", "other", "unknown"])
def test_the_finish_reasons_there_are(reason: str) -> None:
    def run(controller: RunController) -> None:
        controller.add_step_finish(reason)
        controller.add_message_finish(reason.replace("-", "_") if "-" in reason else reason)

    assert collect(run).chunks == [StepFinishChunk(reason), MessageFinishChunk(reason)]


@pytest.mark.parametrize("reason", ["end_turn", "max_tokens", "", "Stop", "stop ", "tool", "x" * 10**6])
def test_an_unknown_finish_reason_is_refused_at_the_call(reason: str) -> None:
    def run(controller: RunController) -> None:
        for finish in (controller.add_step_finish, controller.add_message_finish):
            with pytest.raises(ValueError, match="finish_reason must be one of stop, length") as raised:
                finish(reason)
            assert len(str(raised.value)) < 500

    assert collect(run).chunks == []


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (-1, TypeError),
        (True, TypeError),
        (1.0, TypeError),
        ("1", TypeError),
        (None, TypeError),
        (2**53, ValueError),
        (10**5000, ValueError),
        (-(10**5000), ValueError),
        ("9" * 10**6, TypeError),
    ],
    ids=lambda _: "",
)
def test_token_counts_are_bounded(value: Any, error: type[Exception]) -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(error, match="input_tokens must be") as raised:
            controller.add_step_finish("stop", value)
        with pytest.raises(error, match="output_tokens must be"):
            controller.add_message_finish("stop", 0, value)
        assert len(str(raised.value)) < 500

    assert collect(run).chunks == []


def test_counts_of_other_libraries_become_plain() -> None:
    assert validation.count(2**53 - 1, "n") == 2**53 - 1
    assert type(validation.count(Index(), "n")) is int


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.add_error("e", severity="x" * 10**6),
        lambda c: c.add_tool_call("t", args=["x" * 10**6]),
        lambda c: c.append_state_text(["x" * 10**6, "y" * 10**6], "z"),
        lambda c: c.append_state_text(["t"] * 10**5, "z"),
        lambda c: c.state.__setitem__("l", {("k" * 10**6,): 1}),
        lambda c: c.state.__setitem__("l", {"k" * 10**6: object()}),
        lambda c: c.state["l"].pop(10**1000),
        lambda c: c.state["l"].__getitem__(10**1000),
        lambda c: c.add_data({"k" * 10**6: object()}),
        lambda c: [c.add_tool_call("t", "i" * 10**6) for _ in range(2)],
        lambda c: [c.add_tool_result("i" * 10**6, 1) for _ in range(2)],
        lambda c: c.run_context.state.apply([{"type": "x" * 10**6, "path": [], "value": 1}]),
        lambda c: c.run_context.state.apply([{"type": "set", "path": "x" * 10**6, "value": 1}]),
        lambda c: c.run_context.state.apply(["x" * 10**6]),
        lambda c: c.run_context.state.apply([{"type": "set", "path": ["x" * 10**6], "value": object()}]),
    ],
)
def test_no_message_quotes_a_large_value(call: Any) -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - of any type
            call(controller)
        assert len(str(raised.value)) < 1000

    collect(run, state={"l": [1], "t": "text"})
