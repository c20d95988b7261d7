"""Chunks of Gemini."""

from __future__ import annotations

import pytest

from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations.google_events import GoogleReader
from tests.integrations.feeding import feed


def chunk(*parts: dict[str, object], finish: str | None = None, **more: object) -> dict[str, object]:
    return {"candidates": [{"content": {"parts": list(parts)}, "finish_reason": finish, **more}]}


def test_texts_are_joined_but_signatures_stay_where_they_came() -> None:
    _, turn = feed(
        GoogleReader,
        [chunk({"text": "a"}), chunk({"text": "b"}), chunk({"text": "", "thought_signature": "AA=="}, finish="STOP")],
    )
    assert turn.messages[0]["parts"] == [{"text": "ab"}, {"text": "", "thought_signature": "AA=="}]


def test_arguments_in_pieces_of_json_path_and_value() -> None:
    def piece(*args: dict[str, object], name: str | None = None, goes_on: bool = True) -> dict[str, object]:
        call: dict[str, object] = {"partial_args": list(args), "will_continue": goes_on}
        return chunk({"function_call": {**({"name": name} if name else {}), **call}})

    events = [
        piece(name="f"),
        piece({"json_path": "$.city", "string_value": "Par"}),
        piece({"json_path": "$.city", "string_value": "is"}),
        piece({"json_path": "$.days[1].n", "number_value": 2.0}, {"json_path": "$.ok", "bool_value": True}),
        chunk({"text": "done"}, finish="STOP"),
    ]
    _, turn = feed(GoogleReader, events)
    assert turn.tool_calls[0].args == {"city": "Paris", "days": [None, {"n": 2}], "ok": True}
    assert turn.messages[0]["parts"][0]["function_call"]["args"] == turn.tool_calls[0].args


def test_a_blocked_prompt() -> None:
    _, turn = feed(GoogleReader, [{"prompt_feedback": {"block_reason": "SAFETY"}}])
    assert turn.finish_reason == "content-filter"


@pytest.mark.parametrize("empty", [{"candidates": None}, {"candidates": [{"content": None}]}, {}])
def test_chunks_without_content(empty: dict[str, object]) -> None:
    _, turn = feed(GoogleReader, [empty, chunk(finish="MALFORMED_FUNCTION_CALL")])
    assert (turn.finish_reason, turn.messages) == ("error", [])


def test_code_that_the_provider_ran() -> None:
    events = [
        chunk({"executable_code": {"code": "1+1"}}),
        chunk({"code_execution_result": {"outcome": "OUTCOME_FAILED", "output": "no"}}, finish="STOP"),
    ]
    _, turn = feed(GoogleReader, events)
    assert (turn.message.tool_calls[0].name, turn.message.tool_calls[0].is_error) == ("code_execution", True)


def test_sources() -> None:
    grounding = {"grounding_chunks": [{"web": {"uri": "https://e", "title": "E"}}]}
    chunks, _ = feed(GoogleReader, [chunk({"text": "a"}, finish="STOP", grounding_metadata=grounding)])
    assert [one.url for one in chunks if one.type == "source"] == ["https://e"]


def test_a_stream_without_an_end() -> None:
    with pytest.raises(ModelStreamError, match="incomplete"):
        feed(GoogleReader, [chunk({"text": "a"})])
