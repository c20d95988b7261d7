"""Events of a model, for the scripted one and for OpenAI's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]
"""One entry of the conversation that a model reads, in the form of OpenAI's chat API."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of the reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The start of a tool call; `index` numbers the calls of one answer."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolArguments:
    """A piece of a call's JSON arguments."""

    index: int
    text: str


Event = Reasoning | Text | ToolCall | ToolArguments
