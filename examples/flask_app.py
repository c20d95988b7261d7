"""Flask with a blocking callback.

python -m examples.flask_app
curl -N http://127.0.0.1:8000/api/chat --json '{"prompt": "What is the weather in Lisbon?"}'
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Flask, request

from assistant_stream_ce import AssistantStream, create_run, mask_errors
from assistant_stream_ce.responses.flask import (
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
)
from assistant_stream_ce.serialization import completion
from examples.assistant import answer
from examples.command_line import chosen_port
from examples.request_body import prompt_of

app = Flask(__name__)


def reply() -> AssistantStream:
    """Return the stream; the run starts when the server reads it."""
    body = request.get_json()
    return create_run(partial(answer, prompt=prompt_of(body)), state=body.get("state"), on_error=mask_errors)


@app.post("/api/chat")
def chat() -> DataStreamResponse:
    """Serve assistant-ui's data stream runtime and AI SDK 4."""
    return DataStreamResponse(reply())


@app.post("/api/assistant")
def assistant() -> AssistantTransportResponse:
    """Serve assistant-ui's assistant transport runtime."""
    return AssistantTransportResponse(reply())


@app.post("/v1/chat/completions")
def completions() -> OpenAIStreamResponse | dict[str, Any]:
    """Serve clients of OpenAI's chat API; they request streaming explicitly."""
    if request.get_json().get("stream"):
        return OpenAIStreamResponse(reply())
    answer = completion(reply())
    return answer


if __name__ == "__main__":
    app.run(port=chosen_port())
