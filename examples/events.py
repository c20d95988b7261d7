"""What a model says, one small event at a time: the same words for the scripted model and for OpenAI's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]
"""One entry of the conversation that a model reads, in the form of OpenAI's chat API."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """More of what the model thinks."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """More of what the model answers."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model begins to call a tool; `index` numbers the calls of one answer."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolArguments:
    """More of the JSON text of a call's arguments."""

    index: int
    text: str


Event = Reasoning | Text | ToolCall | ToolArguments
