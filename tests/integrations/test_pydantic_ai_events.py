"""Events of pydantic-ai, as plain data: what its models seldom send."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.integrations.agent_events import AgentTurn
from assistant_stream_ce.integrations.pydantic_ai_events import PydanticAIReader
from assistant_stream_ce.integrations.turn import TurnBuilder


class Result:
    """The result of a run."""

    def __init__(self, *responses: Any, output: Any = None) -> None:
        self.output = output
        self.responses = responses

    def all_messages(self) -> list[Any]:
        return [{"kind": "request"}, *self.responses]

    def new_messages_json(self) -> bytes:
        return b"[]"


def response(**more: Any) -> dict[str, Any]:
    return {"kind": "response", "usage": {"input_tokens": 2, "output_tokens": 1}, **more}


def read(events: list[Any], result: Result) -> tuple[list[AssistantStreamChunk], AgentTurn]:
    """Return the chunks and the turn of the events of one response."""
    turns: list[AgentTurn] = []

    def run(controller: RunController) -> None:
        reader = PydanticAIReader(TurnBuilder(controller))
        for event in [*events, {"event_kind": "agent_run_result", "result": result}]:
            reader.feed(event)
        turns.append(reader.end())

    return list(create_run(run)), turns[0]


def start(index: int, kind: str, **part: Any) -> dict[str, Any]:
    return {"event_kind": "part_start", "index": index, "part": {"part_kind": kind, **part}}


def end(index: int, kind: str, **part: Any) -> dict[str, Any]:
    return {"event_kind": "part_end", "index": index, "part": {"part_kind": kind, **part}}


def test_a_tool_of_the_provider_has_its_result() -> None:
    call = {"tool_name": "web_search", "tool_call_id": "s1", "args": {"query": "q"}}
    events = [
        start(0, "builtin-tool-call", **call),
        end(0, "builtin-tool-call", **call),
        start(1, "builtin-tool-return", tool_name="web_search", tool_call_id="s1", content=[{"url": "u"}]),
    ]
    _, turn = read(events, Result(response(finish_reason="stop")))
    [part] = turn.message.tool_calls
    assert (part.name, part.args, part.result) == ("web_search", {"query": "q"}, [{"url": "u"}])
    assert turn.tool_calls == []


def test_files_and_sources() -> None:
    citations = [{"sources": [{"kind": "web", "url": "https://e", "title": "E"}]}]
    delta = {"part_delta_kind": "text", "content_delta": "", "citations_delta": citations}
    events = [
        start(0, "text", content="a", citations=None),
        {"event_kind": "part_delta", "index": 0, "delta": delta},
        start(1, "file", content={"data": b"png", "media_type": "image/png"}),
    ]
    chunks, _ = read(events, Result(response()))
    [source] = [chunk for chunk in chunks if chunk.type == "source"]
    [file] = [chunk for chunk in chunks if chunk.type == "file"]
    assert (source.url, source.title) == ("https://e", "E")
    assert (file.data, file.mime_type) == ("cG5n", "image/png")


def test_encrypted_reasoning_is_no_signature() -> None:
    thinking = {"content": "hm", "signature": "s", "provider_name": "openai"}
    chunks, _ = read([start(0, "thinking", **thinking), end(0, "thinking", **thinking)], Result(response()))
    assert "reasoning-signature" not in {chunk.type for chunk in chunks}


def test_unknown_events_are_ignored() -> None:
    _, turn = read([{"event_kind": "later"}, start(0, "text", content="a"), start(1, "later")], Result(response()))
    assert (turn.text, turn.finish_reason) == ("a", "stop")


def test_an_event_object_of_an_earlier_release() -> None:
    """The result was in `result` once, and a retry a part of its own."""
    call = {"tool_name": "f", "tool_call_id": "c1", "args": "{}"}
    retry = {"part_kind": "retry-prompt", "tool_name": "f", "tool_call_id": "c1", "content": "again"}
    events = [start(0, "tool-call", **call), end(0, "tool-call", **call)]
    events.append({"event_kind": "function_tool_result", "result": retry})
    chunks, _ = read(events, Result(response()))
    [result] = [chunk for chunk in chunks if chunk.type == "tool-result"]
    assert (result.result, result.is_error) == ("again", True)
