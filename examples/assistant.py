"""The assistant that every example serves: `answer` for blocking code, `answer_async` for coroutines.

The two differ only in how they wait for the model. What its events do is written once, in `Turn`.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Protocol

from assistant_stream_ce import RunController, ToolCallController
from examples import scripted_model
from examples.events import Event, Message, Reasoning, Text, ToolArguments, ToolCall
from examples.weather import forecast_url, get_weather


def answer(controller: RunController, prompt: str) -> None:
    """Answer with a blocking model client."""
    turn = Turn(controller, prompt)
    while turn.awaits_model:
        with closing(turn.model.stream(turn.messages)) as events:
            for event in events:
                turn.apply(event)
        turn.end_round()


async def answer_async(controller: RunController, prompt: str) -> None:
    """Answer with an async model client."""
    turn = Turn(controller, prompt)
    while turn.awaits_model:
        async with aclosing(turn.model.stream_async(turn.messages)) as events:
            async for event in events:
                turn.apply(event)
        turn.end_round()


class Model(Protocol):
    """Interface of a model module."""

    def stream(self, messages: list[Message]) -> Generator[Event, None, None]:
        """Answer the conversation, blocking."""

    def stream_async(self, messages: list[Message]) -> AsyncGenerator[Event, None]:
        """Answer the conversation, awaiting."""


def choose_model(prompt: str) -> Model:
    """Use OpenAI if there is a key; only the scripted model can be asked to fail."""
    if not os.environ.get("OPENAI_API_KEY") or scripted_model.is_failure(prompt):
        return scripted_model
    from examples import openai_model  # imported late: the scripted model needs no package

    return openai_model


@dataclass
class PendingCall:
    """A tool call with incomplete arguments."""

    id: str
    name: str
    shown: ToolCallController
    arguments: str = ""


class Turn:
    """One prompt and its agent loop: the model, its tools, the model again."""

    def __init__(self, controller: RunController, prompt: str) -> None:
        """Add the prompt to the state, which holds the conversation."""
        self.controller = controller
        self.model = choose_model(prompt)
        if not controller.state:
            controller.state = {"messages": [], "tool_calls": 0}
        said = controller.state["messages"]
        said.append({"role": "user", "text": prompt})
        self.messages: list[Message] = [{"role": one["role"], "content": one["text"]} for one in said]
        said.append({"role": "assistant", "text": ""})
        self._begin_round()

    @property
    def awaits_model(self) -> bool:
        """Whether the last message is from the user or a tool."""
        last_role: str = self.messages[-1]["role"]
        return last_role != "assistant"

    def apply(self, event: Event) -> None:
        """Forward one event of the model to the reader."""
        match event:
            case Reasoning(text):
                self.controller.append_reasoning(text)
            case Text(text):
                self.text += text
                self.controller.append_text(text)
                self.controller.state["messages"][-1]["text"] += text
            case ToolCall(index, id, name):
                self.controller.state["tool_calls"] += 1
                self.calls[index] = PendingCall(id, name, self.controller.add_tool_call(name, id))
            case ToolArguments(index, text):
                self.calls[index].arguments += text
                self.calls[index].shown.append_args_text(text)

    def end_round(self) -> None:
        """Add the model's answer to the conversation and run its tool calls, or finish without any."""
        message: Message = {"role": "assistant", "content": self.text}
        if self.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in self.calls.values()
            ]
        self.messages += [message, *(self._answer_call(call) for call in self.calls.values())]
        if not self.calls:
            self.controller.add_message_finish("stop")
        self._begin_round()

    def _begin_round(self) -> None:
        self.text = ""
        self.calls: dict[int, PendingCall] = {}

    def _answer_call(self, call: PendingCall) -> Message:
        weather = get_weather(**json.loads(call.arguments))
        with call.shown as shown:
            shown.set_response(weather)
        city = weather["city"]
        self.controller.add_source(id=f"source-{call.id}", url=forecast_url(city), title=f"Forecast for {city}")
        return {"role": "tool", "tool_call_id": call.id, "content": json.dumps(weather)}
