"""Checks of the controller's arguments."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run


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
        ("add_step_finish", ("stop", -1), r"input_tokens must be an int of at least 0, not -1"),
        ("add_step_finish", ("stop", "x" * 10_000), r"input_tokens must be an int of at least 0, not 'x{79}\.\.\."),
        ("add_step_finish", ("stop", 1, True), r"output_tokens must be an int of at least 0, not True"),
        ("add_step_finish", ("stop", 1, 1, 1), r"is_continued must be a bool, not int"),
    ],
)
def test_a_wrong_type_is_named(name: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        called(name, *arguments)


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
