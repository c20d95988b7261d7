"""Feeds events to a reader without any SDK or I/O."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.integrations.turn import Turn, TurnBuilder


def feed(reader: Any, events: list[Any]) -> tuple[list[AssistantStreamChunk], Turn]:
    """Return the chunks and the turn that events become."""
    turns: list[Turn] = []

    def run(controller: RunController) -> None:
        made = reader(TurnBuilder(controller))
        for event in events:
            made.feed(event)
        turns.append(made.end())

    return list(create_run(run)), turns[0]
