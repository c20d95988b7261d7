"""Events as lines of text and summaries as rows, safe to print.

A model may write anything, and a terminal obeys escape sequences: they can hide text, change earlier output or answer
as if the user had typed. So control characters are printed as Python's escapes.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from typing import NamedTuple

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk, ChunkHandler
from assistant_stream_ce.inspector import events
from assistant_stream_ce.jsonvalue import JSON, dumps
from assistant_stream_ce.serialization.formats import FORMATS

# Controls (but for tab and line feed), marks and overrides of direction, other line ends, lone surrogates.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
# Characters that are shown of a value; `--json` writes it whole.
_SHOWN_CHARACTERS = 1000

# Fewer deltas may arrive together by chance.
_MANY_DELTAS = 5

_FOUND_BY = {"option": "set by --wire", "headers": "detected by its header", "bytes": "detected by its first bytes"}
_ENDED = {"cut": "cut off before its end", "silent": "silent for too long", "interrupted": "stopped before its end"}


class ReportLine(NamedTuple):
    """The line that shows an event.

    Attributes:
        kind: one or two words.
        title: the subject; may be empty.
        text: raw text, to be passed through `VisibleText`.
        key: a line with the same key extends this one; None for a line that does not grow.
    """

    kind: str
    title: str
    text: str = ""
    key: object = None


def visible(text: str) -> str:
    """Return a text with every character escaped that a terminal would obey."""
    return _HIDDEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class VisibleText:
    """Applies `visible` to a text in pieces, of which one may end between two surrogates."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """Return what can be shown of the text so far."""
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        text = text.removesuffix(self._half)
        return visible(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass"))

    def rest(self) -> str:
        """Return the last surrogate, if nothing completed it."""
        return visible(self._half)


# --- Lines ----------------------------------------------------------------------------------------

# How chunks are shown that need no code: the kind of the line, the fields of its title, and that of its text.
_FIELDS: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "text-delta": ("text", ("parent_id",), "text_delta"),
    "text-part": ("text part", ("parent_id",), ""),
    "reasoning-delta": ("reasoning", ("parent_id",), "reasoning_delta"),
    "refusal-delta": ("refusal", ("parent_id",), "refusal_delta"),
    "reasoning-part": ("reasoning", ("summary", "parent_id"), ""),
    "reasoning-signature": ("signature", (), "signature"),
    "provider-metadata": ("metadata", ("part", "parent_id"), "provider_metadata"),
    "tool-call-begin": ("tool call", ("tool_call_id",), ""),
    "tool-call-delta": ("tool call", ("tool_call_id",), "args_text_delta"),
    "tool-call": ("tool call", ("tool_call_id",), "args"),
    "tool-result": ("result", ("tool_call_id",), "result"),
    "tool-approval-request": ("approval", ("tool_call_id",), "approval_id"),
    "source": ("source", ("title",), "url"),
    "source-document": ("source", ("title",), "filename"),
    "data": ("data", (), "data"),
    "data-part": ("data", ("name",), "data"),
    "annotations": ("annotations", (), "annotations"),
    "error": ("error", ("code",), "error"),
}

# The chunks that start or extend a line which later ones extend.
_GROWING = {*events.DELTA_FIELDS, "reasoning-part", "tool-call-begin", "tool-call"}


def report_line(event: events.InspectionEvent) -> ReportLine | None:
    """Return the line of an event; None if it is not shown."""
    match event:
        case events.ChunkReceived():
            return _ChunkReporter(event.part).handle(event.chunk)
        case events.Problem(offset=offset, reason=reason):
            kind = type(event).__name__.lower()
            return ReportLine(kind, visible(f"the frame at byte {offset:,}: {reason}"), event.frame)
        case events.End(message=str(message)):
            return ReportLine(event.how, visible(message))
    return None


class _ChunkReporter(ChunkHandler["ReportLine | None"]):
    """Returns the line of a chunk, which belongs to a part of the message or to none."""

    def __init__(self, part: events.PartRef | None) -> None:
        self._part = part

    def unhandled(self, chunk: AssistantStreamChunk) -> ReportLine:
        kind, titles, field = _FIELDS.get(chunk.type, ("chunk", (), ""))
        value: JSON = getattr(chunk, field) if field else "" if chunk.type in _FIELDS else repr(chunk)
        is_growing = chunk.type in _GROWING
        text = "" if value is None else value if isinstance(value, str) else _json(value)
        title = " ".join(filter(None, (self._titled(name, getattr(chunk, name)) for name in titles)))
        return ReportLine(kind, title, text if is_growing else _cut(text), self._part if is_growing else None)

    def tool_call_delta(self, chunk: chunks.ToolCallDeltaChunk) -> ReportLine | None:
        return self.unhandled(chunk) if chunk.args_text_delta else None

    def tool_result(self, chunk: chunks.ToolResultChunk) -> ReportLine:
        line = self.unhandled(chunk)
        if chunk.preliminary:
            return line._replace(kind="preliminary")
        return line._replace(kind="failure") if chunk.is_error else line

    def file(self, chunk: chunks.FileChunk) -> ReportLine:
        is_url = chunk.data.startswith(("http:", "https:"))
        text = _cut(chunk.data) if is_url else f"{len(chunk.data):,} characters"
        return ReportLine("file", visible(" ".join(filter(None, (chunk.filename, chunk.mime_type)))), text)

    def step_start(self, chunk: chunks.StepStartChunk) -> ReportLine:
        return ReportLine("step", visible(chunk.message_id), "begins")

    def step_finish(self, chunk: chunks.StepFinishChunk) -> ReportLine:
        return ReportLine("step", "", f"ends: {_finish(chunk)}")

    def message_finish(self, chunk: chunks.MessageFinishChunk) -> ReportLine:
        return ReportLine("finish", "", _finish(chunk))

    def update_state(self, chunk: chunks.UpdateStateChunk) -> ReportLine:
        match chunk.operations:
            case [{"type": "append-text", "path": path, "value": text}]:
                place = visible(_json(path))
                return ReportLine("state", f"append to {place}", str(text), place)
        return ReportLine("state", "", _cut("\n".join(map(_operation, chunk.operations))))

    def _titled(self, name: str, value: str | None) -> str:
        if name == "tool_call_id" and self._part is not None and self._part.name:
            value = f"{self._part.name} ({value})"
        elif name == "parent_id" and value is not None:
            value = f"(under {value})"
        return visible(value or "")


def _cut(text: str) -> str:
    """Return the beginning of a long text, and its length."""
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]} ... ({len(text):,} characters)"


def _operation(operation: chunks.Operation) -> str:
    verb = "append to" if operation["type"] == "append-text" else "set"
    return f"{verb} {_json(operation['path'])}: {_json(operation['value'])}"


def _json(value: JSON) -> str:
    return _cut(dumps(value).decode())


def _finish(chunk: chunks.StepFinishChunk | chunks.MessageFinishChunk) -> str:
    tokens = _tokens(chunk) if chunk.input_tokens or chunk.output_tokens else ""
    return ", ".join(filter(None, (chunk.finish_reason, tokens)))


def _tokens(usage: chunks.StepFinishChunk | chunks.MessageFinishChunk | events.TokenUsage) -> str:
    read = _details({"cached": usage.cached_tokens, "written to the cache": usage.cache_write_tokens})
    made = _details({"reasoning": usage.reasoning_tokens})
    return f"{usage.input_tokens:,} tokens in{read}, {usage.output_tokens:,} out{made}"


def _details(counts: dict[str, int]) -> str:
    known = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return f" ({known})" if known else ""


def report_opening(event: events.Start | events.FormatFound, name: str) -> str:
    """Return the text for the start of a stream, or for its format; empty for none.

    The source is omitted if it is the name that was shown; that of a recording is another one.
    """
    if isinstance(event, events.FormatFound):
        return f"{event.wire}, {_FOUND_BY[event.told_by]}"
    lines = [event.source] if event.source != name else []
    if event.status is not None:
        status = f"{event.status} {http.client.responses.get(event.status, '')}".rstrip()
        lines.append(f"{status}, {event.headers.get('content-type', 'without a content type')}")
    return visible("\n".join(lines))


# --- Summary --------------------------------------------------------------------------------------


def summary_rows(summary: events.Summary) -> list[tuple[str, str]]:
    """Return the names and values of a summary, as they are shown."""
    usage = summary.usage
    times = {"first byte": summary.first_byte, "first token": summary.first_token, "end": summary.seconds}
    rates = {"deltas a second": summary.deltas_per_second, "tokens a second by the usage": summary.tokens_per_second}
    gaps = {"byte": summary.longest_gap, "chunk": summary.longest_pause}
    rows = [
        ("result", _result(summary)),
        ("time", _listed("{} {:.3f} s", times)),
        ("speed", _listed("{1:,} {0}", rates)),
        ("longest gap", _listed("{1.seconds:.3f} s without a {0} (from {1.began:.3f} s)", gaps)),
        ("size", _sizes(summary)),
        ("message", _parts(summary)),
        ("usage", "" if usage is None else _tokens(usage)),
        ("finish reason", _finish_reason(summary)),
        *(("error", _cut(visible(error))) for error in summary.errors),
        *(("note", note) for note in _notes(summary)),
    ]
    return [(name, value) for name, value in rows if value]


def _result(summary: events.Summary) -> str:
    if summary.wire is None and summary.end == "complete":
        return "empty: nothing came"
    problems = []
    if (broken := summary.broken) is not None:
        more = f" ({summary.skipped:,} frames could not be read)" if summary.skipped > 1 else ""
        problems.append(visible(f"broken at byte {broken.offset:,}: {broken.reason}") + more)
    elif (refused := summary.refused) is not None:
        problems.append(visible(f"refused by some clients at byte {refused.offset:,}: {refused.reason}"))
    if summary.end != "complete":
        problems.append(_ENDED[summary.end])
    return "; ".join(problems) or ("good, but it carries an error" if summary.errors else "good")


def _listed(template: str, values: Mapping[str, object]) -> str:
    """Fill the template with each name and value, but for the values that are None."""
    return ", ".join(template.format(name, value) for name, value in values.items() if value is not None)


def _sizes(summary: events.Summary) -> str:
    pieces = "" if summary.seconds is None else f" in {_count(summary.pieces, 'piece')}"
    counts = (summary.frames, "frame"), (summary.chunks, "chunk"), (summary.deltas, "delta")
    return ", ".join([_count(summary.bytes, "byte") + pieces, *(_count(*count) for count in counts)])


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _parts(summary: events.Summary) -> str:
    return ", ".join(
        f"{count.parts:,} {kind}" + (f" ({count.characters:,} characters)" if count.characters else "")
        for kind, count in summary.parts.items()
    )


def _finish_reason(summary: events.Summary) -> str:
    if summary.finish_reason is not None:
        return visible(summary.finish_reason)
    if summary.wire == "data-stream" and summary.end == "complete":
        return "none: this format has no other end, so the stream may have been cut"
    return ""


def _notes(summary: events.Summary) -> list[str]:
    notes = []
    if summary.missing_header is not None:
        notes.append(f"the response lacks the header {summary.missing_header}, by which some clients detect the format")
    if summary.other_content_type is not None and summary.wire is not None:
        expected = FORMATS[summary.wire].encoder.media_type
        notes.append(visible(f"the content type is {summary.other_content_type}, not {expected}"))
    if summary.seconds is not None and summary.deltas >= _MANY_DELTAS and summary.deltas_per_second is None:
        notes.append('all deltas came at once: see "Everything arrives at once" in the documentation, troubleshooting')
    return notes
