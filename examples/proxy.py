"""A proxy: forwards another server's data stream in several formats.

python -m examples.wsgi_app
UPSTREAM_URL=http://127.0.0.1:8000/api/chat python -m examples.proxy --port 8001
curl -N http://127.0.0.1:8001/api/assistant --json '{"prompt": "What is the weather in Lisbon?"}'
"""

from __future__ import annotations

import os
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from assistant_stream_ce import AssistantStream, RunController, create_run, mask_errors
from assistant_stream_ce.responses.starlette import (
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
)
from assistant_stream_ce.serialization import DataStreamDecoder, decode
from examples.command_line import chosen_port

UPSTREAM_URL = os.environ.get("UPSTREAM_URL", "http://127.0.0.1:8000/api/chat")

# A model may be silent for long.
TIMEOUT = httpx.Timeout(10, read=None)

app = FastAPI()


def relay(body: dict[str, Any]) -> AssistantStream:
    """Forward the request and the answer; a disconnect closes the other connection."""

    async def run(controller: RunController) -> None:
        async with (
            httpx.AsyncClient(timeout=TIMEOUT) as client,
            client.stream("POST", UPSTREAM_URL, json=body) as response,
        ):
            response.raise_for_status()
            await controller.add_stream(decode(response.aiter_bytes(), DataStreamDecoder()))

    return create_run(run, state=body.get("state"), on_error=mask_errors)


@app.post("/api/chat")
async def chat(body: dict[str, Any]) -> DataStreamResponse:
    """Serve assistant-ui's data stream runtime and AI SDK 4."""
    return DataStreamResponse(relay(body))


@app.post("/api/assistant")
async def assistant(body: dict[str, Any]) -> AssistantTransportResponse:
    """Serve assistant-ui's assistant transport runtime."""
    return AssistantTransportResponse(relay(body))


@app.post("/v1/chat/completions")
async def completions(body: dict[str, Any]) -> OpenAIStreamResponse:
    """Serve clients of OpenAI's chat API."""
    return OpenAIStreamResponse(relay(body))


if __name__ == "__main__":
    uvicorn.run(app, port=chosen_port())
