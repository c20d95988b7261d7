"""Transcripts of chunks for snapshot tests: readable text that is the same for two runs of one conversation.

Differences that depend on the splitting of texts or on timing are normalised: deltas are joined, arguments are written
where their call begins, edits of the state between two other chunks are merged, and random ids are numbered.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk, ChunkHandler, Operation
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, clone
from assistant_stream_ce.state.operations import Path, append_text, apply, set_value

# Characters: longer JSON values are written over several lines.
_LINE_WIDTH = 100

# Characters that are shown of a file's data.
_DATA_SHOWN = 60

# Eight letters and digits in a row, with a digit: as in UUIDs and in the ids of model providers.
_RANDOM = re.compile(r"(?=[A-Za-z]*\d)[A-Za-z\d]{8}")

# Characters that end a line for some readers or are invisible, and that JSON does not escape.
_INVISIBLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# Marks a line without a value, because None is a value.
_NO_VALUE = object()

#: Writes a line, once all ids are known.
_LineWriter: TypeAlias = Callable[["_IdNames"], str]


def transcript(source: Iterable[AssistantStreamChunk]) -> str:
    """Return chunks as lines of text; the same for the same conversation, however it was split into deltas.

    A line begins with the type of the chunk. Texts are quoted; one of several lines is written over several lines.

    Args:
        source: the chunks, for example those of `collect`.

    Raises:
        TypeError: an item is not a chunk.
    """
    writer = _TranscriptWriter()
    for chunk in source:
        writer.add(chunk)
    return writer.text()


class _IdNames:
    """Stable names of ids: a random id is replaced by its kind and a number, in values too."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def note(self, kind: str, id: str | None) -> None:
        """Assign a name to an id that is seen for the first time."""
        if id is not None and id not in self._names and _RANDOM.search(id):
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[id] = f"{kind}_{self._counts[kind]}"

    def name(self, id: str) -> str:
        """Return the name of an id."""
        name = self._names.get(id, id)
        return name if re.fullmatch(r"[^\s\"]+", name) else _json(name)

    def parent(self, id: str | None) -> str:
        """Return the words for a parent; empty for none."""
        return "" if id is None else f" in {self.name(id)}"

    def value(self, value: JSON, indent: str = "") -> str:
        """Return a JSON value, over several lines if it is large."""
        value = self._renamed(value)
        line = _json(value)
        if len(line) <= _LINE_WIDTH or not isinstance(value, (dict, list)):
            return line
        return _json(value, indent=2).replace("\n", f"\n{indent}")

    def _renamed(self, value: JSON) -> JSON:
        if isinstance(value, dict):
            return {self._renamed(key): self._renamed(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._renamed(item) for item in value]
        return self._names.get(value, value) if isinstance(value, str) else value


@dataclass
class _TextLine:
    """Joined text deltas of one kind and parent."""

    kind: str
    parent_id: str | None
    pieces: list[str] = field(default_factory=list)

    def write(self, names: _IdNames) -> str:
        head = self.kind + names.parent(self.parent_id)
        lines = [_json(line) for line in re.split(r"(?<=\n)", "".join(self.pieces)) if line]
        return f"{head} {lines[0]}" if len(lines) == 1 else "\n  ".join([head, *lines])


@dataclass
class _CallLine:
    """A tool call and its arguments, which arrive after it."""

    id: str
    name: str
    parent_id: str | None
    args: JSON = None
    metadata: JSON = None
    pieces: list[str] = field(default_factory=list)

    def write(self, names: _IdNames) -> str:
        line = f"tool-call {names.name(self.id)}{names.parent(self.parent_id)} {self.name}"
        text = "".join(self.pieces)
        if self.args is None and text:
            try:
                self.args = json.loads(text)
            except ValueError:
                return f"{line}\n  not JSON: {_json(text)}"
        rest = "" if self.metadata is None else f"\n  provider-metadata {names.value(self.metadata, '  ')}"
        return f"{line} {names.value({} if self.args is None else self.args)}{rest}"


class _TranscriptWriter(ChunkHandler["_LineWriter | None"]):
    """Writes the lines. A segment is the deltas between two other chunks.

    The method of a chunk returns its line, or None for a delta, which extends a line of the segment.
    """

    def __init__(self) -> None:
        self._names = _IdNames()
        self._lines: list[_LineWriter] = []
        self._calls: dict[str, _CallLine] = {}
        # The lines of the current segment.
        self._texts: list[_TextLine] = []
        self._edits = _MergedEdits()

    def text(self) -> str:
        """Return all lines."""
        self._end_segment()
        return "".join(f"{line(self._names)}\n" for line in self._lines)

    def add(self, chunk: AssistantStreamChunk) -> None:
        """Add a chunk."""
        self._names.note("parent", getattr(chunk, "parent_id", None))
        line = self.handle(chunk)
        if line is not None:
            self._end_segment()
            self._lines.append(line)

    def _end_segment(self) -> None:
        self._lines += [text.write for text in self._texts]
        self._lines += [_edit_line(operation) for operation in self._edits.operations()]
        self._texts, self._edits = [], _MergedEdits()

    # --- deltas ---

    def text_delta(self, chunk: chunks.TextDeltaChunk | chunks.ReasoningDeltaChunk | chunks.RefusalDeltaChunk) -> None:
        kind, parent_id = chunk.type.removesuffix("-delta"), chunk.parent_id
        text = getattr(chunk, f"{kind}_delta")
        if not text:
            return
        if not self._texts or (self._texts[-1].kind, self._texts[-1].parent_id) != (kind, parent_id):
            self._texts.append(_TextLine(kind, parent_id))
        self._texts[-1].pieces.append(text)

    reasoning_delta = refusal_delta = text_delta

    def update_state(self, chunk: chunks.UpdateStateChunk) -> None:
        for operation in chunk.operations:
            self._edits.add(operation)

    # --- tool calls ---

    def tool_call_begin(self, chunk: chunks.ToolCallBeginChunk) -> _LineWriter:
        return self._begin(
            _CallLine(chunk.tool_call_id, chunk.tool_name, chunk.parent_id, None, chunk.provider_metadata)
        )

    def tool_call(self, chunk: chunks.ToolCallChunk) -> _LineWriter:
        return self._begin(
            _CallLine(chunk.tool_call_id, chunk.tool_name, chunk.parent_id, chunk.args, chunk.provider_metadata)
        )

    def tool_call_delta(self, chunk: chunks.ToolCallDeltaChunk) -> _LineWriter | None:
        call_id = chunk.tool_call_id
        line = None if call_id in self._calls else self._begin(_CallLine(call_id, "(not begun)", None))
        self._calls[call_id].pieces.append(chunk.args_text_delta)
        return line

    def _begin(self, call: _CallLine) -> _LineWriter:
        self._names.note("call", call.id)
        self._calls[call.id] = call
        return call.write

    def tool_result(self, chunk: chunks.ToolResultChunk) -> _LineWriter:
        self._names.note("call", chunk.tool_call_id)
        kind = "tool-error" if chunk.is_error else "tool-result"
        words = [word for word in ("denied", "preliminary") if getattr(chunk, word)]
        more = {"artifact": chunk.artifact, "model-content": chunk.model_content}
        return _line(kind, id=chunk.tool_call_id, words=words, value=chunk.result, more=more)

    def tool_approval_request(self, chunk: chunks.ToolApprovalRequestChunk) -> _LineWriter:
        self._names.note("call", chunk.tool_call_id)
        self._names.note("approval", chunk.approval_id)
        self._names.note("signature", chunk.signature)
        more: dict[str, JSON] = {"approval": chunk.approval_id, "signature": chunk.signature}
        return _line("tool-approval-request", id=chunk.tool_call_id, more=more)

    # --- other parts ---

    def text_part(self, chunk: chunks.TextPartChunk) -> _LineWriter:
        return _line("text-part", chunk.parent_id)

    def reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> _LineWriter:
        return _line("reasoning-part", chunk.parent_id, _NO_VALUE if chunk.summary is None else chunk.summary)

    def reasoning_signature(self, chunk: chunks.ReasoningSignatureChunk) -> _LineWriter:
        return _line("reasoning-signature", value=chunk.signature)

    def provider_metadata(self, chunk: chunks.ProviderMetadataChunk) -> _LineWriter:
        return _line("provider-metadata", chunk.parent_id, chunk.provider_metadata, words=[chunk.part])

    def source(self, chunk: chunks.SourceChunk) -> _LineWriter:
        self._names.note("source", chunk.id)
        more = {
            "title": chunk.title,
            "type": None if chunk.source_type == "url" else chunk.source_type,
            **_place(chunk),
        }
        return _line("source", chunk.parent_id, id=chunk.id, words=[chunk.url], more=more)

    def source_document(self, chunk: chunks.SourceDocumentChunk) -> _LineWriter:
        self._names.note("source", chunk.id)
        more = {"title": chunk.title, "filename": chunk.filename, **_place(chunk)}
        return _line("source-document", chunk.parent_id, id=chunk.id, words=[chunk.media_type], more=more)

    def file(self, chunk: chunks.FileChunk) -> _LineWriter:
        more = {"filename": chunk.filename}
        return _line("file", chunk.parent_id, _shortened(chunk.data), words=[chunk.mime_type], more=more)

    def data_part(self, chunk: chunks.DataPartChunk) -> _LineWriter:
        self._names.note("part", chunk.id)
        more = {"id": chunk.id, "transient": chunk.transient or None}
        return _line("data-part", chunk.parent_id, chunk.data, words=[chunk.name], more=more)

    def data(self, chunk: chunks.DataChunk) -> _LineWriter:
        return _line("data", value=chunk.data)

    def annotations(self, chunk: chunks.AnnotationsChunk) -> _LineWriter:
        return _line("annotations", value=chunk.annotations)

    # --- steps and ends ---

    def step_start(self, chunk: chunks.StepStartChunk) -> _LineWriter:
        self._names.note("message", chunk.message_id)
        return _line("step-start", id=chunk.message_id)

    def step_finish(self, chunk: chunks.StepFinishChunk) -> _LineWriter:
        words = [*_finish_words(chunk), *(["continued"] if chunk.is_continued else [])]
        return _line("step-finish", words=words)

    def message_finish(self, chunk: chunks.MessageFinishChunk) -> _LineWriter:
        return _line("message-finish", words=_finish_words(chunk))

    def error(self, chunk: chunks.ErrorChunk) -> _LineWriter:
        return _line("error", value=chunk.error, more={"code": chunk.code, "severity": chunk.severity})


def _line(
    kind: str,
    parent_id: str | None = None,
    value: JSON = _NO_VALUE,
    *,
    id: str | None = None,
    words: Iterable[str] = (),
    more: dict[str, JSON] | None = None,
) -> _LineWriter:
    """Return a line: kind, parent, id, words and value, followed by lines for the other fields that are not None."""

    def write(names: _IdNames) -> str:
        parts = [kind + names.parent(parent_id), *([] if id is None else [names.name(id)]), *words]
        if value is not _NO_VALUE:
            parts.append(names.value(value))
        rest = [f"\n  {name} {names.value(item, '  ')}" for name, item in (more or {}).items() if item is not None]
        return " ".join(parts) + "".join(rest)

    return write


def _finish_words(chunk: chunks.StepFinishChunk | chunks.MessageFinishChunk) -> list[str]:
    tokens = f"tokens {chunk.input_tokens}+{chunk.output_tokens}"
    details = {
        "cached": chunk.cached_tokens,
        "cache-write": chunk.cache_write_tokens,
        "reasoning": chunk.reasoning_tokens,
    }
    known = [f"{name} {count}" for name, count in details.items() if count]
    return [chunk.finish_reason, *([tokens] if chunk.input_tokens or chunk.output_tokens else []), *known]


def _place(chunk: chunks.SourceChunk | chunks.SourceDocumentChunk) -> dict[str, JSON]:
    return {} if chunk.start_index is None else {"place": f"{chunk.start_index}-{chunk.end_index}"}


def _shortened(data: str) -> str:
    if len(data) <= _DATA_SHOWN:
        return data
    digest = hashlib.sha256(data.encode(errors="replace")).hexdigest()[:12]
    return f"{data[:_DATA_SHOWN]}... ({len(data):,} characters, SHA-256 {digest})"


def _json(value: JSON, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=repr)
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


# --- Edits of the state ---------------------------------------------------------------------------


class _MergedEdits:
    """Operations, merged as far as possible without knowing the state, and sorted by path.

    No path is inside another path that is set, so the order matters for the items of one list only.
    """

    def __init__(self) -> None:
        self._merged: dict[Path, Operation] = {}
        # Operations that do not fit the merged values; clients refuse them.
        self._invalid: list[Operation] = []

    def add(self, operation: Operation) -> None:
        """Merge an operation into the earlier ones."""
        path = tuple(map(str, operation["path"]))
        operation = {**operation, "path": list(path)}
        try:
            if not self._merge(path, operation):
                if operation["type"] == "set":
                    self._merged = {other: kept for other, kept in self._merged.items() if other[: len(path)] != path}
                self._merged[path] = {**operation, "value": clone(operation["value"])}
        except StateError:
            self._invalid.append(operation)

    def _merge(self, path: Path, operation: Operation) -> bool:
        """Apply an operation to an earlier one that sends the value at its path; return whether there is one."""
        for depth in range(len(path) + 1):
            kept = self._merged.get(path[:depth])
            if kept is None or (depth == len(path) and operation["type"] == "set"):
                continue
            # The text of an `append-text` is extended like the text of a `set`.
            inner: Operation = {**operation, "path": list(path[depth:])}
            kept["value"] = apply(kept["value"], inner)
            return True
        return False

    def operations(self) -> Iterator[Operation]:
        """Yield the merged operations."""
        for path in sorted(self._merged, key=_order):
            kept = self._merged[path]
            make = set_value if kept["type"] == "set" else append_text
            yield make(path, kept["value"])
        yield from self._invalid


def _order(path: Path) -> list[tuple[int, int, str]]:
    # Longer numbers are no list positions, and int() refuses very long ones.
    return [(0, int(key), "") if key.isascii() and key.isdigit() and len(key) < 16 else (1, 0, key) for key in path]


def _edit_line(operation: Operation) -> _LineWriter:
    def write(names: _IdNames) -> str:
        place = ".".join(["state", *map(names.name, operation["path"])])
        return f"{operation['type']} {place} {names.value(operation['value'])}"

    return write
