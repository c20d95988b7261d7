"""Tool call deltas as OpenAI-compatible servers send them, and the calls that they belong to."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import ToolCallBeginChunk, ToolCallDeltaChunk, accumulate
from assistant_stream_ce.message import ToolCallPart
from assistant_stream_ce.serialization.openai_stream.tool_calls import ToolCallDeltas


def call(index: Any = None, id: Any = None, name: Any = None, arguments: Any = None) -> dict[str, Any]:
    """Return a delta without the fields that are None."""
    function = {key: value for key, value in {"name": name, "arguments": arguments}.items() if value is not None}
    fields = {"index": index, "id": id, "function": function or None}
    return {key: value for key, value in fields.items() if value is not None}


def calls_of(*deltas: dict[str, Any] | list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the name and the argument text of each call; a list holds the deltas of one event."""
    return [(part.name, part.args_text) for part in parts_of(*deltas)]


def parts_of(*deltas: dict[str, Any] | list[dict[str, Any]]) -> list[ToolCallPart]:
    calls, chunks = ToolCallDeltas(), []
    for items in deltas:
        several = items if isinstance(items, list) else [items]
        for position, item in enumerate(several, start=1):
            chunks += calls.add(item, position if len(several) > 1 else 0)
    chunks += calls.end()
    return [part for part in accumulate(chunks).parts if isinstance(part, ToolCallPart)]


A, B = '{"a":1}', '{"b":2}'


@pytest.mark.parametrize(
    ("deltas", "wanted"),
    [
        pytest.param(
            [call(0, "1", "f", ""), call(0, None, None, '{"a"'), call(0, None, None, ":1}")], [("f", A)], id="OpenAI"
        ),
        pytest.param(
            [call(0, "1", "f", ""), call(0, "", None, A), call(0, "", None, "")], [("f", A)], id="empty id later"
        ),
        pytest.param([call(0, "1", "f", ""), call(0, "null", None, A)], [("f", A)], id="null as text later"),
        pytest.param([call(0, "1", "f", ""), call(0, None, "", A)], [("f", A)], id="empty name later"),
        pytest.param(
            [call(0, "1", "f", '{"a"'), call(0, "1", "f", ":1}"), call(0, "1", "f", "")],
            [("f", A)],
            id="id and name with each delta",
        ),
        pytest.param([call(0, "1", "f", A), call(0, "2", "g", B)], [("f", A), ("g", B)], id="index 0 for every call"),
        pytest.param(
            [call(0, "1", "f", A), call(0, "2", "f", ""), call(0, "2", None, B)],
            [("f", A), ("f", B)],
            id="index 0, ids",
        ),
        pytest.param([call(None, "1", "f", A), call(None, "2", "f", B)], [("f", A), ("f", B)], id="no index, new ids"),
        pytest.param(
            [
                call(None, "1", "f", '{"a"'),
                call(None, None, None, ":1}"),
                call(None, "2", "g", ""),
                call(None, None, None, B),
            ],
            [("f", A), ("g", B)],
            id="no index, arguments alone",
        ),
        pytest.param(
            [[call(None, None, "f", A), call(None, None, "f", B)]],
            [("f", A), ("f", B)],
            id="no index, no ids, in one event",
        ),
        pytest.param([call(None, None, "f", A), call(None, None, "f", B)], [("f", A), ("f", B)], id="no index, no ids"),
        pytest.param([call(0, "1", "f", '{"a"'), call(1, None, None, ":1}")], [("f", A)], id="index wanders, no id"),
        pytest.param([call(0, "1", "f", '{"a"'), call(1, "1", None, ":1}")], [("f", A)], id="index wanders, right id"),
        pytest.param(
            [call(0, "1", "f", A), call(1, "2", "g", ""), call(0, None, None, '{"b"'), call(3, None, None, ":2}")],
            [("f", A), ("g", B)],
            id="index wanders to a complete call",
        ),
        pytest.param(
            [call(0, "1", "f", '"a":'), call(1, "2", "g", ""), call(0, None, None, "1"), call(1, None, None, B)],
            [("f", '"a":1'), ("g", B)],
            id="text that continues behind a value is no complete call",
        ),
        pytest.param(
            [call(0, "1", "f", '{"a"'), call(1, "1", "f", ":1}")], [("f", A)], id="index wanders, right id and name"
        ),
        pytest.param(
            [call(0, None, None, '{"a"'), call(0, "1", "f", ":1}")], [("f", A)], id="arguments before the name"
        ),
        pytest.param(
            [call(0, "1", "f", A), call(1, None, None, B), call(1, "2", "g", "")],
            [("f", A), ("g", B)],
            id="arguments of the second call before its name",
        ),
        pytest.param(
            [call(0, "1", None, ""), call(0, None, "add", '{"a"'), call(0, None, None, ":1}")],
            [("add", A)],
            id="name late",
        ),
        pytest.param(
            [call(0, "1", "get_", ""), call(0, None, "weather", A)], [("get_weather", A)], id="name in pieces"
        ),
        pytest.param(
            [call(0, "1", "get_"), call(0, "1", "weather"), call(0, "1", None, A)],
            [("get_weather", A)],
            id="name in pieces, id",
        ),
        pytest.param([call(0, None, "f", A), call(1, None, "g", B)], [("f", A), ("g", B)], id="no ids"),
        pytest.param([call(0, None, "f", A), call(0, None, "g", B)], [("f", A), ("g", B)], id="no ids, index 0"),
        pytest.param(
            [call(0, None, "f", A), call(0, None, "f", ""), call(0, None, None, B)],
            [("f", A), ("f", B)],
            id="no ids, index 0, same name",
        ),
        pytest.param(
            [call(0, None, "f", ""), call(0, "1", None, '{"a"'), call(0, "1", None, ":1}")], [("f", A)], id="id late"
        ),
        pytest.param(
            [call(0, None, "f", '{"a"'), call(0, "1", None, ":1}")], [("f", A)], id="id after the first arguments"
        ),
        pytest.param([call(0, "1", "f", A), call(1, "1", "f", B)], [("f", A), ("f", B)], id="one id under two indexes"),
        pytest.param(
            [[call(0, "1", "f", ""), call(1, "1", "f", "")], [call(0, None, None, A), call(1, None, None, B)]],
            [("f", A), ("f", B)],
            id="one id under two indexes, interleaved",
        ),
        pytest.param([call(0, "1", "f", A), call(0, "1", "f", B)], [("f", A), ("f", B)], id="one id twice"),
        pytest.param(
            [call(0, "1", "f", A), call(0, "1", "f", ""), call(0, "1", None, B)],
            [("f", A), ("f", B)],
            id="one id twice, in deltas",
        ),
        pytest.param(
            [call(0, "1", "f", '{"a"'), call(0, "2", None, ":1}"), call(0, "3", None, "")],
            [("f", A)],
            id="an id with each delta",
        ),
        pytest.param([call(0, "1", "f", {"a": 1})], [("f", A)], id="arguments as an object"),
        pytest.param([call(0, "1", "f", [])], [("f", "[]")], id="arguments as a list"),
        pytest.param([call(0, "1", "f", '"{\\"a\\"'), call(0, None, None, ':1}"')], [("f", A)], id="encoded twice"),
        pytest.param([call(0, "1", "f", '"no JSON')], [("f", '"no JSON')], id="encoded twice and cut"),
        pytest.param([call(0, "1", "f", ""), call(1, "2", "g")], [("f", "{}"), ("g", "{}")], id="no arguments"),
        pytest.param([call(0, "1", "f", '{"a":')], [("f", '{"a":')], id="arguments cut by the limit"),
        pytest.param(
            [call(0, "1", "f", r'{"a":"}\\"'), call(0, "2", None, "}")],
            [("f", r'{"a":"}\\"}')],
            id="brackets in a text",
        ),
        pytest.param(
            [call(0, "1", "f", '{"a":"\\'), call(0, "2", None, '"}"}')],
            [("f", '{"a":"\\"}"}')],
            id="an escape that is cut",
        ),
        pytest.param([call("0", "1", "f", ""), call("0", None, None, A)], [("f", A)], id="index as text"),
        pytest.param([call(0, "1"), call(1, "2", "g", B)], [("g", B)], id="a call without name and arguments"),
        pytest.param([call(0, "1", None, A)], [("unknown", A)], id="a call without a name"),
        pytest.param([{}], [], id="nothing"),
    ],
)
def test_calls_of_deltas(deltas: list[Any], wanted: list[tuple[str, str]]) -> None:
    assert calls_of(*deltas) == wanted


def test_a_repeated_id_is_made_new_and_the_one_of_the_provider_kept() -> None:
    calls = ToolCallDeltas(is_taken={"call_0"}.__contains__)
    chunks = [*calls.add(call(0, "call_0", "f", A)), *calls.add(call(1, "call_0", "f", B)), *calls.end()]
    begins = [chunk for chunk in chunks if isinstance(chunk, ToolCallBeginChunk)]
    assert len({begin.tool_call_id for begin in begins} | {"call_0"}) == 3
    assert [one.provider_id for one in calls.calls] == ["call_0", "call_0"]
    assert [one.id for one in calls.calls] == [begin.tool_call_id for begin in begins]


def test_a_late_id_is_kept_for_the_provider() -> None:
    calls = ToolCallDeltas()
    list(calls.add(call(0, None, "f", "{")))
    list(calls.add(call(0, "late", None, "}")))
    (one,) = calls.calls
    assert one.provider_id == "late"
    assert one.id != "late"


def test_ids_that_are_made_up_differ_between_responses() -> None:
    parts = [*parts_of(call(0, None, "f", A)), *parts_of(call(0, None, "f", A))]
    assert parts[0].id != parts[1].id


def test_arguments_are_passed_on_as_they_come() -> None:
    calls = ToolCallDeltas()
    assert list(calls.add(call(0, "1", "f", ""))) == []
    assert list(calls.add(call(0, None, None, "{"))) == [ToolCallBeginChunk("1", "f"), ToolCallDeltaChunk("1", "{")]
    assert list(calls.add(call(0, None, None, "}"))) == [ToolCallDeltaChunk("1", "}")]
    assert list(calls.end()) == [ToolCallDeltaChunk("1", "", is_final=True)]


def test_arguments_that_are_held_back_are_bounded() -> None:
    calls = ToolCallDeltas()
    for _ in range(3):
        list(calls.add(call(0, "1", "f", '"' + "x" * 500_000)))
    list(calls.add(call(1, "2", None, "x" * 1_500_000)))
    assert all(one.has_begun for one in calls.calls)


def test_calls_of_a_stream_that_is_cut_stay_open() -> None:
    calls = ToolCallDeltas()
    chunks = [*calls.add(call(0, "1", "f", '{"a":')), *calls.add(call(1, "2", "g", "")), *calls.end(is_cut=True)]
    assert ToolCallBeginChunk("2", "g") in chunks
    assert not any(isinstance(chunk, ToolCallDeltaChunk) and chunk.is_final for chunk in chunks)
