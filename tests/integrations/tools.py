"""A tool to describe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Described:
    """What adapters read of a tool."""

    name: str
    description: str | None
    parameters: dict[str, Any] = field(default_factory=dict)


WEATHER = Described("weather", "The weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
