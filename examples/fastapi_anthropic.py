"""FastAPI with Anthropic's async client and a tool, for AI SDK's `useChat`. ANTHROPIC_API_KEY chooses a real model.

python -m examples.fastapi_anthropic
curl -N http://127.0.0.1:8000/api/chat --json '{"messages": [
  {"role": "user", "parts": [{"type": "text", "text": "What is the weather in Lisbon?"}]}]}'
"""

from __future__ import annotations

import os
from typing import Any

import uvicorn
from anthropic import AsyncAnthropic
from fastapi import FastAPI, HTTPException, Request

from assistant_stream_ce import RunController, create_run, mask_errors
from assistant_stream_ce.chat_requests import RequestError, parse_ai_sdk
from assistant_stream_ce.conversions import to_anthropic
from assistant_stream_ce.integrations import anthropic
from assistant_stream_ce.responses.starlette import UIMessageStreamResponse
from assistant_stream_ce.tools import Tools
from examples.command_line import chosen_port
from examples.local_model import options
from examples.weather import get_weather

MODEL = os.environ.get("ANTHROPIC_MODEL", "claude-sonnet-5")

app = FastAPI()
client = AsyncAnthropic(**options("ANTHROPIC_API_KEY"))
tools = Tools([get_weather])


@app.post("/api/chat")
async def chat(request: Request) -> UIMessageStreamResponse:
    """Answer the conversation that the page posts."""
    try:
        chat_request = parse_ai_sdk(await request.body())
    except RequestError as error:
        raise HTTPException(error.status, str(error)) from None
    system, messages = to_anthropic(chat_request.messages, system="Be brief.")

    def ask(messages: list[Any]) -> Any:
        return client.messages.create(
            model=MODEL,
            max_tokens=1024,
            system=system or "",
            messages=messages,
            tools=anthropic.tool_schemas(tools),  # type: ignore[arg-type]
            stream=True,
        )

    async def run(controller: RunController) -> None:
        await anthropic.answer(controller, ask, messages, tools=tools)

    return UIMessageStreamResponse(create_run(run, message_id=chat_request.message_id, on_error=mask_errors))


if __name__ == "__main__":
    uvicorn.run(app, port=chosen_port())
