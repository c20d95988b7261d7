"""FastAPI with a coroutine callback.

python -m examples.fastapi_app
curl -N http://127.0.0.1:8000/api/chat --json '{"prompt": "What is the weather in Lisbon?"}'
"""

from __future__ import annotations

from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI

from assistant_stream_ce import AssistantStream, create_run, mask_errors
from assistant_stream_ce.responses.starlette import (
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
)
from assistant_stream_ce.serialization import acompletion
from examples.assistant import answer_async
from examples.command_line import chosen_port
from examples.request_body import prompt_of

app = FastAPI()


def reply(body: dict[str, Any]) -> AssistantStream:
    """Return the stream; the run starts when the server reads it."""
    return create_run(partial(answer_async, prompt=prompt_of(body)), state=body.get("state"), on_error=mask_errors)


@app.post("/api/chat")
async def chat(body: dict[str, Any]) -> DataStreamResponse:
    """Serve assistant-ui's data stream runtime and AI SDK 4."""
    return DataStreamResponse(reply(body))


@app.post("/api/assistant")
async def assistant(body: dict[str, Any]) -> AssistantTransportResponse:
    """Serve assistant-ui's assistant transport runtime."""
    return AssistantTransportResponse(reply(body))


@app.post("/v1/chat/completions", response_model=None)
async def completions(body: dict[str, Any]) -> OpenAIStreamResponse | dict[str, Any]:
    """Serve clients of OpenAI's chat API; they request streaming explicitly."""
    if body.get("stream"):
        return OpenAIStreamResponse(reply(body))
    answer = await acompletion(reply(body))
    return answer


if __name__ == "__main__":
    uvicorn.run(app, port=chosen_port())
