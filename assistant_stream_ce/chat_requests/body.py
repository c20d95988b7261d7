"""Parse a request body, enforce its limits (bytes, messages, parts, depth), and read the common fields."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from assistant_stream_ce.chat_requests.request import Approval, ChatRequest, ClientTool, RequestError, ToolResult
from assistant_stream_ce.conversions.history import MAX_ID_LENGTH, POLLUTES, HistoryBuilder, text_or_none
from assistant_stream_ce.jsonvalue import JSON, loads_raw, object_or_empty
from assistant_stream_ce.message import AssistantMessage, ToolCallPart

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Ids of threads that exist only in the page: not to be used as a key of a store.
_LOCAL_THREAD = "__LOCALID_"
# Characters of a key in the path of a report.
_SHOWN = 80

_CALL_SETTINGS = frozenset(
    {
        "maxTokens",
        "maxOutputTokens",
        "temperature",
        "topP",
        "topK",
        "presencePenalty",
        "frequencyPenalty",
        "stopSequences",
        "seed",
        "headers",
        "maxRetries",
    }
)
_PART_LISTS = ("parts", "content", "toolCalls", "tool_calls")
_CONFIG = frozenset({"apiKey", "baseUrl", "modelName", "reasoningEffort"})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a request.

    Attributes:
        max_bytes: bytes of the body.
        max_messages: messages in the history.
        max_parts: parts in all messages together.
        max_depth: nesting levels of the JSON.
        max_id_length: characters of ids and names.
    """

    max_bytes: int = 20_000_000
    max_messages: int = 1_000
    max_parts: int = 10_000
    max_depth: int = 32
    max_id_length: int = MAX_ID_LENGTH


class Body:
    """A request body that is being read.

    Args:
        body: bytes, text, or as parsed by a framework.
        limits: its limits.
        trust_system: whether messages of the system are kept.

    Raises:
        RequestError: it is not a JSON object, or exceeds a limit.
    """

    def __init__(self, body: object, limits: Limits, *, trust_system: bool = False) -> None:
        self.history: HistoryBuilder = _RequestHistory(trust_system=trust_system, max_id_length=limits.max_id_length)
        self._limits = limits
        self.fields: dict[str, JSON] = self._read(body)
        self._taken: set[str] = set()

    def _read(self, body: object) -> dict[str, JSON]:
        limits = self._limits
        if isinstance(body, (bytes, bytearray, memoryview, str)):
            data = body if isinstance(body, str) else bytes(body)
            if _size(data, limits.max_bytes) > limits.max_bytes:
                raise _too_large(limits.max_bytes)
            try:
                body = loads_raw(data)
            except RecursionError:
                raise _too_deep(limits.max_depth) from None
            except ValueError:
                raise RequestError("the request body is not JSON") from None
        if not isinstance(body, dict):
            raise RequestError("the request body must be a JSON object")
        self._count(body)
        copied = _Copier(self.history, limits).copy(body)
        assert isinstance(copied, dict)
        return copied

    def _count(self, body: dict[Any, Any]) -> None:
        """Check the numbers of messages and parts before anything is copied."""
        messages = body.get("messages", body.get("commands"))
        if not isinstance(messages, (list, tuple)):
            return
        if len(messages) > self._limits.max_messages:
            raise RequestError(f"the request has more than {self._limits.max_messages:,} messages", 413)
        parts = sum(map(_part_count, messages))
        if parts > self._limits.max_parts:
            raise RequestError(f"the request has more than {self._limits.max_parts:,} parts", 413)

    def take(self, name: str) -> JSON:
        """Return a top-level field, and remove it from `extra`; None if it is absent."""
        self._taken.add(name)
        return self.fields.get(name)

    def take_text(self, name: str) -> str | None:
        """Return a top-level field that must be a text."""
        return self.history.name(self.take(name), name)

    def take_thread(self, name: str) -> str | None:
        """Return the id of the conversation; None for one that exists only in the page."""
        thread = self.take_text(name)
        return None if thread is None or thread.startswith(_LOCAL_THREAD) else thread

    def messages(self) -> JSON:
        """Return the posted messages.

        Raises:
            RequestError: there are none.
        """
        messages = self.take("messages")
        if not isinstance(messages, list):
            raise RequestError("the request has no list of messages")
        return messages

    def take_settings(self, *names: str) -> dict[str, JSON]:
        """Return call settings and configuration: from objects with these names, and from the top level."""
        settings: dict[str, JSON] = {}
        for name in names:
            value = self.take(name)
            if value is not None and not isinstance(value, dict):
                self.history.drop(name, "not an object")
            settings |= object_or_empty(value)
        for name in (_CALL_SETTINGS | _CONFIG) & self.fields.keys():
            settings[name] = self.take(name)
        return settings

    def take_tools(self) -> list[ClientTool]:
        """Return the tools of the front end: from an object by name, or from a list."""
        value = self.take("tools")
        tools: dict[str, ClientTool] = {}
        if isinstance(value, dict):
            found: Iterable[tuple[str, Any, Any]] = [
                (f"tools.{name:.{_SHOWN}}", name, tool) for name, tool in value.items()
            ]
        else:
            found = [(path, None, tool) for path, tool in self.history.objects(value, "tools")]
        for path, name, tool in found:
            fields = object_or_empty(tool.get("function", tool) if isinstance(tool, dict) else None)
            name = name or fields.get("name")
            if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
                self.history.drop(path, "a tool whose name is not 1 to 64 letters, digits, _ and -")
            elif name in tools:
                self.history.drop(path, "a second tool with this name")
            else:
                parameters = object_or_empty(fields.get("parameters"))
                tools[name] = ClientTool(name, text_or_none(fields.get("description")), parameters)
        return list(tools.values())

    def request(self, **fields: Any) -> ChatRequest:
        """Return the request; all fields that were not taken are its `extra`."""
        extra = {name: value for name, value in self.fields.items() if name not in self._taken}
        messages, dropped = self.history.result()
        return ChatRequest(messages=messages, extra=extra, dropped=dropped, **fields)

    def last_assistant(self) -> AssistantMessage | None:
        """Return the last message of the history if it is the assistant's, or None."""
        messages = self.history.messages
        return messages[-1] if messages and isinstance(messages[-1], AssistantMessage) else None

    def new_results(self, first_part: int) -> tuple[list[ToolResult], list[Approval]]:
        """Return the results and decisions in the last message of the history, from a part on."""
        message = self.last_assistant()
        results: list[ToolResult] = []
        approvals: list[Approval] = []
        for call in () if message is None else message.parts[first_part:]:
            if not isinstance(call, ToolCallPart) or call.provider_executed:
                continue
            if call.state == "answered":
                results.append(
                    ToolResult(call.id, call.name, call.result, call.is_error, call.artifact, call.model_content)
                )
            elif (asked := call.approval) is not None and asked.approved is not None:
                approvals.append(Approval(asked.id, call.id, asked.approved, asked.reason, asked.signature))
        return results, approvals


def _size(data: bytes | str, limit: int) -> int:
    # A text has at least as many bytes as characters.
    return len(data) if isinstance(data, bytes) or len(data) > limit else len(data.encode("utf-8", "replace"))


def _part_count(message: object) -> int:
    if not isinstance(message, dict):
        return 1
    inner = message.get("message")
    holder = inner if isinstance(inner, dict) else message
    return max(1, sum(len(holder[name]) for name in _PART_LISTS if isinstance(holder.get(name), (list, tuple))))


class _RequestHistory(HistoryBuilder):
    """The history of a request, in which an id or a name that is too long breaks a limit."""

    def reject_name(self, path: str, reason: str) -> None:
        raise RequestError(f"{path} is {reason}", 413)


# Where a value is: the place of its container, and its key. A path as text would be copied for each value below it.
_Place: TypeAlias = "tuple[_Place, object] | None"


def _path(place: _Place) -> str:
    keys = []
    while place is not None:
        place, key = place
        keys.append(str(key)[:_SHOWN])
    return ".".join(reversed(keys))


def _too_large(max_bytes: int) -> RequestError:
    return RequestError(f"the request body is larger than {max_bytes:,} bytes", 413)


def _too_deep(max_depth: int) -> RequestError:
    return RequestError(f"the request is nested more than {max_depth} levels deep", 413)


class _Copier:
    """Copies JSON; drops and reports keys that messages must not contain."""

    def __init__(self, history: HistoryBuilder, limits: Limits) -> None:
        self._history = history
        self._max_depth = limits.max_depth
        self._max_bytes = limits.max_bytes
        # Characters of texts and keys, and one for each other value: no more than the bytes of the JSON. The limit also
        # holds for what a framework has parsed.
        self._size = 0

    def copy(self, value: object, place: _Place = None, depth: int = 0) -> JSON:
        self._add(len(value) if isinstance(value, str) else 1)
        if value is None or isinstance(value, (str, bool, int)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if depth >= self._max_depth:
            raise _too_deep(self._max_depth)
        if isinstance(value, dict):
            copied = {}
            for key, item in value.items():
                if not isinstance(key, str):
                    raise RequestError("the request body must be JSON: an object has a key that is no text")
                self._add(len(key))
                if key == "__proto__" or (key == "constructor" and isinstance(item, dict) and "prototype" in item):
                    self._history.drop(_path((place, key)), POLLUTES)
                else:
                    copied[key] = self.copy(item, (place, key), depth + 1)
            return copied
        if isinstance(value, (list, tuple)):
            return [self.copy(item, (place, index), depth + 1) for index, item in enumerate(value)]
        raise RequestError(f"the request body must be JSON: it holds a {type(value).__name__}")

    def _add(self, size: int) -> None:
        self._size += size
        if self._size > self._max_bytes:
            raise _too_large(self._max_bytes)
