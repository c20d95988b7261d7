"""What the views say: an event as a line, a summary as rows. Nothing of the stream reaches a terminal as it is.

A model may write anything, and a terminal obeys what it is sent: it can be made to hide text, to change what was
written before, to answer as if the user had typed. So control characters are shown as Python's escapes.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple

from assistant_stream_ce import chunks
from assistant_stream_ce.inspector.events import Broken, ChunkCame, End, Event, Gap, Refused, Start, Summary, WireFound
from assistant_stream_ce.jsonvalue import JSON, dumps
from assistant_stream_ce.serialization.formats import FORMATS

__all__ = ("Line", "VisibleText", "line_of", "opening", "rows", "visible")

# Controls (but for tab and line feed), the marks and overrides of direction, other line ends, halves of characters.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
# So much is shown of a value; `--json` has it whole.
_SHOWN_CHARACTERS = 1000

# From so many deltas on, it is no accident that all come at once.
_MANY = 5

_TOLD_BY = {"option": "as asked", "headers": "as its header says", "bytes": "as its first bytes tell"}
_ENDED = {"cut": "cut off before its end", "silent": "silent for too long", "interrupted": "stopped before its end"}


class Line(NamedTuple):
    """How an event is shown.

    Attributes:
        kind: a word.
        title: what it is about; may be empty.
        text: raw, to be made visible by who shows it.
        key: a line with the key of the one before it goes on with its text; None for a line that never grows.
    """

    kind: str
    title: str
    text: str = ""
    key: object = None


def visible(text: str) -> str:
    """Return a text as it may be sent to a terminal."""
    return _HIDDEN.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class VisibleText:
    """Makes a text visible that comes in pieces, of which one may end in the middle of a character."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """Return what can be shown of the text so far."""
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        text = text.removesuffix(self._half)
        return visible(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass"))

    def rest(self) -> str:
        """Return the half that stayed one."""
        return visible(self._half)


def _cut(text: str) -> str:
    """Return the beginning of a long text, and how long it is."""
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]} ... ({len(text):,} characters)"


def line_of(event: Event) -> Line | None:
    """Return how an event is shown; None for what is not."""
    match event:
        case ChunkCame():
            return _line_of_chunk(event)
        case Broken() | Refused():
            kind = "broken" if isinstance(event, Broken) else "refused"
            return Line(kind, visible(f"the frame at byte {event.offset:,}: {event.reason}"), event.frame)
        case End(message=str(message)):
            return Line(event.how, visible(message))
    return None


def _line_of_chunk(event: ChunkCame) -> Line | None:
    part, name = event.part, event.part.name if event.part else None
    match event.chunk:
        case chunks.TextDeltaChunk(text_delta=text, parent_id=parent):
            return Line("text", _under(parent), text, part)
        case chunks.ReasoningDeltaChunk(reasoning_delta=text, parent_id=parent):
            return Line("reasoning", _under(parent), text, part)
        case chunks.RefusalDeltaChunk(refusal_delta=text, parent_id=parent):
            return Line("refusal", _under(parent), text, part)
        case chunks.ReasoningPartChunk(summary=summary, parent_id=parent):
            return Line("reasoning", _titled(visible(summary or ""), _under(parent)), "", part)
        case chunks.ReasoningSignatureChunk(signature=signature):
            return Line("signature", "", _cut(signature))
        case chunks.ToolCallBeginChunk(tool_call_id=call_id):
            return Line("tool call", _call(name, call_id), "", part)
        case chunks.ToolCallDeltaChunk(tool_call_id=call_id, args_text_delta=text):
            return Line("tool call", _call(name, call_id), text, part) if text else None
        case chunks.ToolCallChunk(tool_call_id=call_id, args=args):
            return Line("tool call", _call(name, call_id), _json(args), part)
        case chunks.ToolResultChunk(tool_call_id=call_id, result=result, is_error=is_error):
            return Line("failure" if is_error else "result", _call(name, call_id), _json(result))
        case chunks.SourceChunk(title=title, url=url):
            return Line("source", visible(title or ""), url)
        case chunks.SourceDocumentChunk(title=title, filename=filename):
            return Line("source", visible(title), filename or "")
        case chunks.FileChunk(mime_type=kind, filename=filename, data=data):
            size = _cut(data) if data.startswith(("http:", "https:")) else f"{len(data):,} characters"
            return Line("file", visible(_titled(filename or "", kind)), size)
        case chunks.DataChunk(data=data):
            return Line("data", "", _json(data))
        case chunks.DataPartChunk(name=title, data=data):
            return Line("data", visible(title), _json(data))
        case chunks.AnnotationsChunk(annotations=annotations):
            return Line("annotations", "", _json(annotations))
        case chunks.StepStartChunk(message_id=message_id):
            return Line("step", visible(message_id), "begins")
        case chunks.StepFinishChunk() as finish:
            return Line("step", "", f"ends: {_finish(finish.finish_reason, finish.input_tokens, finish.output_tokens)}")
        case chunks.MessageFinishChunk() as finish:
            return Line("finish", "", _finish(finish.finish_reason, finish.input_tokens, finish.output_tokens))
        case chunks.ErrorChunk(error=error, code=code):
            return Line("error", visible(code or ""), error)
        case chunks.UpdateStateChunk(operations=[{"type": "append-text", "path": path, "value": text}]):
            place = visible(_json(path))
            return Line("state", f"append to {place}", str(text), place)
        case chunks.UpdateStateChunk(operations=operations):
            return Line("state", "", _cut("\n".join(map(_operation, operations))))
    return Line("chunk", "", _cut(repr(event.chunk)))


def _operation(operation: chunks.Operation) -> str:
    words = "append to" if operation["type"] == "append-text" else "set"
    return f"{words} {_json(operation['path'])}: {_json(operation['value'])}"


def _json(value: JSON) -> str:
    return _cut(dumps(value).decode())


def _under(parent_id: str | None) -> str:
    return "" if parent_id is None else visible(f"(under {parent_id})")


def _call(name: str | None, call_id: str) -> str:
    return visible(f"{name} ({call_id})" if name else call_id)


def _titled(*words: str) -> str:
    return " ".join(filter(None, words))


def _finish(reason: str, input_tokens: int, output_tokens: int) -> str:
    return f"{reason}, {input_tokens:,} tokens in, {output_tokens:,} out" if input_tokens or output_tokens else reason


def opening(event: Start | WireFound, name: str) -> str:
    """Return what is shown of a beginning; empty for nothing.

    Args:
        event: the beginning.
        name: what was shown as the source, which is another one for a recording.
    """
    if isinstance(event, WireFound):
        return f"{event.wire}, {_TOLD_BY[event.told_by]}"
    words = [event.source] if event.source != name else []
    if event.status is not None:
        words.append(f"{_status(event.status)}, {event.headers.get('content-type', 'without a content type')}")
    return visible("\n".join(words))


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _verdict(summary: Summary) -> str:
    """Return in one line whether the stream was good."""
    if summary.wire is None and summary.end == "complete":
        return "empty: nothing came"
    problems = []
    if summary.broken is not None:
        broken = summary.broken
        more = f" ({summary.skipped:,} frames could not be read)" if summary.skipped > 1 else ""
        problems.append(visible(f"broken at byte {broken.offset:,}: {broken.reason}") + more)
    elif summary.refused is not None:
        refused = summary.refused
        problems.append(visible(f"refused by some clients at byte {refused.offset:,}: {refused.reason}"))
    if summary.end != "complete":
        problems.append(_ENDED[summary.end])
    return "; ".join(problems) or ("good, but it carries an error" if summary.errors else "good")


def rows(summary: Summary) -> list[tuple[str, str]]:
    """Return what is shown of a summary: names and values."""
    found = [
        ("result", _verdict(summary)),
        ("time", _times(summary)),
        ("speed", _speed(summary)),
        ("longest gap", _gaps(summary)),
        ("size", _sizes(summary)),
        ("message", _parts(summary)),
        ("usage", _usage(summary)),
        ("finish reason", _reason(summary)),
        *(("error", _cut(visible(error))) for error in summary.errors),
        ("note", _header_note(summary)),
        ("note", _type_note(summary)),
        ("note", _at_once_note(summary)),
    ]
    return [(name, value) for name, value in found if value]


def _times(summary: Summary) -> str:
    times = (
        ("first byte", summary.first_byte),
        ("first token", summary.first_token),
        ("end", summary.seconds),
    )
    return ", ".join(f"{name} {seconds:.3f} s" for name, seconds in times if seconds is not None)


def _speed(summary: Summary) -> str:
    rates = []
    if summary.deltas_per_second is not None:
        rates.append(f"{summary.deltas_per_second:,} deltas a second")
    if summary.tokens_per_second is not None:
        rates.append(f"{summary.tokens_per_second:,} tokens a second by the usage")
    return ", ".join(rates)


def _gaps(summary: Summary) -> str:
    gaps = ((summary.longest_gap, "byte"), (summary.longest_pause, "chunk"))
    return ", ".join(_gap(gap, of) for gap, of in gaps if gap is not None)


def _gap(gap: Gap, of: str) -> str:
    return f"{gap.seconds:.3f} s without a {of} (from {gap.began:.3f} s)"


def _sizes(summary: Summary) -> str:
    counts = [_count(summary.bytes, "byte")]
    if summary.seconds is not None:
        counts[0] += f" in {_count(summary.pieces, 'piece')}"
    counts += [_count(summary.frames, "frame"), _count(summary.chunks, "chunk"), _count(summary.deltas, "delta")]
    return ", ".join(counts)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _parts(summary: Summary) -> str:
    return ", ".join(
        f"{count.parts:,} {kind}" + (f" ({count.characters:,} characters)" if count.characters else "")
        for kind, count in summary.parts.items()
    )


def _usage(summary: Summary) -> str:
    usage = summary.usage
    return "" if usage is None else f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"


def _reason(summary: Summary) -> str:
    if summary.finish_reason is not None:
        return visible(summary.finish_reason)
    if summary.wire == "data-stream" and summary.end == "complete":
        return "none: this wire has no other end, so the stream may have been cut"
    return ""


def _header_note(summary: Summary) -> str:
    if summary.missing_header is None:
        return ""
    return f"the response has no header {summary.missing_header}, by which some clients know this wire from others"


def _type_note(summary: Summary) -> str:
    if summary.other_content_type is None or summary.wire is None:
        return ""
    return visible(f"the content type is {summary.other_content_type}, not {FORMATS[summary.wire].encoder.media_type}")


def _at_once_note(summary: Summary) -> str:
    if summary.seconds is not None and summary.deltas >= _MANY and summary.deltas_per_second is None:
        return 'all deltas came at once: see "Everything arrives at once" on the documentation\'s page on diagnosis'
    return ""
