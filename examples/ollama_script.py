"""A script with Ollama and a tool. OLLAMA_HOST chooses a real server, and OLLAMA_MODEL its model.

python -m examples.ollama_script "What is the weather in Lisbon?"
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ollama import Client

from assistant_stream_ce import RunController, TextDeltaChunk, ToolResultChunk, create_run
from assistant_stream_ce.integrations import ollama
from assistant_stream_ce.integrations.httpx import watch
from assistant_stream_ce.tools import Tools
from examples.local_model import address
from examples.weather import get_weather

MODEL = os.environ.get("OLLAMA_MODEL", "qwen3")

# Closing the stream then ends a request that waits for the model.
client = watch(Client(os.environ.get("OLLAMA_HOST") or address()))
tools = Tools([get_weather])
messages: list[Any] = [{"role": "user", "content": " ".join(sys.argv[1:]) or "What is the weather in Paris?"}]


def run(controller: RunController) -> None:
    """Answer with the help of the tool."""
    ollama.answer(
        controller,
        lambda messages: client.chat(MODEL, messages, tools=ollama.tool_schemas(tools), stream=True),
        messages,
        tools=tools,
    )


with create_run(run) as stream:
    for chunk in stream:
        match chunk:
            case TextDeltaChunk(text_delta=text):
                print(text, end="", flush=True)
            case ToolResultChunk(result=result):
                print(f"\n{result}")
print()
