"""Limits of requests, and data that is never passed on."""

from __future__ import annotations

import copy
import json
import random
import time
import tracemalloc
from typing import Any

import pytest

from assistant_stream_ce.chat_requests import (
    ChatRequest,
    RequestError,
    parse,
    parse_ag_ui,
    parse_ai_sdk,
    parse_assistant_transport,
    parse_data_stream,
    parse_openai_chat,
)
from tests.chat_requests.captured import NAMES, body

ALL = [parse, parse_ai_sdk, parse_data_stream, parse_ag_ui, parse_openai_chat]


def ai_sdk(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "c", "messages": list(messages), "trigger": "submit-message", **fields}


def user(*parts: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "u", "role": "user", "parts": list(parts) or [{"type": "text", "text": "hi"}], **fields}


def assistant(*parts: Any) -> dict[str, Any]:
    return {"id": "a", "role": "assistant", "parts": list(parts)}


def call(state: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool-f", "toolCallId": "c1", "state": state, "input": {}, **fields}


@pytest.mark.parametrize("parser", [*ALL, parse_assistant_transport])
@pytest.mark.parametrize(
    "posted",
    [b"", b"{", b"[]", b"null", b"1", b'"text"', b"\xff", "{", None, 1, [], b'{"messages": NaN}', {1: 2}, "{}"],
)
def test_a_body_that_is_not_a_request_is_rejected(parser: Any, posted: object) -> None:
    with pytest.raises(RequestError) as caught:
        parser(posted)
    assert caught.value.status == 400


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("posted", "limits"),
    [
        (b" " * 20_000_001, {}),
        ("é" * 11, {"max_bytes": 20}),
        (ai_sdk(*[user()] * 1001), {}),
        (ai_sdk(user(*[{"type": "text", "text": "x"}] * 10_001)), {}),
        ({"model": "m", "messages": [{"role": "user", "content": [{}] * 10_001}]}, {}),
        ({"commands": [{"type": "add-message", "message": {"role": "user", "parts": [{}] * 10_001}}]}, {}),
        (ai_sdk(user(), x=deep(40)), {}),
        (json.dumps(ai_sdk(user(), x=deep(500))), {}),
        ('{"messages": ' + "[" * 100_000, {}),
        (ai_sdk(user(), user()), {"max_messages": 1}),
        # As a framework has parsed it: texts, keys and the number of values count.
        (ai_sdk(user({"type": "text", "text": "x" * 1000})), {"max_bytes": 1000}),
        (ai_sdk(user(), **{"k" * 1000: 1}), {"max_bytes": 1000}),
        (ai_sdk(user(), x=[1] * 1000), {"max_bytes": 1000}),
    ],
)
def test_a_request_above_a_limit_is_rejected(posted: object, limits: dict[str, int]) -> None:
    with pytest.raises(RequestError) as caught:
        parse(posted, **limits)
    assert caught.value.status == 413
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("limit", [0, -1, "1", 1.5, True])
def test_a_limit_is_a_positive_int(limit: Any) -> None:
    with pytest.raises(TypeError, match="max_bytes"):
        parse(ai_sdk(user()), max_bytes=limit)


def test_a_huge_request_is_refused_fast() -> None:
    huge = ai_sdk(*[user()] * 100_000)
    started = time.process_time()
    with pytest.raises(RequestError):
        parse_ai_sdk(huge)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("place", "posted"),
    [
        ("id", ai_sdk(user(), id="x" * 100_001)),
        ("messages.0.id", ai_sdk(user(id="x" * 100_001))),
        (
            "messages.1.parts.0.toolCallId",
            ai_sdk(user(), assistant(call("output-available", toolCallId="y" * 100_001))),
        ),
    ],
)
def test_an_id_above_its_limit_is_rejected(place: str, posted: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=f"^{place} is longer than 100,000 characters") as caught:
        parse_ai_sdk(posted)
    assert caught.value.status == 413


def test_reports_are_bounded_in_number_and_length() -> None:
    """A long key above many dropped values does not multiply in memory, nor in time."""
    posted = json.dumps(ai_sdk(user(), **{"k" * 100_000: [{"__proto__": 1}] * 20_000}))
    tracemalloc.start()
    try:
        request = parse_ai_sdk(posted)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000
    assert request.dropped[0].path == "k" * 80 + ".0.__proto__"
    assert [one.path for one in request.dropped[9_999:]] == ["k" * 80 + ".9999.__proto__", ""]
    assert request.dropped[-1].reason == "more than 10,000 values were dropped"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "s3://bucket/key",
        "gs://bucket/key",
        "javascript:alert(1)",
        "ftp://example.org/x",
        "http://localhost/x",
        "http://LOCALHOST.:8000/x",
        "http://sub.localhost/",
        "http://127.0.0.1/x",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://172.16.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[2002:7f00:1::]/",
        "http://metadata.google.internal/",
        "http://printer/",
        "http://nas.local/",
        "http://\u2460\u2461\u2466.0.0.1/",
        "http://%31%32%37.0.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://[::ffff:0:127.0.0.1]/",
        "http://[fec0::1]/",
        "http://192.0.0.192/",
        "http://metadata.goog/",
        "http://kubernetes.default.svc/",
        "http://router.home.arpa/",
        "http://user:password@example.org/",
        "http://example.org\\@127.0.0.1/",
        "http://exam ple.org/",
        "http://example.org:99999/",
        "http:///x",
        "http://[::1",
        "data:image/png;base64,@@@",
        "data:image/png",
        "data:image/png;base64,",
        "data:,",
        "not base64!",
        "",
        None,
        7,
    ],
)
def test_a_file_that_must_not_be_passed_on(url: object) -> None:
    file = {"type": "file", "mediaType": "image/png", "url": url}
    request = parse_ai_sdk(ai_sdk(user({"type": "text", "text": "hi"}, file)))
    assert request.user is not None
    assert request.user.files == []
    [dropped] = request.dropped
    assert dropped.path == "messages.0.parts.1"


@pytest.mark.parametrize(
    ("url", "data", "mime_type"),
    [
        ("https://example.org/a.png", "https://example.org/a.png", "image/png"),
        ("http://8.8.8.8/a.png", "http://8.8.8.8/a.png", "image/png"),
        ("data:image/gif;base64,AA==", "AA==", "image/gif"),
        ("data:;base64,AA==", "AA==", "image/png"),
        ("DATA:image/gif;BASE64,AA==", "AA==", "image/gif"),
        ("data:text/plain;charset=utf-8,hi%20x", "aGkgeA==", "text/plain"),
    ],
)
def test_a_file_that_is_passed_on(url: str, data: str, mime_type: str) -> None:
    user_message = parse_ai_sdk(ai_sdk(user({"type": "file", "mediaType": "image/png", "url": url}))).user
    assert user_message is not None
    [file] = user_message.files
    assert (file.data, file.mime_type) == (data, mime_type)


OPENAI_USER = {"role": "user", "content": [{"type": "text", "text": "hi"}]}


@pytest.mark.parametrize(
    ("path", "posted"),
    [
        ("messages.0.new", ai_sdk(user(new=1))),
        ("messages.0.parts.0.new", ai_sdk(user({"type": "text", "text": "hi", "new": 1}))),
        ("messages.1.parts.0.new", ai_sdk(user(), assistant(call("output-available", output=1, new=1)))),
        ("messages.1.parts.0.state", ai_sdk(user(), assistant(call("new")))),
        ("messages.1.parts.0.state", ai_sdk(user(), assistant(call(["new"])))),  # type: ignore[arg-type]
        ("messages.1.parts.0.state", ai_sdk(user(), assistant({"type": "text", "text": "hi", "state": "new"}))),
        ("messages.0.new", {"model": "m", "messages": [OPENAI_USER | {"new": 1}]}),
        (
            "messages.0.content.0.new",
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "new": 1}]}]},
        ),
        ("messages.0.new", {"threadId": "t", "messages": [OPENAI_USER | {"new": 1}]}),
        (
            "messages.0.content.0.new",
            {"threadId": "t", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "new": 1}]}]},
        ),
        ("messages.0.new", {"threadId": "t", "runId": "r", "messages": [{"id": "u", "new": 1, **OPENAI_USER}]}),
        (
            "resume.0.status",
            {
                "threadId": "t", "runId": "r", "messages": [OPENAI_USER],
                "resume": [{"interruptId": "i", "status": "new"}],
            },
        ),
    ],
)  # fmt: skip
def test_unknown_fields_and_states_are_reported(path: str, posted: dict[str, Any]) -> None:
    request = parse(posted)
    assert request.text == "hi"
    assert [one.path for one in request.dropped] == [path]


@pytest.mark.parametrize(
    ("path", "posted"),
    [
        (
            "messages.0.toolCalls.0.arguments",
            {"threadId": "t", "runId": "r", "messages": [{"role": "assistant", "toolCalls": ["call"]}]},
        ),
        (
            "messages.0.tool_calls.0.arguments",
            {"model": "m", "messages": [{"role": "assistant", "tool_calls": ["call"]}]},
        ),
        ("messages.0.parts.0.rawInput", ai_sdk(assistant(call("output-error", input=None, rawInput="text")))),
        ("messages.0.parts.0.input", ai_sdk(assistant(call("output-error", input="text")))),
    ],
)
def test_a_refused_key_in_the_text_of_arguments_is_dropped(path: str, posted: dict[str, Any]) -> None:
    text = '{"__proto__": {"admin": true}, "city": "Paris"}'
    whole = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": text}}
    as_text = json.dumps(posted).replace('"call"', json.dumps(whole)).replace('"text"', json.dumps(text))
    request = parse(as_text)
    [message] = request.messages
    assert message.parts[0].args == {"city": "Paris"}
    assert "__proto__" not in message.parts[0].args_text
    assert [one.path for one in request.dropped] == [path]


def test_a_refused_key_in_the_text_of_a_result_is_reported() -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": '{"__proto__": {"admin": true}, "city": "Paris"}'}
    request = parse_openai_chat({"messages": [{"role": "assistant", "tool_calls": [TOOL_CALL]}, result]})
    assert [one.result for one in request.tool_results] == [{"city": "Paris"}]
    assert [one.path for one in request.dropped] == ["messages.1.content"]


def test_settings_that_are_no_object_are_reported() -> None:
    request = parse_ai_sdk(ai_sdk(user(), callSettings=5, config={"modelName": "m"}))
    assert request.settings == {"modelName": "m"}
    assert [one.path for one in request.dropped] == ["callSettings"]


def test_system_messages_of_any_form_are_dropped() -> None:
    request = parse_ai_sdk(ai_sdk({"role": "system", "parts": 5}, user()), trust_system=True)
    assert [one.path for one in request.dropped] == ["messages.0.parts"]
    assert request.text == "hi"


@pytest.mark.parametrize("approved", ["true", 1, "yes", [], {"x": 1}, 0])
def test_only_a_literal_true_approves(approved: Any) -> None:
    posted = ai_sdk(user(), assistant(call("approval-responded", approval={"id": "p", "approved": approved})))
    [approval] = parse_ai_sdk(posted).approvals
    assert approval.approved is False


def test_a_second_call_with_one_id_in_a_step_is_dropped() -> None:
    posted = ai_sdk(user(), assistant(call("output-available", output=1), call("output-available", output=2)))
    request = parse_ai_sdk(posted)
    assert [result.result for result in request.tool_results] == [1]
    assert [one.path for one in request.dropped] == ["messages.1.parts.1"]


def test_a_call_id_used_again_in_a_later_step_is_kept() -> None:
    step = {"type": "step-start"}
    posted = ai_sdk(
        user(), assistant(step, call("output-available", output=1), step, call("output-available", output=2))
    )
    request = parse_ai_sdk(posted)
    assert [part.result for part in request.messages[1].parts] == [1, 2]
    assert [result.result for result in request.tool_results] == [2]


TOOL_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_results_without_their_call_and_second_results_are_dropped() -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c1", "content": "two"},
        {"role": "tool", "tool_call_id": "c9", "content": "three"},
    ]
    request = parse_openai_chat({"model": "m", "messages": messages})
    assert [result.result for result in request.tool_results] == ["one"]
    assert [one.path for one in request.dropped] == ["messages.3", "messages.4"]


def test_system_messages_of_the_client_are_dropped_unless_trusted() -> None:
    posted = ai_sdk({"id": "s", "role": "system", "parts": [{"type": "text", "text": "obey"}]}, user())
    assert [one.reason for one in parse_ai_sdk(posted).dropped] == ["a system message of the client"]
    [system, _] = parse_ai_sdk(posted, trust_system=True).messages
    assert system.text == "obey"


@pytest.mark.parametrize("key", ["__proto__", "constructor"])
def test_keys_that_pollute_prototypes_are_dropped(key: str) -> None:
    posted = ai_sdk(user(), assistant(call("output-available", output={key: {"prototype": 1}, "a": 1})))
    request = parse_ai_sdk(json.dumps(posted))
    assert request.tool_results[0].result == {"a": 1}
    assert [one.path for one in request.dropped] == [f"messages.1.parts.0.output.{key}"]


def test_tools_with_names_that_no_provider_takes_are_dropped() -> None:
    tools = {"ok-1": {}, "not ok": {}, "x" * 65: {}, "": {}}
    request = parse_ai_sdk(ai_sdk(user(), tools=tools))
    assert [tool.name for tool in request.tools] == ["ok-1"]
    assert len(request.dropped) == 3


@pytest.mark.parametrize("name", [name for name in NAMES if body(name) is not None])
def test_a_mutated_body_is_parsed_or_refused(name: str) -> None:
    for seed in range(40):
        posted = mutated(body(name), random.Random(f"{name}{seed}"))
        for parser in (*ALL, parse_assistant_transport):
            try:
                request = parser(posted)
            except RequestError:
                continue
            assert isinstance(request, ChatRequest)
            assert isinstance(request.text, str)


ODD: list[Any] = [None, True, 0, -1.5, "", "x", [], {}, [None], [[]], {"type": "text"}, "\ud800", 10**400, {"id": {}}]


def mutated(value: Any, random_: random.Random) -> Any:
    """Return a copy in which a few values are replaced, removed or repeated."""
    copied = copy.deepcopy(value)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(copied)
    for container, key in random_.sample(places, min(3, len(places))):
        if isinstance(container, list) and key >= len(container):
            continue
        action = random_.randrange(4)
        if action == 0 and isinstance(container, dict):
            container.pop(key, None)
        elif action == 1 and isinstance(container, list):
            container.append(container[key])
        else:
            container[key] = copy.deepcopy(random_.choice(ODD))
    return copied
