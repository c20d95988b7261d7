"""Events of a graph in the state of a run, for front ends that show `state["messages"]`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.integrations.events import application_data
from assistant_stream_ce.jsonvalue import JSON, plain

#: The names of nodes: one, several, or a function that is called with a list of one name.
NodeNames: TypeAlias = str | list[str] | Callable[[list[str]], bool]


def append_langgraph_event(state: Any, namespace: Sequence[str], type: str, payload: Any) -> None:
    """Write an event of `graph.stream(..., stream_mode=["messages", "updates"], subgraphs=True)` to a state.

    Of `messages`, the chunks of a message are joined to one item of `state["messages"]`, found by its `id`; a message
    with the `id` or the `tool_call_id` of an earlier one replaces it. Only what differs is sent. Of `updates`, every
    channel but `messages` is assigned. Other events are ignored.

    Args:
        state: `controller.state`, or a dict inside it as `get_tool_call_subgraph_state` returns it.
        namespace: the namespace of the event. It is not used: pass the state of the subgraph as `state`.
        type: the stream mode of the event.
        payload: its data.

    Raises:
        TypeError: an updated channel is not JSON.
    """
    if type == "messages":
        _append_message(state, payload[0])
    elif type == "updates":
        for channels in payload.values():
            if isinstance(channels, dict):
                assign_channels(state, channels)


def assign_channels(state: Any, channels: dict[str, Any]) -> None:
    """Assign the channels that differ, but not `messages` and those of langgraph itself."""
    for name, value in channels.items():
        if name != "messages" and not name.startswith("__"):
            made = application_data(value, f"state[{name!r}]")
            if name not in state or state[name] != made:
                state[name] = made


def get_tool_call_subgraph_state(
    controller: RunController,
    namespace: Sequence[str],
    subgraph_node: NodeNames,
    default_state: dict[str, Any],
    *,
    artifact_field_name: str | None = None,
    tool_name: str | list[str] | None = None,
) -> Any:
    """Return the state for the events of a subgraph that a tool call runs: the artifact of its tool message.

    Outside of such a subgraph it is `controller.state`. If the last message is an AI message with tool calls, a tool
    message for the last one of them is appended, with `additional_kwargs["streaming"]`.

    Args:
        controller: the controller of the run; a state that is None becomes `default_state`.
        namespace: the namespace of the event: texts of the form `node:task`.
        subgraph_node: the nodes that run tools, by name, or a function that is called with a list of one name.
        default_state: the state of a subgraph before its first event.
        artifact_field_name: the field of the artifact that has the state; None for the artifact itself.
        tool_name: the tools that have a subgraph; None for all.
    """
    if controller.state is None:
        controller.state = default_state
    state = controller.state
    if not any(_is_one_of(part.split(":")[0], subgraph_node) for part in namespace):
        return state
    messages = state.get("messages")
    if not messages:
        return state
    if messages[-1]["type"] == "ai":
        calls = messages[-1].get("tool_calls")
        if not calls or (tool_name is not None and not _is_one_of(calls[-1]["name"], tool_name)):
            return state
        messages.append(_tool_message(calls[-1]))
    if messages[-1]["type"] != "tool":
        return state
    return _artifact_of(messages[-1], artifact_field_name, plain(default_state, "default_state"))


def _artifact_of(message: Any, field_name: str | None, default: JSON) -> Any:
    """Return the artifact of a tool message, or a field of it; a missing one is set to a default."""
    if message.get("artifact") is None:
        message["artifact"] = {} if field_name else default
    if field_name is None:
        return message["artifact"]
    if field_name not in message["artifact"]:
        message["artifact"][field_name] = default
    return message["artifact"][field_name]


def _is_one_of(name: str, names: NodeNames) -> bool:
    if isinstance(names, str):
        return name == names
    return bool(names([name])) if callable(names) else name in names


def _tool_message(call: Any) -> dict[str, JSON]:
    """Return a tool message without content, with the fields that langchain's own has as a dict."""
    return {
        "type": "tool",
        "content": "",
        "name": call["name"],
        "tool_call_id": call["id"],
        "id": None,
        "artifact": None,
        "status": "success",
        "additional_kwargs": {"streaming": True},
        "response_metadata": {},
    }


def _append_message(state: Any, message: Any) -> None:
    if "messages" not in state:
        state["messages"] = []
    messages = state["messages"]
    made = _dump(message)
    is_chunk = made.get("type") == "AIMessageChunk"
    index = _find(messages, made)
    if index is None:
        messages.append({**made, "type": "ai"} if is_chunk else made)
    elif is_chunk:
        present = plain(messages[index])
        joined = type(message)(**{**present, "type": "AIMessageChunk"}) + message
        _patch(messages, index, present, {**_dump(joined), "type": "ai"})
    else:
        messages[index] = made


def _dump(message: Any) -> dict[str, Any]:
    made: dict[str, Any] = plain(message.model_dump(), "message")
    return made


def _find(messages: Any, made: dict[str, Any]) -> int | None:
    """Return the index of the newest message with the id or the tool call id of another one."""
    keys = [(name, made[name]) for name in ("id", "tool_call_id") if made.get(name) is not None]
    for index in reversed(range(len(messages))):
        if any(messages[index].get(name) == value for name, value in keys):
            return index
    return None


def _patch(parent: Any, key: Any, old: JSON, new: JSON) -> None:
    """Assign a value where it differs from the old one; a longer text is appended to."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() <= new.keys():
        for name, item in new.items():
            if name in old:
                _patch(parent[key], name, old[name], item)
            else:
                parent[key][name] = item
    elif isinstance(old, list) and isinstance(new, list) and len(old) <= len(new):
        for index, item in enumerate(old):
            _patch(parent[key], index, item, new[index])
        parent[key].extend(new[len(old) :])
    elif isinstance(old, str) and isinstance(new, str) and old and new.startswith(old):
        parent[key] += new[len(old) :]
    else:
        parent[key] = new
