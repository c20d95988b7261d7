"""AG-UI in its real clients: `@ag-ui/client` 1.0.0, and 0.0.59 of the line that assistant-ui depends on."""

from __future__ import annotations

import copy
import functools
import importlib.util
import json
import random
from typing import Any

import pytest
from pydantic import TypeAdapter

from assistant_stream_ce import (
    AssistantStreamChunk,
    ErrorChunk,
    TextDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
)
from assistant_stream_ce.serialization import AGUIEncoder
from tests.conformance import random_conversations, test_any_chunks, test_state_edits
from tests.conformance.clients import Job, decode, decode_all, require_clients
from tests.conformance.expected import difference
from tests.conformance.expected_ag_ui import ag_ui_run, shown_by_ag_ui
from tests.support.conversations import Conversation, conversation
from tests.support.random_chunks import random_chunk
from tests.support.require import require

PROTOCOLS = ("ag-ui", "ag-ui-v0")
SEEDS = range(200)

each_client = pytest.mark.parametrize("protocol", PROTOCOLS)
each_fragment = pytest.mark.parametrize("fragment", [None, 1], ids=["whole", "byte by byte"])


def events_of(data: bytes) -> list[Any]:
    """Return the events of a wire, without its keepalives."""
    lines = data.decode().split("\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


@functools.cache
def conversations() -> list[tuple[Conversation, bytes]]:
    """Return the random conversations with their bytes."""
    made = map(conversation, SEEDS)
    return [(talk, random_conversations.encode(talk, AGUIEncoder(state=talk.state))) for talk in made]


@pytest.mark.timeout(180)
@each_fragment
@each_client
def test_clients_show_what_was_written(protocol: str, fragment: int | None) -> None:
    require_clients()
    written = conversations()
    jobs = [Job(protocol, data, fragment, talk.state) for talk, data in written]
    for (talk, data), result in zip(written, decode_all(jobs), strict=True):
        if result["status"] != 0:
            found: str | None = f"the client failed: {result['error']} {result['warnings']}"
        else:
            wanted, got = ag_ui_run(talk), shown_by_ag_ui(result)
            if not keeps_state(protocol, wanted["state"], data):
                wanted["state"] = got["state"]
            found = difference(wanted, got) or difference(pending(talk), pending_in(result, talk), "pending")
        assert not found, random_conversations.report(talk, data, found or "")


def keeps_state(protocol: str, state: Any, data: bytes) -> bool:
    """Return whether a client has a state in the end: the older one stays with the former when it is falsy."""
    was_told = b'"STATE_SNAPSHOT"' in data
    return was_told and (protocol == "ag-ui" or isinstance(state, (dict, list)) or bool(state))


def pending(talk: Conversation) -> list[str]:
    """Return the calls without a result."""
    begun = [act.values["tool_call_id"] for act in talk.acts if act.what == "add_tool_call"]
    answered = {act.values["tool_call_id"] for act in talk.acts if act.what == "tool.set_response"}
    return [call_id for call_id in begun if call_id not in answered]


def pending_in(result: dict[str, Any], talk: Conversation) -> list[str]:
    """Return the calls that a client takes for unanswered; only the newer one reports them, and only at a good end."""
    found: list[str] = result["message"].get("pendingToolCallIds", pending(talk))
    return found


def test_published_models_take_every_event_of_the_conversations() -> None:
    require(importlib.util.find_spec("ag_ui"), "ag-ui-protocol is not installed")
    take = TypeAdapter(importlib.import_module("ag_ui.core").Event).validate_json
    for _, data in conversations():
        for event in events_of(data):
            # Halves of a character are more than these models take; JavaScript's clients join them.
            taken = take(json.dumps(event, ensure_ascii=False).encode(errors="replace"))
            # A field that the models do not know would be kept aside, or lost.
            assert not taken.model_extra, event
            assert taken.type == event["type"]


@each_fragment
@each_client
def test_clients_accept_chunks_in_any_order(protocol: str, fragment: int | None) -> None:
    require_clients()
    sequences = []
    for seed in range(100):
        dice = random.Random(seed)
        sequences.append([random_chunk(dice) for _ in range(dice.choice((1, 5, 30)))])
    jobs = [Job(protocol, encode(chunks, {"a": {}}), fragment) for chunks in sequences]
    for chunks, result in zip(sequences, decode_all(jobs), strict=True):
        assert result["status"] == 0, f"{result['error']} {result['warnings']} for {chunks}"
        shown = {"text": "", "reasoning": ""}
        for message in result["message"]["messages"]:
            if message["role"] in ("assistant", "reasoning"):
                shown["text" if message["role"] == "assistant" else "reasoning"] += message.get("content", "")
        written = test_any_chunks.written_texts(chunks, has_summaries=False)
        assert difference(written, shown) is None


def encode(chunks: list[AssistantStreamChunk], state: object = None) -> bytes:
    """Return the whole wire of a run whose state starts as an object."""
    encoder = AGUIEncoder(state={} if state is None else state)
    return b"".join(map(encoder.encode, chunks)) + encoder.finish()


# --- The state ------------------------------------------------------------------------------------


@functools.cache
def edited() -> list[tuple[Any, Any, bytes]]:
    """Return initial states, the states after random edits, and the encoded edits."""
    return [test_state_edits.edited(lambda state: AGUIEncoder(state=state), seed) for seed in SEEDS]


@pytest.mark.timeout(120)
@each_client
@pytest.mark.parametrize("knows", [True, False], ids=["which has the state", "which has another one"])
def test_client_holds_what_the_callback_holds(protocol: str, knows: bool) -> None:
    require_clients()
    jobs = [Job(protocol, data, None, initial if knows else {"other": 1}) for initial, _, data in edited()]
    for (initial, expected, data), result in zip(edited(), decode_all(jobs), strict=True):
        assert result["status"] == 0, (result["error"], result["warnings"], data)
        if keeps_state(protocol, expected, data):
            assert difference(expected, result["message"]["state"]) is None, (initial, data)
        elif b'"STATE_SNAPSHOT"' not in data:
            assert expected == initial


@each_client
def test_every_key_of_a_state_can_be_reached(protocol: str) -> None:
    require_clients()
    keys = ["", " ", "/", "~", "~0", "~1", "a/b~c", "-", "0", "length", "toString", "\u2028", "\n", "\ud83d", "%20"]
    chunks: list[AssistantStreamChunk] = [UpdateStateChunk([{"type": "set", "path": ["list"], "value": []}])]
    expected: dict[str, Any] = {"list": []}
    for number, key in enumerate(keys):
        chunks.append(UpdateStateChunk([{"type": "set", "path": [key], "value": {key: "a"}}]))
        chunks.append(UpdateStateChunk([{"type": "append-text", "path": [key, key], "value": "b"}]))
        chunks.append(UpdateStateChunk([{"type": "set", "path": ["list", str(number)], "value": key}]))
        chunks.append(UpdateStateChunk([{"type": "set", "path": ["list", "0"], "value": None}]))
        expected[key] = {key: "ab"}
        expected["list"] = [None, *keys[1 : number + 1]]
    result = decode(protocol, encode(chunks))
    assert result["status"] == 0, result["warnings"]
    assert difference(expected, result["message"]["state"]) is None


@each_client
@pytest.mark.parametrize("state", [None, 0, "", 1, "text", [], [1], {}, {"a": None}])
def test_whole_state_may_be_any_value(protocol: str, state: Any) -> None:
    require_clients()
    chunks: list[AssistantStreamChunk] = [
        UpdateStateChunk([{"type": "set", "path": ["before"], "value": 1}]),
        UpdateStateChunk([{"type": "set", "path": [], "value": state}]),
    ]
    result = decode(protocol, encode(chunks))
    assert result["status"] == 0
    is_kept = keeps_state(protocol, state, b'"STATE_SNAPSHOT"')
    assert result["message"]["state"] == (state if is_kept else {"before": 1})


@each_client
@each_fragment
def test_halves_of_a_character_join_in_every_text_that_grows(protocol: str, fragment: int | None) -> None:
    require_clients()
    chunks = [*test_any_chunks.HALVES, *test_any_chunks.HALVES_OF_STATE]
    result = decode(protocol, encode(chunks), fragment=fragment)
    assert result["status"] == 0
    text, reasoning, call = result["message"]["messages"]
    assert text["content"] == "a\U0001f600b"
    assert reasoning["content"] == "\U0001f600"
    assert call["toolCalls"][0]["function"]["arguments"] == '{"a":"\U0001f600"}'
    assert result["message"]["state"] == {"a": "\U0001f600"}


# --- What the encoder relies on -------------------------------------------------------------------


@each_client
def test_error_loses_nothing_that_was_sent_in_the_same_write(protocol: str) -> None:
    require_clients()
    result = decode(protocol, encode([ErrorChunk("boom"), TextDeltaChunk("after"), ToolResultChunk("t", 1)]))
    assert result["status"] == 0
    assert result["streamErrors"] == ["boom"]
    assert [message["content"] for message in result["message"]["messages"]] == ["after", "1"]


@each_client
def test_next_run_of_the_thread_adds_messages(protocol: str) -> None:
    require_clients()
    first, second = encode([TextDeltaChunk("a")]), encode([TextDeltaChunk("b")])
    result = decode(protocol, first + second)
    assert [message["content"] for message in result["message"]["messages"]] == ["a", "b"]


def test_caller_s_state_is_not_changed() -> None:
    state = {"a": ["x"]}
    before = copy.deepcopy(state)
    encode([UpdateStateChunk([{"type": "append-text", "path": ["a", "0"], "value": "y"}])], state)
    assert state == before
