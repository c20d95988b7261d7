"""A toy tool for a model to call: the sun always shines, so that every run of an example is alike."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote


def get_weather(city: str) -> dict[str, Any]:
    """Return the current weather in a city."""
    return {"city": city, "celsius": 21, "sky": "sunny"}


def forecast_url(city: str) -> str:
    """Return the page that the forecast is said to come from."""
    return f"https://example.org/weather/{quote(city, safe='')}"
