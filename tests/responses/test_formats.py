"""The response of each format: the same in every framework, with explicit keywords and its own media type."""

from __future__ import annotations

import importlib
import inspect
import json
import time
from typing import Any

import pytest

from assistant_stream_ce import TextDeltaChunk, create_run
from assistant_stream_ce.responses import formats, wsgi
from assistant_stream_ce.serialization import PlainTextEncoder, UIMessageStreamEncoder

COMMON = {"stream", "heartbeat", "event_ids", "status", "headers"}

#: The keywords of each framework besides the common ones.
FRAMEWORKS = {"starlette": {"status_code", "background"}, "flask": set(), "django": {"reason"}, "wsgi": set()}

#: The keywords of each format, and its media type.
FORMATS = {
    "DataStream": (set(), "text/plain"),
    "AssistantTransport": (set(), "text/event-stream"),
    "OpenAIStream": ({"model", "include_usage", "completion_id", "created"}, "text/event-stream"),
    "UIMessageStream": ({"message_id", "metadata", "state"}, "text/event-stream"),
    "AGUI": ({"thread_id", "run_id", "state"}, "text/event-stream"),
    "PlainText": (set(), "text/plain"),
}


def response_class(framework: str, name: str) -> Any:
    return getattr(importlib.import_module(f"assistant_stream_ce.responses.{framework}"), f"{name}Response")


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", FORMATS)
def test_signature_and_docstring_name_every_keyword(framework: str, name: str) -> None:
    kind = response_class(framework, name)
    options, media_type = FORMATS[name]
    for signature in inspect.signature(kind), inspect.signature(kind.__init__):
        assert set(signature.parameters) - {"self"} == COMMON | FRAMEWORKS[framework] | options
    assert kind.media_type == media_type
    documented = inspect.getdoc(kind) or ""
    assert [name for name in inspect.signature(kind).parameters if f"\n    {name}: " not in documented] == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", FORMATS)
def test_an_unknown_keyword_is_rejected_with_the_known_ones(framework: str, name: str) -> None:
    kind = response_class(framework, name)
    with pytest.raises(
        TypeError, match=rf"{name}Response\(\) got unexpected keywords: stauts; it takes .*headers, heartbeat"
    ):
        kind([TextDeltaChunk("a")], stauts=200)


@pytest.mark.parametrize(
    ("framework", "name", "options", "message"),
    [
        *(
            (framework, "DataStream", options, message)
            for framework in FRAMEWORKS
            for options, message in [
                ({"heartbeat": "15"}, "heartbeat must be True, False or seconds, not str"),
                ({"heartbeat": -1}, "heartbeat must be more than 0 seconds"),
                ({"headers": {"x-a": 1}}, "headers must be a dict of texts"),
                ({"headers": {"x-a": "1\n2"}}, "headers has a value for x-a"),
                ({"status": True}, "status must be an int"),
                ({"status": 99}, "status must be from 200 to 599"),
            ]
        ),
        ("starlette", "DataStream", {"status_code": "200"}, "status must be an int, not str"),
        ("starlette", "DataStream", {"background": print}, r"background must be a BackgroundTask.*BackgroundTask\("),
        ("django", "DataStream", {"reason": "OK\n"}, "reason must be a printable str"),
        ("django", "DataStream", {"reason": 5}, "reason must be a printable str"),
        ("wsgi", "UIMessageStream", {"message_id": 42}, "message_id must be a str or None, not int"),
        ("wsgi", "OpenAIStream", {"model": None}, "model must be a str, not NoneType"),
        ("wsgi", "AGUI", {"thread_id": 5}, "thread_id must be a str or None, not int"),
    ],
)
def test_options_are_checked_at_the_call(framework: str, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        response_class(framework, name)([TextDeltaChunk("a")], **options)


def body_of(response: Any) -> bytes:
    return b"".join(response.body)


def test_the_openai_response_has_the_time_of_its_creation() -> None:
    before = int(time.time())
    body = body_of(wsgi.OpenAIStreamResponse([TextDeltaChunk("a")], model="m"))
    event = json.loads(body.split(b"\n")[0].removeprefix(b"data: "))
    assert before <= event["created"] <= time.time()
    assert event["model"] == "m"
    body = body_of(wsgi.OpenAIStreamResponse([TextDeltaChunk("a")], created=5))
    assert b'"created":5' in body


def test_a_subclass_may_replace_the_encoder() -> None:
    class ShoutingEncoder(PlainTextEncoder):
        def encode(self, chunk: Any) -> bytes:
            return super().encode(chunk).upper()

    class ShoutingResponse(wsgi.PlainTextResponse):
        make_encoder = ShoutingEncoder

    assert body_of(ShoutingResponse([TextDeltaChunk("a")])) == b"A"


def test_a_subclass_may_have_its_own_keywords() -> None:
    class TenantResponse(wsgi.UIMessageStreamResponse):
        def __init__(self, stream: Any, *, tenant: str, **options: Any) -> None:
            super().__init__(stream, metadata={"tenant": tenant}, **options)

    assert b'"tenant":"a"' in body_of(TenantResponse(create_run(lambda c: None), tenant="a", message_id="m"))


def test_a_framework_gets_each_format_by_two_lines() -> None:
    class AssistantStreamResponse:
        """Collects a stream, for a toy framework.

        Args:
            stream: what to send.
            encoder: how to write it.
            colour: of the envelope,
                in words.
        """

        def __init__(self, stream: Any, encoder: Any, *, colour: str = "white") -> None:
            self.sent = (colour, b"".join(encoder.encode_stream(stream)))

    class UIMessageStreamResponse(formats.UIMessageStream, AssistantStreamResponse):  # type: ignore[misc]
        """Streams the UI message stream."""

    response = UIMessageStreamResponse([TextDeltaChunk("a")], message_id="m1", colour="red")  # type: ignore[call-arg]
    encoder = UIMessageStreamEncoder(message_id="m1")
    assert response.sent == ("red", encoder.encode(TextDeltaChunk("a")) + encoder.finish())
    assert "colour" in inspect.signature(UIMessageStreamResponse).parameters
    assert "    colour: of the envelope,\n        in words.\n" in f"{inspect.getdoc(UIMessageStreamResponse)}\n"
