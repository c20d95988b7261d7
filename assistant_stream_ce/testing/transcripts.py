"""Chunks as text that people read and that two runs of the same conversation share: for snapshots.

What depends on how a model cuts its words, or on how fast the reader was, is taken out: deltas are joined, arguments
stand where their call begins, and edits of the state between two other chunks are merged. Random ids get a number.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk, Operation
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, clone
from assistant_stream_ce.state.operations import Path, append_text, apply, set_value

__all__ = ("transcript",)

# A JSON value that takes more is written over several lines.
_LINE = 100

# How much is shown of the data of a file.
_DATA = 60

# Eight letters and digits in a row, with a digit: as in a UUID, and in what model providers make.
_RANDOM = re.compile(r"(?=[A-Za-z]*\d)[A-Za-z\d]{8}")

# What a reader of lines would take for a line's end, or not show; JSON leaves it as it is.
_UNSHOWN = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# Of a line without a value, for null is one.
_NOTHING = object()

#: How a line is written: once all ids are known.
_Line: TypeAlias = Callable[["_Names"], str]


def transcript(source: Iterable[AssistantStreamChunk]) -> str:
    """Return chunks as lines of text; the same for the same conversation, however it was cut into deltas.

    A line begins with the chunk's kind. Texts are in quotes, and one with line ends has a line for each of its own.

    Args:
        source: the chunks, for example those of `collect`.

    Raises:
        TypeError: it holds something that is no chunk.
    """
    lines = _Lines()
    for chunk in source:
        lines.add(chunk)
    return lines.text()


class _Names:
    """The stable names of ids: a random one is replaced by its kind and a number, in a value too."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def note(self, kind: str, id: str | None) -> None:
        """Give an id its name, when it is seen for the first time."""
        if id is not None and id not in self._names and _RANDOM.search(id):
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[id] = f"{kind}_{self._counts[kind]}"

    def name(self, id: str) -> str:
        """Return how an id is written."""
        name = self._names.get(id, id)
        return name if re.fullmatch(r"[^\s\"]+", name) else _quoted(name)

    def value(self, value: JSON, indent: str = "") -> str:
        """Return a JSON value, over several lines if it is large."""
        value = self._replaced(value)
        line = _json(value)
        if len(line) <= _LINE or not isinstance(value, (dict, list)):
            return line
        return _json(value, indent=2).replace("\n", f"\n{indent}")

    def _replaced(self, value: JSON) -> JSON:
        if isinstance(value, dict):
            return {self._replaced(key): self._replaced(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._replaced(item) for item in value]
        return self._names.get(value, value) if isinstance(value, str) else value


class _Text:
    """Text that grows, and whose it is."""

    def __init__(self, kind: str, parent_id: str | None) -> None:
        self.key = (kind, parent_id)
        self.pieces: list[str] = []

    def write(self, names: _Names) -> str:
        kind, parent_id = self.key
        head = kind if parent_id is None else f"{kind} in {names.name(parent_id)}"
        lines = [_quoted(line) for line in re.split(r"(?<=\n)", "".join(self.pieces)) if line]
        return f"{head} {lines[0]}" if len(lines) == 1 else "\n  ".join([head, *lines])


class _Call:
    """A tool call and its arguments, which come after it."""

    def __init__(self, call_id: str, name: str, parent_id: str | None, args: JSON = None) -> None:
        self.head = (call_id, name, parent_id)
        self.args = args
        self.pieces: list[str] = []

    def write(self, names: _Names) -> str:
        call_id, name, parent_id = self.head
        parent = "" if parent_id is None else f" in {names.name(parent_id)}"
        line = f"tool-call {names.name(call_id)}{parent} {name}"
        text = "".join(self.pieces)
        if self.args is None and text:
            try:
                self.args = json.loads(text)
            except ValueError:
                return f"{line}\n  not JSON: {_quoted(text)}"
        return f"{line} {names.value({} if self.args is None else self.args)}"


class _Lines:
    """The lines so far. A segment is what stands between two chunks that are no deltas."""

    def __init__(self) -> None:
        self._names = _Names()
        self._lines: list[_Line] = []
        self._calls: dict[str, _Call] = {}
        # Of the segment.
        self._texts: list[_Text] = []
        self._edits = _Edits()

    def text(self) -> str:
        """Return all lines."""
        self._end_segment()
        return "".join(f"{line(self._names)}\n" for line in self._lines)

    def add(self, chunk: AssistantStreamChunk) -> None:
        """Add a chunk."""
        self._names.note("parent", getattr(chunk, "parent_id", None))
        match chunk:
            case chunks.TextDeltaChunk(text, parent_id):
                self._extend("text", parent_id, text)
            case chunks.ReasoningDeltaChunk(text, parent_id):
                self._extend("reasoning", parent_id, text)
            case chunks.RefusalDeltaChunk(text, parent_id):
                self._extend("refusal", parent_id, text)
            case chunks.UpdateStateChunk(operations):
                for operation in operations:
                    self._edits.add(operation)
            case chunks.ToolCallDeltaChunk(call_id, text):
                self._call(call_id).pieces.append(text)
            case chunks.ToolCallBeginChunk(call_id, name, parent_id):
                self._begin(_Call(call_id, name, parent_id))
            case chunks.ToolCallChunk(call_id, name, args, parent_id):
                self._begin(_Call(call_id, name, parent_id, args))
            case _:
                self._end_segment()
                self._lines.append(self._line_of(chunk))

    def _extend(self, kind: str, parent_id: str | None, text: str) -> None:
        if text == "":
            return
        if not self._texts or self._texts[-1].key != (kind, parent_id):
            self._texts.append(_Text(kind, parent_id))
        self._texts[-1].pieces.append(text)

    def _begin(self, call: _Call) -> None:
        self._end_segment()
        call_id = call.head[0]
        self._names.note("call", call_id)
        self._calls[call_id] = call
        self._lines.append(call.write)

    def _call(self, call_id: str) -> _Call:
        if call_id not in self._calls:
            self._begin(_Call(call_id, "(not begun)", None))
        return self._calls[call_id]

    def _end_segment(self) -> None:
        self._lines += [text.write for text in self._texts]
        self._lines += [_edit_line(operation) for operation in self._edits.operations()]
        self._texts, self._edits = [], _Edits()

    def _line_of(self, chunk: AssistantStreamChunk) -> _Line:
        """Return the line of a chunk that stands for itself."""
        match chunk:
            case chunks.ToolResultChunk(call_id, result, artifact, is_error, model_content):
                self._names.note("call", call_id)
                kind = "tool-error" if is_error else "tool-result"
                more = {"artifact": artifact, "model-content": model_content}
                return _line(kind, id=call_id, value=result, more=more)
            case chunks.ReasoningPartChunk(summary, parent_id):
                return _line("reasoning-part", parent_id, _NOTHING if summary is None else summary)
            case chunks.ReasoningSignatureChunk(signature):
                return _line("reasoning-signature", value=signature)
            case chunks.SourceChunk(id, url, source_type, title, parent_id):
                self._names.note("source", id)
                more = {"title": title, "type": None if source_type == "url" else source_type}
                return _line("source", parent_id, id=id, words=[url], more=more)
            case chunks.SourceDocumentChunk(id, media_type, title, filename, parent_id):
                self._names.note("source", id)
                more = {"title": title, "filename": filename}
                return _line("source-document", parent_id, id=id, words=[media_type], more=more)
            case chunks.FileChunk(data, mime_type, parent_id, filename):
                return _line("file", parent_id, _shortened(data), words=[mime_type], more={"filename": filename})
            case chunks.DataPartChunk(name, data, id, transient, parent_id):
                self._names.note("part", id)
                return _line(
                    "data-part", parent_id, data, words=[name], more={"id": id, "transient": transient or None}
                )
            case chunks.DataChunk(data):
                return _line("data", value=data)
            case chunks.AnnotationsChunk(annotations):
                return _line("annotations", value=annotations)
            case chunks.StepStartChunk(message_id):
                self._names.note("message", message_id)
                return _line("step-start", id=message_id)
            case chunks.StepFinishChunk(reason, read, written, is_continued):
                words = [reason, *_tokens(read, written), *(["continued"] if is_continued else [])]
                return _line("step-finish", words=words)
            case chunks.MessageFinishChunk(reason, read, written):
                return _line("message-finish", words=[reason, *_tokens(read, written)])
            case chunks.ErrorChunk(error, code, severity):
                return _line("error", value=error, more={"code": code, "severity": severity})
        raise TypeError(f"a transcript is made of chunks, not of {type(chunk).__name__}")


def _line(
    kind: str,
    parent_id: str | None = None,
    value: JSON = _NOTHING,
    *,
    id: str | None = None,
    words: Iterable[str] = (),
    more: dict[str, JSON] | None = None,
) -> _Line:
    """Return a line: the kind, its id, words and value, and what else there is on lines of its own."""

    def write(names: _Names) -> str:
        parts = [kind]
        if parent_id is not None:
            parts.append(f"in {names.name(parent_id)}")
        if id is not None:
            parts.append(names.name(id))
        parts += words
        if value is not _NOTHING:
            parts.append(names.value(value))
        rest = [f"\n  {name} {names.value(item, '  ')}" for name, item in (more or {}).items() if item is not None]
        return " ".join(parts) + "".join(rest)

    return write


def _tokens(read: int, written: int) -> list[str]:
    return [f"tokens {read}+{written}"] if read or written else []


def _shortened(data: str) -> str:
    if len(data) <= _DATA:
        return data
    digest = hashlib.sha256(data.encode(errors="replace")).hexdigest()[:12]
    return f"{data[:_DATA]}... ({len(data):,} characters, SHA-256 {digest})"


def _json(value: JSON, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=repr)
    return _UNSHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _quoted(text: str) -> str:
    return _json(text)


# --- Edits of the state ---------------------------------------------------------------------------


class _Edits:
    """Operations that are merged as far as they can be without the state itself, in the order of their paths.

    No path lies inside another one that is set, so the order does not matter but for items of one list.
    """

    def __init__(self) -> None:
        self._merged: dict[Path, Operation] = {}
        # What stands on something else than it says; clients refuse it.
        self._odd: list[Operation] = []

    def add(self, operation: Operation) -> None:
        """Merge an operation into those before it."""
        path = tuple(map(str, operation["path"]))
        operation = {**operation, "path": list(path)}
        try:
            if not self._merge(path, operation):
                if operation["type"] == "set":
                    self._merged = {other: kept for other, kept in self._merged.items() if other[: len(path)] != path}
                self._merged[path] = {**operation, "value": clone(operation["value"])}
        except StateError:
            self._odd.append(operation)

    def _merge(self, path: Path, operation: Operation) -> bool:
        """Apply an operation to the value or text that it changes, if that is sent anyway."""
        for depth in range(len(path) + 1):
            kept = self._merged.get(path[:depth])
            if kept is None or (depth == len(path) and operation["type"] == "set"):
                continue
            # The text of an `append-text` takes more text as the one of a `set` does.
            inner: Operation = {**operation, "path": list(path[depth:])}
            kept["value"] = apply(kept["value"], inner)
            return True
        return False

    def operations(self) -> Iterator[Operation]:
        """Yield the operations."""
        for path in sorted(self._merged, key=_order):
            kept = self._merged[path]
            make = set_value if kept["type"] == "set" else append_text
            yield make(path, kept["value"])
        yield from self._odd


def _order(path: Path) -> list[tuple[int, int, str]]:
    return [(0, int(one), "") if one.isascii() and one.isdigit() else (1, 0, one) for one in path]


def _edit_line(operation: Operation) -> _Line:
    def write(names: _Names) -> str:
        place = ".".join(["state", *map(names.name, operation["path"])])
        return f"{operation['type']} {place} {names.value(operation['value'])}"

    return write
