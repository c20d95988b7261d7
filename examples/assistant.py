"""The assistant of the servers and the script: a model of OpenAI's API and a tool.

`answer` is for blocking code and `answer_async` for coroutines. OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL choose
a real model; without a key a script on this machine answers.
"""

from __future__ import annotations

import os
from typing import Any

from openai import AsyncOpenAI, OpenAI

from assistant_stream_ce import RunController
from assistant_stream_ce.integrations import openai
from assistant_stream_ce.tools import Tools
from examples import weather
from examples.local_model import options

INSTRUCTIONS = "You are a friendly assistant. Call get_weather before you speak about the weather. Be brief."

client = OpenAI(**options("OPENAI_API_KEY", "/v1"))
async_client = AsyncOpenAI(**options("OPENAI_API_KEY", "/v1"))


def get_weather(city: str, controller: RunController) -> dict[str, Any]:
    """Return the current weather in a city."""
    controller.state["tool_calls"] += 1
    controller.add_source(f"source-{city}", weather.forecast_url(city), f"Forecast for {city}")
    return weather.get_weather(city)


tools = Tools([get_weather])


def answer(controller: RunController, prompt: str) -> None:
    """Answer with a blocking model client."""
    messages = begin(controller, prompt)
    reply = openai.answer(
        controller, lambda said: client.chat.completions.create(**request(said, tools)), messages, tools=tools
    )
    end(controller, reply.text)


async def answer_async(controller: RunController, prompt: str) -> None:
    """Answer with an async model client."""
    messages = begin(controller, prompt)
    reply = await openai.answer(
        controller, lambda said: async_client.chat.completions.create(**request(said, tools)), messages, tools=tools
    )
    end(controller, reply.text)


def request(messages: list[Any], tools: Tools) -> dict[str, Any]:
    """Return the arguments of a request to the model."""
    schemas = openai.tool_schemas(tools)
    return {
        "model": os.environ.get("OPENAI_MODEL", "gpt-5-mini"),
        "messages": messages,
        # The API refuses an empty list.
        **({"tools": schemas} if schemas else {}),
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def begin(controller: RunController, prompt: str) -> list[Any]:
    """Add the prompt to the state, which holds the conversation; return the messages for the model."""
    if not controller.state:
        controller.state = {"messages": [], "tool_calls": 0}
    controller.state["messages"].append({"role": "user", "text": prompt})
    said = [{"role": message["role"], "content": message["text"]} for message in controller.state["messages"]]
    return [{"role": "system", "content": INSTRUCTIONS}, *said]


def end(controller: RunController, text: str) -> None:
    """Add the answer to the state."""
    controller.state["messages"].append({"role": "assistant", "text": text})
