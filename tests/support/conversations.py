"""Random conversations: what a callback might say and do, as plain data that can be performed, and foretold.

A conversation is a list of acts, made from a seed alone. `perform` acts it out on a real controller;
`expected.py` works out from the same acts what each client must show.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from assistant_stream_ce import RunController, ToolCallController

#: What breaks careless encoders: line ends of every kind, quotes, control characters, halves of surrogate
#: pairs, and texts that look like frames.
NASTY = (
    "\n", "\r\n", "\r", "\n\n", "\u2028", "\u2029", "\u0085", "\x00", "\x01", "\x0b", "\x0c", "\x1b[0m", "\x1f", "\x7f",
    '"', "'", "\\", "\\\\", "\\n", "\\u", "\\ud83d", "/", "</script>", "\ufeff", "\ufffd", "\ufffe", "\uffff",
    "\u202e", "\u200d", "e\u0301", "\u00e9", "\u00df", "\u6f22\u5b57", "\U0001f600",
    "\U0001f469\u200d\U0001f680", "\U0010ffff",
    "\ud83d", "\ude00", "\udc00\ud800", "data: [DONE]\n\n", "data: {}\n\n", "event: ping\n",
    ": comment\n\n", "0:", '0:"x"\n', "3:", "d:{}\n", "__proto__", '"__proto__":', "constructor",
    "NaN", "null", "{}", "[]", "{", "}", "",
)  # fmt: skip

WORDS = ("Let me look", " the weather", " is", " 21 degrees", ", ", "sunny ", "and then some more words. ", "a", " ")

KEYS = (
    "a",
    "b",
    "city",
    "",
    " ",
    "0",
    "1",
    "-1",
    "length",
    "toString",
    "hasOwnProperty",
    "__proto",
    "\u00e9",
    "\u2028",
    '"',
    "\n",
    "\U0001f600",
)
POISONED_KEYS = ("__proto__", "constructor", "prototype")

INTEGERS = (0, 1, -1, 42, 2**31, -(2**31), 2**53 - 1, 2**53 + 1, -(2**63), 2**64, 10**20, 10**300, 10**400)
FLOATS = (0.0, -0.0, 0.1, -1.5, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, float("nan"), float("inf"), float("-inf"))

Flavor: TypeAlias = Literal["assistant-ui", "ai-sdk-v4"]


class ModelError(Exception):
    """What a conversation's callback raises."""


@dataclass(frozen=True)
class Act:
    """One thing the callback does: a method of the controller, of one of its tool calls, or a state edit."""

    what: str
    values: dict[str, Any] = field(default_factory=dict)
    parent_id: str | None = None


@dataclass(frozen=True)
class Conversation:
    """What a callback does, and the state that it starts with."""

    seed: int
    flavor: Flavor
    state: Any
    acts: tuple[Act, ...]


def perform(conversation: Conversation, controller: RunController) -> None:
    """Act a conversation out."""
    calls: dict[str, ToolCallController] = {}
    for act in conversation.acts:
        speaker = controller if act.parent_id is None else controller.with_parent_id(act.parent_id)
        values = copy.deepcopy(act.values)
        if act.what == "raise":
            raise ModelError(values["text"])
        if act.what == "state":
            edit(controller, **values)
        elif act.what.startswith("tool."):
            call = calls[values.pop("tool_call_id")]
            getattr(call, act.what.removeprefix("tool."))(**values)
        else:
            done = getattr(speaker, act.what)(**values)
            if act.what == "add_tool_call":
                calls[done.tool_call_id] = done


def edit(holder: Any, kind: str, path: list[str | int], value: Any) -> None:
    """Edit `holder.state`, which is plain data or the controller's proxy of it."""
    if not path and kind in ("set", "extend text"):
        holder.state = value if kind == "set" else holder.state + value
        return
    target, key = holder.state, None
    if kind in ("set", "extend text", "delete"):
        path, key = path[:-1], path[-1]
    for segment in path:
        target = target[segment]
    match kind:
        case "set":
            target[key] = value
        case "extend text":
            target[key] += value
        case "delete":
            del target[key]
        case "insert":
            target.insert(1, value)
        case "append" | "extend" | "update":
            getattr(target, kind)(value)
        case "reverse" | "clear":
            getattr(target, kind)()
        case _:
            raise AssertionError(kind)


@dataclass
class Holder:
    """The plain twin of a controller's state."""

    state: Any


def made_safe(value: Any, *, most: int = 2**1023) -> Any:
    """Return the JSON value that must arrive: without numbers that JSON lacks and keys that clients reject.

    Args:
        value: any JSON value.
        most: greater integers, which are Infinity in JavaScript, are null.
    """
    match value:
        case dict():
            return {
                key: made_safe(item, most=most)
                for key, item in value.items()
                if key != "__proto__" and not (key == "constructor" and isinstance(item, dict) and "prototype" in item)
            }
        case list():
            return [made_safe(item, most=most) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case int():
            return value if abs(value) < most else None
        case _:
            return value


def joined(text: str) -> str:
    """Join halves of surrogate pairs that stand side by side, as they are one character in JavaScript."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def conversation(seed: int, flavor: Flavor = "assistant-ui") -> Conversation:
    """Make the conversation of a seed.

    Args:
        seed: the same seed gives the same conversation.
        flavor: an AI SDK 4 client knows no parents, no state, no call of an earlier message, and no
            arguments that end half-way.
    """
    return _Author(seed, flavor).write()


class _Author:
    """Writes one conversation, and keeps in mind what can come next."""

    def __init__(self, seed: int, flavor: Flavor) -> None:
        self.seed = seed
        self.flavor: Flavor = flavor
        self.random = random.Random(f"{flavor} {seed}")
        self.acts: list[Act] = []
        # The calls whose arguments are not complete, with the pieces of text to come; those without a result.
        self.pieces: dict[str, list[str]] = {}
        self.unanswered: list[str] = []
        self.holder = Holder(None)
        self.count = 0

    def write(self) -> Conversation:
        if self.is_free and self.random.random() < 0.6:
            self.holder.state = made_safe(self.value(0) if self.random.random() < 0.3 else {"messages": [], "text": ""})
        start = copy.deepcopy(self.holder.state)
        turns: list[tuple[int, Callable[[], None]]] = [
            (24, self.say),
            (2, self.refuse),
            (8, self.reason),
            (3, self.sign_reasoning),
            (8, self.begin_call),
            (3, self.call),
            (24, self.continue_call),
            (4, self.close_call),
            (8, self.answer_call),
            (3, self.add_source),
            (2, self.add_source_document),
            (3, self.add_file),
            (3, self.add_data),
            (5, self.add_data_part),
            (2, self.add_annotations),
            (2, self.start_step),
            (2, self.finish_step),
        ]
        if self.is_free:
            turns += [(14, self.edit_state), (2, self.answer_earlier_call), (4, self.start_reasoning_part)]
        weights = [weight for weight, _ in turns]
        for _ in range(self.random.choice((0, 4, 15, 40, 80))):
            self.random.choices(turns, weights)[0][1]()
        self.end()
        return Conversation(self.seed, self.flavor, start, tuple(self.acts))

    @property
    def is_free(self) -> bool:
        return self.flavor == "assistant-ui"

    def act(self, what: str, parent_id: str | None = None, /, **values: Any) -> None:
        self.acts.append(Act(what, values, parent_id))

    # --- turns ---

    def say(self) -> None:
        for text in self.cut(self.text()):
            self.act("append_text", self.parent(), text=text)

    def reason(self) -> None:
        for text in self.cut(self.text()):
            self.act("append_reasoning", self.parent(), text=text)

    def refuse(self) -> None:
        for text in self.cut(self.text()):
            self.act("append_refusal", self.parent(), text=text)

    def start_reasoning_part(self) -> None:
        self.act("add_reasoning_part", self.parent(), summary=self.random.choice((None, "", self.text(4))))

    def sign_reasoning(self) -> None:
        self.act("add_reasoning_signature", self.parent(), signature=self.text(3))
        if not self.is_free:
            # The client shows it together with what follows.
            self.act("append_text", text=".")

    def call(self) -> None:
        call_id = self.fresh_id()
        args = {self.key(): self.value() for _ in range(self.random.randrange(4))}
        self.act("add_tool_call", self.parent(), tool_name=self.text(3), tool_call_id=call_id, args=args)
        self.unanswered.append(call_id)

    def begin_call(self) -> None:
        call_id = self.fresh_id()
        self.act("add_tool_call", self.parent(), tool_name=self.text(3), tool_call_id=call_id)
        self.pieces[call_id] = self.cut(self.arguments())
        self.unanswered.append(call_id)

    def continue_call(self) -> None:
        call_id = self.one_of([call_id for call_id, pieces in self.pieces.items() if pieces])
        if call_id is not None:
            self.act("tool.append_args_text", tool_call_id=call_id, text=self.pieces[call_id].pop(0))

    def close_call(self) -> None:
        call_id = self.one_of(list(self.pieces))
        if call_id is not None:
            self.complete(call_id)
            self.act("tool.close", tool_call_id=call_id)

    def answer_call(self) -> None:
        call_id = self.one_of(self.unanswered)
        if call_id is not None:
            self.complete(call_id)
            self.unanswered.remove(call_id)
            self.act("tool.set_response", tool_call_id=call_id, **self.result())

    def answer_earlier_call(self) -> None:
        self.act("add_tool_result", self.parent(), tool_call_id=self.fresh_id(), **self.result())

    def add_source(self) -> None:
        title = self.random.choice((None, "", self.text(4)))
        self.act("add_source", self.parent(), id=self.text(2), url=f"https://example.org/{self.text(4)}", title=title)

    def add_source_document(self) -> None:
        filename = self.random.choice((None, "", self.text(2)))
        values = {"id": self.text(2), "media_type": self.text(2), "title": self.text(4), "filename": filename}
        self.act("add_source_document", self.parent(), **values)

    def add_file(self) -> None:
        data, filename = self.random.choice(("aGk=" * 50, self.text())), self.random.choice((None, "", self.text(2)))
        self.act("add_file", self.parent(), data=data, mime_type=self.text(2), filename=filename)

    def add_data(self) -> None:
        self.act("add_data", data=self.value())

    def add_data_part(self) -> None:
        self.act(
            "add_data_part",
            self.parent(),
            name=self.random.choice(("progress", "progress", self.text(2))),
            data=self.value(),
            id=self.random.choice((None, "", "a", "b")),
            # The parts that are kept have a frame that AI SDK 4 does not know.
            transient=self.random.random() < 0.3 or not self.is_free,
        )

    def add_annotations(self) -> None:
        self.act("add_annotations", annotations=[self.value() for _ in range(self.random.randrange(3))])

    def start_step(self) -> None:
        self.act("add_step_start", message_id=self.fresh_id())

    def finish_step(self) -> None:
        self.complete_all()
        self.act("add_step_finish", **self.finish(), is_continued=self.random.random() < 0.5)

    def edit_state(self) -> None:
        kind, path, value = self.edit()
        if kind == "extend text" and self.random.random() < 0.5:
            self.act("append_state_text", path=path, text=value)
        else:
            self.act("state", kind=kind, path=path, value=value)
        edit(self.holder, kind, path, copy.deepcopy(made_safe(value)))

    def end(self) -> None:
        if not self.is_free:
            self.complete_all()
        if self.random.random() < 0.1:
            severity = self.random.choice((None, "critical", "warning", "info"))
            code = self.random.choice((None, "", self.text(2)))
            self.act("add_error", message=self.text() + "!", code=code, severity=severity)
            self.say()
        if self.random.random() < 0.5:
            self.complete_all()
            self.act("add_message_finish", **self.finish())
        if self.random.random() < 0.1:
            self.act("raise", text=self.text() + "!")

    # --- tool calls ---

    def complete(self, call_id: str) -> None:
        """Send the rest of a call's arguments, or stop half-way."""
        for text in self.pieces.pop(call_id, ()):
            if self.is_free and self.random.random() < 0.1:
                break
            self.act("tool.append_args_text", tool_call_id=call_id, text=text)

    def complete_all(self) -> None:
        for call_id in list(self.pieces):
            self.complete(call_id)

    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = {"result": self.value()}
        if self.random.random() < 0.3:
            result["artifact"] = self.value()
        if self.random.random() < 0.3:
            result["is_error"] = self.random.random() < 0.7
        if self.random.random() < 0.2:
            result["model_content"] = [self.value() for _ in range(self.random.randrange(3))]
        return result

    def arguments(self) -> str:
        """Return argument text: mostly an object, sometimes none, or JSON that is no object."""
        dice = self.random.random()
        if dice < 0.1:
            return ""
        value = made_safe(self.value(0) if dice < 0.2 else {self.key(): self.value(1) for _ in range(5)})
        if isinstance(value, dict) and self.is_free and dice > 0.95:
            value[self.random.choice(POISONED_KEYS)] = {"prototype": 1}
        indent = self.random.choice((None, None, 1))
        return json.dumps(value, ensure_ascii=self.random.random() < 0.5, indent=indent)

    def finish(self) -> dict[str, Any]:
        reasons = ("stop", "length", "content-filter", "tool-calls", "error", "other", "unknown")
        tokens = (0, 1, 17, 123456)
        return {
            "finish_reason": self.random.choice(reasons),
            "input_tokens": self.random.choice(tokens),
            "output_tokens": self.random.choice(tokens),
        }

    # --- state ---

    def edit(self) -> tuple[str, list[str | int], Any]:
        """Choose an edit that is possible now: its kind, place and value."""
        path, there = self.random.choice(_places(self.holder.state))
        kinds: tuple[str, ...] = {
            str: ("extend text",) * 4,
            list: ("append", "append", "append", "extend", "insert", "reverse", "clear"),
            dict: ("new key", "new key", "update", "clear"),
        }.get(type(there), ())
        kind = self.random.choice((*kinds, *kinds, "set", "delete") if path else (*kinds, *kinds, "set"))
        match kind:
            case "extend text":
                return kind, path, self.text()
            case "extend":
                return kind, path, [self.value(), self.value()]
            case "update":
                return kind, path, {self.key(): self.value(), self.key(): self.value()}
            case "new key":
                return "set", [*path, self.key()], self.value()
            case _:
                return kind, path, self.value(0 if not path else 2)

    # --- material ---

    def text(self, most: int = 8) -> str:
        if most > 4 and self.random.random() < 0.05:
            return self.random.choice(NASTY) * self.random.choice((100, 1000))
        pieces = [self.random.choice(self.random.choice((NASTY, WORDS))) for _ in range(self.random.randint(1, most))]
        return "".join(pieces)

    def cut(self, text: str) -> list[str]:
        """Cut a text anywhere: also between the halves of a character beyond U+FFFF, as a tokenizer may."""
        units = [half for character in text for half in _halves(character)]
        places = sorted(self.random.randrange(len(units) + 1) for _ in range(self.random.randrange(6)))
        ends = zip([0, *places], [*places, len(units)], strict=True)
        return [joined("".join(units[start:stop])) for start, stop in ends]

    def value(self, depth: int = 2) -> Any:
        """Make any JSON value, and now and then something that JSON cannot hold."""
        match self.random.choice(("scalar", "scalar", "text", "list", "dict") if depth < 4 else ("scalar", "text")):
            case "scalar":
                return self.random.choice((None, True, False, self.random.choice(INTEGERS), self.random.choice(FLOATS)))
            case "text":
                return self.text(3)
            case "list":
                return [self.value(depth + 1) for _ in range(self.random.randrange(4))]
            case _:
                value = {self.key(): self.value(depth + 1) for _ in range(self.random.randrange(4))}
                if self.random.random() < 0.1:
                    value[self.random.choice(POISONED_KEYS)] = self.random.choice((1, {"prototype": 1}, {"a": None}))
                return value

    def key(self) -> str:
        return self.random.choice(KEYS)

    def fresh_id(self) -> str:
        self.count += 1
        return f"{self.count}-{self.text(1)}"

    def parent(self) -> str | None:
        if not self.is_free or self.random.random() < 0.8:
            return None
        return self.random.choice(("group", "", '\u2028\n"', *self.unanswered))

    def one_of(self, choices: list[str]) -> str | None:
        return self.random.choice(choices) if choices else None


def _halves(character: str) -> tuple[str, ...]:
    """Return the UTF-16 halves of a character, most often one."""
    if ord(character) < 0x10000:
        return (character,)
    high, low = divmod(ord(character) - 0x10000, 0x400)
    return chr(0xD800 + high), chr(0xDC00 + low)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[list[str | int], Any]]:
    """Return every place in a state that an operation can name, with what is there."""
    places: list[tuple[list[str | int], Any]] = [(list(path), value)]
    match value:
        case dict():
            items: list[tuple[str | int, Any]] = [
                (key, item) for key, item in value.items() if key not in POISONED_KEYS
            ]
        case list():
            items = list(enumerate(value))
        case _:
            items = []
    for key, item in items:
        places += _places(item, (*path, key))
    return places
