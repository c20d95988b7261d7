"""Runs every example in its own process and sends it a request."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest

from examples.request_body import prompt_of
from tests.integrations.fake_provider import fake_provider, json_lines, typed_sse
from tests.support.processes import START_SECONDS, STOP_SECONDS, serving, started
from tests.support.require import require_packages

MODEL_SECONDS = 1.0  # the local model and the pretend OpenAI both pause longer than this in all

WEATHER = {"city": "Lisbon", "celsius": 21, "sky": "sunny"}
PROMPT = "What is the weather in Lisbon?"

GUNICORN = ("gunicorn", "--bind", "127.0.0.1:0", "--threads", "8", "--no-control-socket")
UVICORN = ("uvicorn", "--port", "0")

pytestmark = pytest.mark.timeout(2 * START_SECONDS + 60)


# --- Answers --------------------------------------------------------------------------------------


@dataclass
class Answer:
    """A response, with the time at which each piece of its body was read."""

    status: int
    headers: dict[str, str]
    pieces: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return b"".join(piece for _, piece in self.pieces).decode()

    def frames(self) -> list[tuple[str, Any]]:
        """Decode the lines of a data stream."""
        split = [line.partition(":") for line in self.text.splitlines() if line]
        return [(code, json.loads(value)) for code, _, value in split]

    def events(self) -> list[Any]:
        """Decode the events of an SSE stream, without its terminator."""
        data = [line.removeprefix("data: ") for line in self.text.splitlines() if line.startswith("data: ")]
        assert data[-1] == "[DONE]"
        return [json.loads(one) for one in data[:-1]]

    def text_parts(self) -> str:
        """Return the text of a UI message stream."""
        return "".join(event["delta"] for event in self.events() if event["type"] == "text-delta")


def post(url: str, body: dict[str, Any]) -> Answer:
    """Post JSON and read the response piece by piece."""
    parts = urlsplit(url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=START_SECONDS)
    try:
        connection.request("POST", parts.path, json.dumps(body), {"content-type": "application/json"})
        with connection.getresponse() as response:
            headers = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, headers)
            while piece := response.read1(65536):
                answer.pieces.append((time.monotonic(), piece))
            return answer
    finally:
        connection.close()


def assert_incremental(times: list[float]) -> None:
    """Check that the answer was streamed."""
    spread = times[-1] - times[0]
    middle = times[len(times) // 2]
    assert len(times) > 10
    assert spread > MODEL_SECONDS / 2
    assert middle - times[0] > spread / 10
    assert times[-1] - middle > spread / 10


def applied(state: Any, operation: dict[str, Any]) -> Any:
    """Apply one operation to the state, as a client does."""
    *parents, last = operation["path"] or [None]
    if last is None:
        return operation["value"]
    place = state
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    if isinstance(place, list):
        place[int(last) :] = [operation["value"]]
    elif operation["type"] == "append-text":
        place[last] += operation["value"]
    else:
        place[last] = operation["value"]
    return state


def assert_weather_frames(frames: list[tuple[str, Any]], words: str) -> None:
    """Check that a data stream has text, a tool call, a source and the state."""

    def values(code: str) -> list[Any]:
        return [value for one, value in frames if one == code]

    text = "".join(values("0"))
    assert words in text
    assert "".join(values("g"))
    assert [begun["toolName"] for begun in values("b")] == ["get_weather"]
    assert json.loads("".join(delta["argsTextDelta"] for delta in values("c"))) == {"city": "Lisbon"}
    assert [result["result"] for result in values("a")] == [WEATHER]
    assert [source["url"] for source in values("h")] == ["https://example.org/weather/Lisbon"]
    assert not values("3")

    state = None
    for operation in (one for operations in values("aui-state") for one in operations):
        state = applied(state, operation)
    said = [{"role": "user", "text": PROMPT}, {"role": "assistant", "text": text}]
    assert state == {"messages": said, "tool_calls": 1}


def assert_serves_every_wire(address: str) -> None:
    """Post to the three paths concurrently, and check that each streams its own format."""
    completion = {"model": "any", "stream": True, "messages": [{"role": "user", "content": PROMPT}]}
    paths = {"/api/chat": {"prompt": PROMPT, "more": 1}, "/api/assistant": {"prompt": PROMPT, "state": None}}
    paths["/v1/chat/completions"] = completion
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda item: post(address + item[0], item[1]), paths.items()))
    for answer in answers:
        assert answer.status == 200, answer.text
        assert_incremental([at for at, _ in answer.pieces])
    chat, assistant, completions = answers

    assert chat.headers["x-vercel-ai-data-stream"] == "v1"
    assert_weather_frames(chat.frames(), "It is 21 °C and sunny in Lisbon.")
    assert {"text-delta", "result", "update-state"} <= {event["type"] for event in assistant.events()}
    deltas = [choice["delta"] for event in completions.events() for choice in event["choices"]]
    assert "sunny in Lisbon" in "".join(delta.get("content") or "" for delta in deltas)


# --- The examples ---------------------------------------------------------------------------------


def test_script() -> None:
    require_packages("openai")
    with started("examples.script", PROMPT) as process:
        assert process.stdout is not None
        pieces: list[tuple[float, str]] = []
        while piece := process.stdout.read(8):
            pieces.append((time.monotonic(), piece))
        assert process.wait(STOP_SECONDS) == 0
    output = "".join(piece for _, piece in pieces)
    assert_incremental([at for at, _ in pieces])
    assert "It is 21 °C and sunny in Lisbon." in output
    assert "reasoning-delta: The user wonders about Lisbon." in output
    assert 'tool-call-begin: get_weather\ntool-call-delta: {"city": "Lisbon"}\n' in output
    assert f"tool-result: {WEATHER}" in output
    assert "source: Forecast for Lisbon, https://example.org/weather/Lisbon" in output
    assert "update-state: state.tool_calls = 1" in output


@pytest.mark.parametrize("name", ["flask", "fastapi"])
def test_complete_answer_for_an_openai_client_without_streaming(name: str) -> None:
    require_packages("openai", name, *(["uvicorn"] if name == "fastapi" else []))
    question = {"model": "any", "messages": [{"role": "user", "content": PROMPT}]}
    with serving(f"examples.{name}_app", "--port", "0") as address:
        answer = json.loads(post(f"{address}/v1/chat/completions", question).text)
    assert answer["object"] == "chat.completion"
    assert "sunny in Lisbon" in answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("packages", "command"),
    [
        pytest.param(("flask",), ("examples.flask_app", "--port", "0"), id="flask"),
        pytest.param(("fastapi", "uvicorn"), ("examples.fastapi_app", "--port", "0"), id="fastapi"),
        pytest.param((), ("examples.wsgi_app", "--port", "0"), id="wsgi"),
        pytest.param(("django",), ("examples.django_project", "--port", "0"), id="django-runserver"),
        pytest.param(("django", "gunicorn"), (*GUNICORN, "examples.django_project:application"), id="django-gunicorn"),
        pytest.param(
            ("django", "uvicorn"), (*UVICORN, "examples.django_project:asgi_application"), id="django-uvicorn"
        ),
    ],
)
def test_server(packages: tuple[str, ...], command: tuple[str, ...]) -> None:
    require_packages("openai", *packages)
    with serving(*command) as address:
        assert_serves_every_wire(address)


def test_two_frameworks_side_by_side() -> None:
    require_packages("fastapi", "flask", "openai", "a2wsgi", "uvicorn")
    with serving("examples.side_by_side", "--port", "0") as address, ThreadPoolExecutor() as pool:
        mounted = [f"{address}/fastapi", f"{address}/flask"]
        for served in [pool.submit(assert_serves_every_wire, one) for one in mounted]:
            served.result()


def test_proxy() -> None:
    require_packages("fastapi", "httpx", "openai", "uvicorn")
    with (
        serving("examples.wsgi_app", "--port", "0") as upstream,
        serving("examples.proxy", "--port", "0", UPSTREAM_URL=f"{upstream}/api/chat") as address,
    ):
        assert_serves_every_wire(address)


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "Hello", "messages": [{"role": "user", "content": "Not this"}]},
        {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "file"}]}]},
        {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hello"}]}]},
        {"commands": [{"type": "add-message", "message": {"role": "user", "parts": [{"text": "Hello"}]}}]},
    ],
)
def test_prompt_is_found_in_every_request(body: dict[str, Any]) -> None:
    assert prompt_of(body) == "Hello"


def test_request_without_prompt() -> None:
    assert prompt_of({"commands": [], "messages": None, "state": {}}) == ""


# --- The `openai` package, against a server of our own --------------------------------------------


class FakeOpenAI(BaseHTTPRequestHandler):
    """Call the tool first, and report its result in the next request."""

    requests: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.requests.append({"path": self.path, "key": self.headers["authorization"], **body})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        last = body["messages"][-1]
        is_report = last["role"] == "tool"
        for delta in self.report(last) if is_report else self.call():
            self.send_event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            time.sleep(0.05)
        finish_reason = "stop" if is_report else "tool_calls"
        self.send_event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
        self.send_event({"choices": [], "usage": None})
        self.wfile.write(b"data: [DONE]\n\n")

    def call(self) -> Iterator[dict[str, Any]]:
        yield {"role": "assistant", "content": ""}
        yield from ({"reasoning_content": word} for word in ("I ", "should ", "look."))
        yield from ({"content": word} for word in ("Let ", "me ", "look. "))
        function = {"name": "get_weather", "arguments": ""}
        yield {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}
        for piece in ('{"ci', 'ty": "Lis', 'bon"}'):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}

    def report(self, tool_message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        weather = json.loads(tool_message["content"])
        report = f"The tool says {weather['sky']} in {weather['city']} and nothing else."
        yield from ({"content": word} for word in re.findall(r"\S+\s*", report))

    def send_event(self, event: dict[str, Any]) -> None:
        common = {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "fake"}
        self.wfile.write(f"data: {json.dumps({**common, **event})}\n\n".encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output quiet."""


@pytest.fixture
def openai_requests() -> Iterator[tuple[dict[str, str], list[dict[str, Any]]]]:
    """Serve a fake OpenAI; give the environment that points to it, and the requests it received."""
    require_packages("openai")
    requests: list[dict[str, Any]] = []
    handler = type("Handler", (FakeOpenAI,), {"requests": requests})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        base_url = f"http://127.0.0.1:{server.server_port}/v1"
        yield {"OPENAI_API_KEY": "test", "OPENAI_BASE_URL": base_url, "OPENAI_MODEL": "tiny"}, requests
        server.shutdown()
        thread.join()


def assert_two_rounds(requests: list[dict[str, Any]]) -> None:
    """Check that the model was requested, its tool run, and the model requested again with the result."""
    first, second = requests
    assert (first["path"], first["key"], first["model"]) == ("/v1/chat/completions", "Bearer test", "tiny")
    assert first["tools"][0]["function"]["name"] == "get_weather"
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert second["messages"][-1]["tool_call_id"] == "call_1"
    assert json.loads(second["messages"][-1]["content"]) == WEATHER


def test_script_with_openai(openai_requests: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    environment, requests = openai_requests
    with started("examples.script", PROMPT, **environment) as process:
        output, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0, output
    assert "The tool says sunny in Lisbon and nothing else." in output
    assert 'tool-call-delta: {"city": "Lisbon"}\n' in output
    assert "source: Forecast for Lisbon" in output
    assert_two_rounds(requests)


def test_fastapi_with_openai(openai_requests: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    require_packages("fastapi", "uvicorn")
    environment, requests = openai_requests
    with serving("examples.fastapi_app", "--port", "0", **environment) as address:
        answer = post(f"{address}/api/chat", {"prompt": PROMPT})
    assert_incremental([at for at, _ in answer.pieces])
    assert_weather_frames(answer.frames(), "The tool says sunny in Lisbon and nothing else.")
    assert_two_rounds(requests)


def test_chat_with_openai(openai_requests: tuple[dict[str, str], list[dict[str, Any]]], tmp_path: Path) -> None:
    require_packages("flask")
    environment, requests = openai_requests
    flask = ("flask", "--app", "examples/chat/flask_app", "run", "--port", "0")
    browser = build_opener(HTTPCookieProcessor())
    data = {"CHAT_DATABASE": str(tmp_path / "chat.sqlite3"), "CHAT_STORE": str(tmp_path / "streams")}
    with serving(*flask, **data, **environment) as address:
        login = json.dumps({"user": "demo", "password": "demo"}).encode()
        with browser.open(f"{address}/api/login", login, START_SECONDS) as response:
            token = json.load(response)["csrf"]
        question = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": PROMPT}]}
        body = json.dumps({"id": "1", "trigger": "submit-message", "messages": [question]}).encode()
        request = Request(f"{address}/api/threads/1/use-chat", body, {"x-csrftoken": token})
        with browser.open(request, timeout=START_SECONDS) as response:
            answer = response.read().decode()
        with browser.open(f"{address}/api/threads/1/use-chat", timeout=START_SECONDS) as response:
            stored = json.load(response)["messages"]
    assert '"delta":"sunny "' in answer
    texts = [part["text"] for part in stored[1]["parts"] if part["type"] == "text"]
    assert texts[-1] == "The tool says sunny in Lisbon and nothing else."
    assert_two_rounds(requests)


# --- Each SDK -------------------------------------------------------------------------------------

QUESTION = {"messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": PROMPT}]}]}
REPORT = "It is 21 °C and sunny in Lisbon."


@pytest.mark.parametrize(
    ("packages", "command"),
    [
        pytest.param(
            ("fastapi", "uvicorn", "anthropic"), ("examples.fastapi_anthropic", "--port", "0"), id="fastapi-anthropic"
        ),
        pytest.param(
            ("django", "langgraph", "langchain_openai"),
            ("examples.django_langgraph", "--port", "0"),
            id="django-langgraph",
        ),
        pytest.param(
            ("django", "langgraph", "langchain_openai", "gunicorn"),
            (*GUNICORN, "examples.django_langgraph:application"),
            id="django-langgraph-gunicorn",
        ),
    ],
)
def test_server_of_an_sdk(packages: tuple[str, ...], command: tuple[str, ...]) -> None:
    require_packages(*packages)
    with serving(*command) as address:
        answer = post(f"{address}/api/chat", QUESTION)
        assert post(f"{address}/api/chat", {}).status == 400
    assert_incremental([at for at, _ in answer.pieces])
    assert "Let me look up the weather in Lisbon." in answer.text_parts()
    assert REPORT in answer.text_parts()
    [result] = [event for event in answer.events() if event["type"] == "tool-output-available"]
    output = result["output"]
    assert (json.loads(output) if isinstance(output, str) else output) == WEATHER
    assert answer.events()[-1]["finishReason"] == "stop"


def test_script_with_ollama() -> None:
    require_packages("ollama")
    with started("examples.ollama_script", PROMPT) as process:
        output, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0, output
    assert REPORT in output
    assert f"\n{WEATHER}\n" in output


ANTHROPIC_ANSWER = [
    {
        "type": "message_start",
        "message": {
            "id": "m1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "From the provider."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]


def test_anthropic_with_a_key() -> None:
    require_packages("fastapi", "uvicorn", "anthropic")
    with fake_provider() as provider:
        provider.body = typed_sse(ANTHROPIC_ANSWER)
        environment = {"ANTHROPIC_API_KEY": "test", "ANTHROPIC_BASE_URL": provider.url}
        with serving("examples.fastapi_anthropic", "--port", "0", **environment) as address:
            answer = post(f"{address}/api/chat", QUESTION)
    assert answer.text_parts() == "From the provider."
    [request] = provider.requests
    assert [tool["name"] for tool in request["tools"]] == ["get_weather"]


def test_langgraph_with_a_key(openai_requests: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    require_packages("django", "langgraph", "langchain_openai")
    environment, requests = openai_requests
    with serving("examples.django_langgraph", "--port", "0", **environment) as address:
        answer = post(f"{address}/api/chat", QUESTION)
    assert "The tool says sunny in Lisbon and nothing else." in answer.text_parts()
    assert_two_rounds(requests)


def test_local_model_serves_other_programs() -> None:
    with serving("examples.local_model", "--port", "0") as address:
        answer = post(f"{address}/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    texts = [choice["delta"].get("content", "") for event in answer.events() for choice in event["choices"]]
    assert "".join(texts) == "I have no tools, but I read: Hi"


def test_ollama_with_a_host() -> None:
    require_packages("ollama")
    with fake_provider() as provider:
        provider.content_type = "application/x-ndjson"
        provider.body = json_lines(
            [
                {"model": "m", "message": {"role": "assistant", "content": "From the provider."}, "done": False},
                {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
            ]
        )
        with started("examples.ollama_script", PROMPT, OLLAMA_HOST=provider.url) as process:
            output, _ = process.communicate(timeout=START_SECONDS)
    assert output == "From the provider.\n"


# --- The OpenAI-compatible endpoint, with the official client ------------------------------------------


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Any]:
    """Serve the endpoint; give a client of it."""
    require_packages("flask", "openai")
    import openai

    with (
        serving("examples.openai_endpoint", "--port", "0") as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client,
    ):
        yield client


CITY_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLIENT_TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY_SCHEMA}}]


def says(words: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": words}]


def test_endpoint_streams(endpoint: Any) -> None:
    stream = endpoint.chat.completions.create(
        model="assistant", messages=says("Hello there"), stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "I have no tools, but I read: Hello there"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert {chunk.model for chunk in chunks} == {"assistant"}
    assert last.usage.completion_tokens > 0


def test_endpoint_without_streaming(endpoint: Any) -> None:
    completion = endpoint.chat.completions.create(model="assistant", messages=says("Hello there"))
    assert completion.choices[0].message.content == "I have no tools, but I read: Hello there"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.completion_tokens > 0


@pytest.mark.parametrize("is_streamed", [True, False])
def test_endpoint_calls_the_tools_of_the_client(endpoint: Any, is_streamed: bool) -> None:
    messages: list[Any] = says(PROMPT)

    def answer() -> Any:
        options = {"model": "assistant", "messages": messages, "tools": CLIENT_TOOLS, "temperature": 0.5}
        if not is_streamed:
            return endpoint.chat.completions.create(**options)
        with endpoint.chat.completions.stream(**options) as stream:
            return stream.get_final_completion()

    choice = answer().choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Lisbon"}
    messages.append(choice.message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(WEATHER)})
    choice = answer().choices[0]
    assert choice.finish_reason == "stop"
    assert REPORT in choice.message.content


def test_endpoint_reports_errors(endpoint: Any) -> None:
    import openai

    create = endpoint.chat.completions.create
    with pytest.raises(openai.NotFoundError, match="does not exist") as unknown:
        create(model="other", messages=says("Hello"))
    assert unknown.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError) as empty:
        create(model="assistant", messages=[])
    assert empty.value.type == "invalid_request_error"
    with pytest.raises(openai.NotFoundError):
        endpoint.models.list()
    with pytest.raises(openai.InternalServerError) as failed:
        create(model="assistant", messages=says("Fail on purpose"))
    assert failed.value.type == "server_error"
    assert "broke off" not in str(failed.value)
    texts: list[str] = []
    with pytest.raises(openai.APIError) as broken:
        for chunk in create(model="assistant", messages=says("Fail on purpose"), stream=True):
            texts += [choice.delta.content or "" for choice in chunk.choices]
    assert "".join(texts) == "So far everything is fine, and then "
    assert "broke off" not in str(broken.value)
