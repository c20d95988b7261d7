"""What real servers send, the real clients show: from Starlette under uvicorn and from Flask under werkzeug.

The JavaScript clients read the responses themselves, so the headers are held to what they look at. The
OpenAI client of Python reads the same endpoint: tool calls, usage, and errors that it raises.
"""

from __future__ import annotations

import functools
import logging
import logging.handlers
import queue
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from assistant_stream_ce import AssistantStream, create_run
from assistant_stream_ce.responses.body import ResponseBody
from assistant_stream_ce.serialization import OpenAIStreamEncoder
from tests.conformance.clients import decode_url, require_clients
from tests.conformance.expected import assistant_ui_message, difference, openai_message
from tests.conformance.random_conversations import failure, shown_by_openai
from tests.support.conversations import Act, Conversation, ModelError, perform
from tests.support.kinds import CALLBACK_KINDS, as_kind
from tests.support.require import require
from tests.support.web_servers import serving_asgi, serving_wsgi

if TYPE_CHECKING:
    import openai

MODEL = "small-model"
HEADERS = {
    "data-stream": ("text/plain; charset=utf-8", "x-vercel-ai-data-stream"),
    "assistant-transport": ("text/event-stream; charset=utf-8", None),
    "openai-chat": ("text/event-stream; charset=utf-8", None),
    "ui-message-stream": ("text/event-stream; charset=utf-8", "x-vercel-ai-ui-message-stream"),
}
FORMAT_HEADERS = {name for _, name in HEADERS.values() if name}

WEATHER = Conversation(
    0,
    "assistant-ui",
    None,
    (
        Act("append_reasoning", {"text": "The user wonders "}),
        Act("append_reasoning", {"text": "about Paris."}),
        Act("append_text", {"text": "Let me look\u2028\ud83d"}),
        Act("append_text", {"text": "\ude00\n"}),
        Act("add_tool_call", {"tool_name": "get_weather", "tool_call_id": "t1"}),
        Act("tool.append_args_text", {"tool_call_id": "t1", "text": '{"city": "P\\u00'}),
        Act("add_tool_call", {"tool_name": "now", "tool_call_id": "t2"}),
        Act("tool.append_args_text", {"tool_call_id": "t1", "text": 'e2ris"}'}),
        Act("tool.set_response", {"tool_call_id": "t1", "result": {"celsius": None}, "artifact": {"map": [1]}}),
        Act("add_source", {"id": "s1", "url": "https://example.org", "title": "Forecast"}),
        Act("add_data", {"data": {"took": 0.5}}),
        Act("state", {"kind": "set", "path": [], "value": {"text": ""}}),
        Act("append_state_text", {"path": ["text"], "text": "21 degrees"}),
        Act("append_text", {"text": "It is 21 degrees."}, "t1"),
        Act("add_step_finish", {"finish_reason": "stop", "input_tokens": 3, "output_tokens": 4, "is_continued": False}),
    ),
)
BROKEN = Conversation(1, "assistant-ui", None, (*WEATHER.acts[:6], Act("raise", {"text": "the model broke off"})))
CONVERSATIONS = {"weather": WEATHER, "broken": BROKEN}


def make_stream(name: str, kind: str) -> AssistantStream:
    """Return the stream of a conversation."""
    return create_run(as_kind(kind, functools.partial(perform, CONVERSATIONS[name])))


def openai_options(body: dict[str, Any]) -> dict[str, Any]:
    """Return what an OpenAI endpoint reads from a request."""
    return {"model": body["model"], "include_usage": (body.get("stream_options") or {}).get("include_usage", False)}


# --- Servers --------------------------------------------------------------------------------------


def make_starlette() -> Any:
    """Return the endpoints as a Starlette application."""
    require(find_spec("starlette"), "starlette is not installed")
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.routing import Route

    from assistant_stream_ce.responses.starlette import (
        AGUIResponse,
        AssistantTransportResponse,
        DataStreamResponse,
        OpenAIStreamResponse,
        UIMessageStreamResponse,
    )

    responses: dict[str, Callable[[AssistantStream], Any]] = {
        "data-stream": DataStreamResponse,
        "assistant-transport": AssistantTransportResponse,
        "ui-message-stream": functools.partial(UIMessageStreamResponse, message_id="m1"),
        "ag-ui": functools.partial(AGUIResponse, run_id="r1"),
    }

    async def answer(request: Request) -> Any:
        parameters = request.path_params
        return responses[parameters["protocol"]](make_stream(parameters["name"], parameters["kind"]))

    async def complete(request: Request) -> Any:
        parameters = request.path_params
        options = openai_options(await request.json())
        return OpenAIStreamResponse(make_stream(parameters["name"], parameters["kind"]), **options)

    return Starlette(
        routes=[
            Route("/{name}/{kind}/chat/completions", complete, methods=["POST"]),
            Route("/{name}/{kind}/{protocol}", answer, methods=["POST"]),
        ]
    )


def make_flask() -> Any:
    """Return the endpoints as a Flask application."""
    require(find_spec("flask"), "flask is not installed")
    import flask

    from assistant_stream_ce.responses.flask import (
        AGUIResponse,
        AssistantTransportResponse,
        DataStreamResponse,
        OpenAIStreamResponse,
        UIMessageStreamResponse,
    )

    app = flask.Flask("conformance")
    responses: dict[str, Callable[[AssistantStream], Any]] = {
        "data-stream": DataStreamResponse,
        "assistant-transport": AssistantTransportResponse,
        "ui-message-stream": functools.partial(UIMessageStreamResponse, message_id="m1"),
        "ag-ui": functools.partial(AGUIResponse, run_id="r1"),
    }

    @app.post("/<name>/<kind>/<protocol>")
    def answer(name: str, kind: str, protocol: str) -> Any:
        return responses[protocol](make_stream(name, kind))

    @app.post("/<name>/<kind>/chat/completions")
    def complete(name: str, kind: str) -> Any:
        return OpenAIStreamResponse(make_stream(name, kind), **openai_options(flask.request.get_json()))

    return app


SERVERS: dict[str, Callable[[], Any]] = {
    "starlette": lambda: serving_asgi(make_starlette()),
    "flask": lambda: serving_wsgi(make_flask()),
}


@pytest.fixture(scope="module", params=SERVERS)
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Serve the endpoints."""
    with SERVERS[request.param]() as url:
        yield url


# --- The JavaScript clients -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("protocol", ["data-stream", "assistant-transport"])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_assistant_ui_shows_what_was_written(
    address: str, name: str, protocol: str, kind: str, log: queue.SimpleQueue[logging.LogRecord]
) -> None:
    require_clients()
    result = decode_url(protocol, f"{address}/{name}/{kind}/{protocol}", {})
    assert result["status"] == 0, f"{result['error']} {result['warnings']}"
    assert difference(assistant_ui_message(CONVERSATIONS[name], protocol), result["message"]) is None
    assert_headers(protocol, result["response"])
    assert_logged(name, log)


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("protocol", ["ui-message-stream", "ai-sdk-ui", "ai-sdk-ui-v6", "ai-sdk-ui-v5"])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_readers_of_the_ui_message_stream_show_what_was_written(
    address: str, name: str, protocol: str, kind: str, log: queue.SimpleQueue[logging.LogRecord]
) -> None:
    require_clients()
    result = decode_url(protocol, f"{address}/{name}/{kind}/ui-message-stream", {})
    assert failure(protocol, CONVERSATIONS[name], result, "m1") is None
    assert_headers("ui-message-stream", result["response"])
    assert_logged(name, log)


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_openai_for_javascript_has_what_was_written(
    address: str, name: str, kind: str, log: queue.SimpleQueue[logging.LogRecord]
) -> None:
    require_clients()
    body = {"model": MODEL, "stream_options": {"include_usage": True}}
    result = decode_url("openai-chat", f"{address}/{name}/{kind}/chat/completions", body)
    assert result["status"] == 0, f"{result['error']} {result['warnings']}"
    assert difference(openai_message(CONVERSATIONS[name]), shown_by_openai(result)) is None
    assert_headers("openai-chat", result["response"])
    assert_logged(name, log)


def assert_headers(protocol: str, response: dict[str, Any]) -> None:
    """Check the headers that clients and proxies look at."""
    content_type, format_header = HEADERS[protocol]
    headers = response["headers"]
    assert response["status"] == 200
    assert headers["content-type"] == content_type
    assert {name: headers[name] for name in FORMAT_HEADERS & headers.keys()} == (
        {format_header: "v1"} if format_header else {}
    )
    assert "no-cache" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"
    assert "content-length" not in headers


@pytest.fixture
def log() -> Iterator[queue.SimpleQueue[logging.LogRecord]]:
    """Return what the library logs while the test runs."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)
    # Formatting would drop the exception.
    handler.prepare = lambda record: record  # type: ignore[method-assign]
    logger = logging.getLogger("assistant_stream_ce")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)
    assert records.empty()


def assert_logged(name: str, log: queue.SimpleQueue[logging.LogRecord]) -> None:
    """Hold that an exception of the callback is logged, perhaps only after the client has seen the error."""
    if name == "broken":
        record = log.get(timeout=5)
        assert record.levelno == logging.ERROR
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], ModelError)


# --- The OpenAI client of Python ------------------------------------------------------------------


@pytest.fixture
def client(address: str) -> Iterator[Callable[..., openai.OpenAI]]:
    """Return what makes a client of an endpoint."""
    require(find_spec("openai"), "openai is not installed")
    import openai

    # No proxy of the machine's, and no second try.
    with openai.DefaultHttpxClient(trust_env=False) as http_client:
        yield lambda name, kind: openai.OpenAI(
            api_key="unused", base_url=f"{address}/{name}/{kind}", max_retries=0, http_client=http_client
        )


QUESTION: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "What is the weather in Paris?"}]}


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_openai_for_python_has_what_was_written(client: Callable[..., openai.OpenAI], kind: str) -> None:
    with client("weather", kind).chat.completions.stream(**QUESTION) as stream:
        completion = stream.get_final_completion()
    assert completion.model == MODEL
    assert completion.usage is None
    assert_completion(completion)


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_openai_for_python_gets_the_usage_it_asks_for(client: Callable[..., openai.OpenAI], kind: str) -> None:
    question = {**QUESTION, "stream_options": {"include_usage": True}}
    with client("weather", kind).chat.completions.stream(**question) as stream:
        completion = stream.get_final_completion()
    assert_completion(completion)
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (3, 4)
    assert completion.usage.total_tokens == 7


def assert_completion(completion: Any) -> None:
    """Compare a completion with the conversation."""
    wanted = openai_message(WEATHER)
    (choice,) = completion.choices
    message = choice.message
    calls = [call.model_dump(include={"id", "type", "function"}) for call in message.tool_calls]
    for call in calls:
        call["function"] = {name: call["function"][name] for name in ("name", "arguments")}
    got = {"content": message.content, "reasoning": message.reasoning_content, "tool_calls": calls}
    assert message.role == "assistant"
    assert choice.finish_reason == wanted["finish_reason"] == "stop"
    assert difference({name: wanted[name] for name in got}, got) is None


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_openai_for_python_raises_the_error(
    client: Callable[..., openai.OpenAI], kind: str, log: queue.SimpleQueue[logging.LogRecord]
) -> None:
    import openai

    text = ""
    with (
        client("broken", kind).chat.completions.create(**QUESTION, stream=True) as stream,
        pytest.raises(openai.APIError, match="the model broke off"),
    ):
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
    assert text == "Let me look\u2028\ud83d\ude00\n"
    assert_logged("broken", log)


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_exception_is_logged_although_the_client_disconnects_at_the_error(
    kind: str, log: queue.SimpleQueue[logging.LogRecord]
) -> None:
    body = ResponseBody(make_stream("broken", kind), OpenAIStreamEncoder(), True)
    while b"the model broke off" not in next(body):
        pass
    body.close()
    assert_logged("broken", log)
