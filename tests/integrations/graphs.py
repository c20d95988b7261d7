"""Graphs of langgraph with a scripted chat model: an agent with a tool, parallel nodes, a subgraph and an interrupt."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt


def finish(reason: str = "stop") -> AIMessageChunk:
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    return AIMessageChunk("", response_metadata={"finish_reason": reason, "model_name": "m"}, usage_metadata=usage)


def call(call_id: str = "c1", name: str = "weather", args: str = '{"city":"Paris"}') -> list[AIMessageChunk]:
    deltas = [
        {"type": "tool_call_chunk", "name": name, "args": "", "id": call_id, "index": 0},
        {"type": "tool_call_chunk", "name": None, "args": args, "id": None, "index": 0},
    ]
    return [AIMessageChunk("", tool_call_chunks=[delta]) for delta in deltas]


def text(*pieces: str) -> list[AIMessageChunk]:
    return [*map(AIMessageChunk, pieces), finish()]


CALL = [AIMessageChunk("Let me "), AIMessageChunk("look."), *call(), finish("tool_calls")]


class ScriptedChatModel(BaseChatModel):
    """Streams one list of chunks for each request; an exception in it is raised."""

    answers: list[list[Any]]
    #: Waits after the first chunk.
    pause: Any = None

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        for piece in self.answers.pop(0):
            if isinstance(piece, Exception):
                raise piece
            made = ChatGenerationChunk(message=piece.model_copy())
            if run_manager:
                run_manager.on_llm_new_token("", chunk=made)
            yield made
            if self.pause is not None:
                self.pause.wait(10)
                self.pause = None

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> ChatResult:
        first, *rest = self.answers.pop(0)
        return ChatResult(generations=[ChatGeneration(message=first + rest)])


class State(MessagesState, total=False):
    """The channels of the graphs; `log` has a reducer."""

    title: str
    log: Annotated[list[str], operator.add]


def agent(*answers: list[Any], **result: Any) -> Any:
    """Return a graph of a model, its tool, and the model again; `result` has fields of the tool messages."""
    model = ScriptedChatModel(answers=list(answers))

    def ask(state: State) -> Any:
        return {"messages": [model.invoke(state["messages"])], "log": ["model"]}

    async def aask(state: State) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])], "log": ["model"]}

    def tools(state: State) -> Any:
        get_stream_writer()({"progress": 1})
        results = [
            ToolMessage('{"celsius":21}', tool_call_id=one["id"], name=one["name"], **result)
            for one in state["messages"][-1].tool_calls
        ]
        return {"messages": results, "title": "Weather", "log": ["tools"]}

    from langchain_core.runnables import RunnableLambda

    builder = StateGraph(State)
    builder.add_node("model", RunnableLambda(ask, aask))
    builder.add_node("tools", tools)
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else "__end__")
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=InMemorySaver())


def nested(*answers: list[Any]) -> Any:
    """Return a graph whose only node is the agent."""
    builder = StateGraph(State)
    builder.add_node("agent", agent(*answers))
    builder.add_edge(START, "agent")
    return builder.compile()


def waiting(value: Any, *answers: list[Any]) -> Any:
    """Return a graph of a model, and of a node that interrupts before it gives the tool's result."""
    model = ScriptedChatModel(answers=list(answers))

    def ask(state: State) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    def tools(state: State) -> Any:
        decision = interrupt(value)
        [one] = state["messages"][-1].tool_calls
        return {"messages": [ToolMessage(str(decision), tool_call_id=one["id"], name=one["name"])]}

    builder = StateGraph(State)
    builder.add_node("model", ask)
    builder.add_node("tools", tools)
    builder.add_edge(START, "model")
    builder.add_edge("model", "tools")
    return builder.compile(checkpointer=InMemorySaver())


CONFIG = {"configurable": {"thread_id": "1"}}
INPUT = {"messages": [("user", "hi")]}
ALL_MODES = ["messages", "updates", "custom", "values"]
