"""A toy tool for a model to call: the sun always shines, so that every run of an example is alike."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

DESCRIPTION: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The current weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
"""The tool as OpenAI's chat API wants it described."""


def get_weather(city: str) -> dict[str, Any]:
    """Return the weather in a city, which is always the same."""
    return {"city": city, "celsius": 21, "sky": "sunny"}


def forecast_url(city: str) -> str:
    """Return the page that the forecast is said to come from."""
    return f"https://example.org/weather/{quote(city, safe='')}"
