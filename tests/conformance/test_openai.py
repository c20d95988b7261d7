"""One endpoint for requests with and without `stream: true`: both official clients get the same answer of both.

From Starlette under uvicorn and from Flask under werkzeug. An error, which is an event in one answer and the body in
the other, is the same API error to the clients; and they ask only once.
"""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from assistant_stream_ce import AssistantStream, RunController, RunFailedError, create_run
from assistant_stream_ce.serialization import acompletion, completion
from tests.conformance.clients import FOLDER, ONE_SECONDS, require_clients
from tests.conformance.expected import difference, openai_message
from tests.conformance.random_conversations import conversations, report
from tests.support.conversations import joined
from tests.support.kinds import CALLBACK_KINDS, as_kind
from tests.support.require import require
from tests.support.web_servers import serving_asgi, serving_wsgi

if TYPE_CHECKING:
    import openai

MODEL = "small-model"
ONCE = {"x-should-retry": "false"}


def weather(controller: RunController) -> None:
    controller.append_reasoning("They want the weather.")
    controller.append_text("Let me look\u2028\ud83d")
    controller.append_text("\ude00\n")
    first = controller.add_tool_call("get_weather", "t1")
    controller.add_tool_call("now", "t2")
    first.append_args_text('{"city": "P\\u00')
    first.append_args_text('e2ris"}')
    controller.add_tool_call("add", "t3", args={"a": 1})
    first.set_response({"celsius": None})
    controller.add_message_finish("tool-calls", input_tokens=3, output_tokens=4)


def refuse(controller: RunController) -> None:
    controller.append_refusal("I ")
    controller.append_refusal("will not.")


def send_nothing(controller: RunController) -> None:
    """Say nothing."""


def tell(controller: RunController) -> None:
    controller.append_text("Let me")
    controller.add_error("too many questions", code="rate_limit")


def fail(controller: RunController) -> None:
    controller.append_text("Let me")
    raise ConnectionError("the model broke off")


CALLBACKS = {callback.__name__: callback for callback in (weather, refuse, send_nothing, tell, fail)}


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


#: What the clients must have: the text, the refusal, the calls, the finish reason and the usage.
WANTED = {
    "weather": {
        "content": "Let me look\u2028\U0001f600\n",
        "refusal": None,
        "reasoning_content": "They want the weather.",
        "tool_calls": [
            call("t1", "get_weather", '{"city": "P\\u00e2ris"}'),
            call("t2", "now", "{}"),
            call("t3", "add", '{"a":1}'),
        ],
        "finish_reason": "tool_calls",
        "usage": [3, 4, 7],
    },
    "refuse": {
        "content": None,
        "refusal": "I will not.",
        "reasoning_content": None,
        "tool_calls": [],
        "finish_reason": "stop",
        "usage": [0, 0, 0],
    },
    "send_nothing": {
        "content": "",
        "refusal": None,
        "reasoning_content": None,
        "tool_calls": [],
        "finish_reason": "stop",
        "usage": [0, 0, 0],
    },
}
ERRORS = {
    "tell": {"message": "too many questions", "code": "rate_limit", "type": "server_error"},
    "fail": {"message": "the model broke off", "code": None, "type": "server_error"},
}


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what a client has, in the shape of WANTED."""
    (choice,) = answer["choices"]
    message, usage = choice["message"], answer["usage"]
    assert message["role"] == "assistant"
    assert answer["object"] == "chat.completion"
    assert answer["model"] == MODEL
    assert answer["id"] == "msg_1"
    assert 0 <= time.time() - answer["created"] < ONE_SECONDS
    return {
        # Two halves of a character are one to JavaScript, and stand side by side in Python.
        "content": message["content"] and joined(message["content"]),
        "refusal": message.get("refusal"),
        "reasoning_content": message.get("reasoning_content"),
        # The stream's snapshot has the number too, or the arguments once more as a value.
        "tool_calls": [
            call(item["id"], item["function"]["name"], item["function"]["arguments"])
            for item in message.get("tool_calls") or []
        ],
        "finish_reason": choice["finish_reason"],
        "usage": [usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")],
    }


def wanted(name: str, is_streamed: bool) -> dict[str, Any]:
    """Return what a client must have; a stream begins with an empty text, so there it is never null."""
    talk: dict[str, Any] = WANTED[name]
    return {**talk, "content": talk["content"] or ""} if is_streamed else talk


# --- Servers --------------------------------------------------------------------------------------


def options_of(body: dict[str, Any]) -> dict[str, Any]:
    return {"model": body["model"], "include_usage": (body.get("stream_options") or {}).get("include_usage", False)}


def error_body(error: Exception) -> dict[str, Any]:
    code = error.code if isinstance(error, RunFailedError) else None
    return {"error": {"message": str(error), "type": "server_error", "param": None, "code": code}}


def make_starlette(asked: list[str]) -> Any:
    """Return the endpoint as a Starlette application."""
    require(find_spec("starlette"), "starlette is not installed")
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from assistant_stream_ce.responses.starlette import OpenAIStreamResponse

    async def complete(request: Request) -> Any:
        body, stream = await request.json(), make_stream(asked, **request.path_params)
        if body.get("stream"):
            return OpenAIStreamResponse(stream, **options_of(body))
        try:
            return JSONResponse(await acompletion(stream, body["model"], created=int(time.time())))
        except Exception as error:
            return JSONResponse(error_body(error), 500, ONCE)

    return Starlette(routes=[Route("/{name}/{kind}/chat/completions", complete, methods=["POST"])])


def make_flask(asked: list[str]) -> Any:
    """Return the endpoint as a Flask application."""
    require(find_spec("flask"), "flask is not installed")
    import flask

    from assistant_stream_ce.responses.flask import OpenAIStreamResponse

    app = flask.Flask("compatible")

    @app.post("/<name>/<kind>/chat/completions")
    def complete(name: str, kind: str) -> Any:
        body, stream = flask.request.get_json(), make_stream(asked, name, kind)
        if body.get("stream"):
            return OpenAIStreamResponse(stream, **options_of(body))
        try:
            return flask.jsonify(completion(stream, body["model"], created=int(time.time())))
        except Exception as error:
            return flask.jsonify(error_body(error)), 500, ONCE

    return app


def make_stream(asked: list[str], name: str, kind: str) -> AssistantStream:
    """Return the stream of a callback, and note that it was asked for."""
    asked.append(name)
    return create_run(as_kind(kind, CALLBACKS[name]), message_id="msg_1")


#: What the served callbacks were asked for.
Served = tuple[str, list[str]]


@pytest.fixture(scope="module", params=["starlette", "flask"])
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Serve the endpoint."""
    asked: list[str] = []
    serving = serving_asgi(make_starlette(asked)) if request.param == "starlette" else serving_wsgi(make_flask(asked))
    logging.getLogger("assistant_stream_ce").setLevel(logging.CRITICAL)
    with serving as address:
        yield address, asked
    logging.getLogger("assistant_stream_ce").setLevel(logging.NOTSET)


@pytest.fixture
def address(server: Served) -> Iterator[str]:
    """Give the address, and hold that each of the two requests of a test was sent once."""
    url, asked = server
    asked.clear()
    yield url
    # None where the client is missing, and the test was skipped.
    assert len(asked) in (0, 2)


# --- The clients ----------------------------------------------------------------------------------

each_kind = pytest.mark.parametrize("kind", CALLBACK_KINDS)


def ask_javascript(base_url: str) -> dict[str, Any]:
    """Return what openai for JavaScript has of both answers."""
    require_clients()
    process = subprocess.run(
        ["node", FOLDER / "openai.mjs", base_url, MODEL], capture_output=True, text=True, timeout=ONE_SECONDS
    )
    assert process.returncode == 0, process.stderr
    answers: dict[str, Any] = json.loads(process.stdout)
    return answers


@each_kind
@pytest.mark.parametrize("name", WANTED)
def test_openai_for_javascript_gets_the_same_of_both(address: str, name: str, kind: str) -> None:
    answers = ask_javascript(f"{address}/{name}/{kind}")
    assert shown(answers["whole"]["completion"]) == wanted(name, is_streamed=False)
    assert shown(answers["streamed"]["completion"]) == wanted(name, is_streamed=True)


@each_kind
@pytest.mark.parametrize("name", ERRORS)
def test_openai_for_javascript_raises_the_same_of_both(address: str, name: str, kind: str) -> None:
    answers = ask_javascript(f"{address}/{name}/{kind}")
    # It writes the status before the message, where it has one.
    whole, streamed = answers["whole"]["error"], answers["streamed"]["error"]
    assert whole == {**ERRORS[name], "status": 500, "message": f"500 {ERRORS[name]['message']}"}
    assert {**streamed, "status": None} == {**ERRORS[name], "status": None}


@pytest.fixture
def client(address: str, request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    """Return openai for Python, for the callback of the test."""
    require(find_spec("openai"), "openai is not installed")
    import openai

    name, kind = request.getfixturevalue("name"), request.getfixturevalue("kind")
    with openai.DefaultHttpxClient(trust_env=False) as http_client:
        yield openai.OpenAI(base_url=f"{address}/{name}/{kind}", api_key="none", http_client=http_client)


QUESTION: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}


@each_kind
@pytest.mark.parametrize("name", WANTED)
def test_openai_for_python_gets_the_same_of_both(client: openai.OpenAI, name: str, kind: str) -> None:
    assert shown(client.chat.completions.create(**QUESTION).model_dump()) == wanted(name, is_streamed=False)
    with client.chat.completions.stream(**QUESTION, stream_options={"include_usage": True}) as stream:
        assert shown(stream.get_final_completion().model_dump()) == wanted(name, is_streamed=True)


@each_kind
@pytest.mark.parametrize("name", ERRORS)
def test_openai_for_python_raises_the_same_of_both(client: openai.OpenAI, name: str, kind: str) -> None:
    import openai

    with pytest.raises(openai.InternalServerError) as whole:
        client.chat.completions.create(**QUESTION)
    with pytest.raises(openai.APIError) as streamed:
        list(client.chat.completions.create(**QUESTION, stream=True))
    assert whole.value.body == streamed.value.body == {**ERRORS[name], "param": None}
    assert (whole.value.code, whole.value.type) == (streamed.value.code, streamed.value.type)
    assert streamed.value.message == ERRORS[name]["message"]


def test_openai_for_python_shows_what_was_written() -> None:
    require(find_spec("openai"), "openai is not installed")
    for talk, data in conversations("openai-chat"):
        found = difference(openai_message(talk), shown_to_python(data))
        assert found is None, report(talk, data, found)


def shown_to_python(data: bytes) -> dict[str, Any]:
    """Return what an application has at the end that reads the chunks of openai for Python."""
    import httpx2
    import openai

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    texts: dict[str, list[str]] = {"content": [], "refusal": [], "reasoning_content": []}
    calls: dict[int, dict[str, Any]] = {}
    shown: dict[str, Any] = {"finish_reason": None, "usage": None, "error": None}
    with openai.DefaultHttpxClient(transport=httpx2.MockTransport(answer)) as http_client:
        client = openai.OpenAI(base_url="http://openai.test", api_key="none", http_client=http_client)
        try:
            for chunk in client.chat.completions.create(**QUESTION, stream=True):
                if chunk.usage is not None:
                    shown["usage"] = chunk.usage.model_dump(exclude_unset=True)
                for choice in chunk.choices:
                    shown["finish_reason"] = choice.finish_reason or shown["finish_reason"]
                    for name, pieces in texts.items():
                        pieces.append(getattr(choice.delta, name, None) or "")
                    for call in choice.delta.tool_calls or []:
                        take_call(calls, call.model_dump(exclude_none=True))
        except openai.APIError as error:
            shown["error"] = error.message
    content, refusal, reasoning = (joined("".join(pieces)) for pieces in texts.values())
    return {**shown, "content": content, "refusal": refusal, "reasoning": reasoning, "tool_calls": list(calls.values())}


def take_call(calls: dict[int, dict[str, Any]], delta: dict[str, Any]) -> None:
    """Add a delta to the call with its number."""
    number, function = delta.pop("index"), delta.pop("function")
    if number not in calls:
        assert number == len(calls)
        calls[number] = {**delta, "function": function}
    else:
        calls[number]["function"]["arguments"] += function["arguments"]
