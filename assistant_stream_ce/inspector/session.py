"""One inspection from its options to its exit status: what is opened, how it is shown, how it ends."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Literal

from assistant_stream_ce.errors import MissingExtraError
from assistant_stream_ce.inspector.events import Event, HowEnded, Summary
from assistant_stream_ce.inspector.inspection import Inspection
from assistant_stream_ce.inspector.recording import Recorder, is_recording, open_recording, recorder
from assistant_stream_ce.inspector.request import Request, open_url
from assistant_stream_ce.inspector.sources import CutError, Source, SourceError, open_descriptor
from assistant_stream_ce.inspector.views import JSONView, PlainView, View
from assistant_stream_ce.inspector.words import visible

__all__ = ("BROKEN_PIPE", "FAILED", "INTERRUPTED", "Options", "inspect")

# Exit statuses, besides 0 for a good stream and 1 for a bad one. The last two are a shell's for the signals.
FAILED = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


@dataclass(frozen=True)
class Options:
    """What is inspected, and how it is shown.

    Attributes:
        source: a file, an address with `http` or `https`, or `-` for the standard input; not with `replay`.
        wire: its name; None to find it out.
        method: of the request, `None` for the usual one.
        data: the body of the request.
        headers: of the request.
        timeout: for so many seconds nothing may come; None for ever.
        record: a file to record to.
        replay: a recording to read.
        speed: how much faster it comes; 0 for at once.
        view: None for the live one where it can be.
    """

    source: str | None = None
    wire: str | None = None
    method: str | None = None
    data: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None
    record: str | None = None
    replay: str | None = None
    speed: float = 1.0
    view: Literal["json", "plain", "live"] | None = None


def inspect(options: Options) -> int:
    """Inspect a stream and show it on the standard output; return the exit status. To be called in the main thread."""
    try:
        return _inspect(options)
    except SourceError as error:
        return _complain(str(error))
    except MissingExtraError as error:
        return _complain(str(error))
    except BrokenPipeError:
        # Who read this has left. The interpreter flushes the output once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED


def _complain(message: str) -> int:
    sys.stdout.flush()
    print(visible(message), file=sys.stderr)
    return FAILED


def _inspect(options: Options) -> int:
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(_view(options))
        record = stack.enter_context(recorder(options.record)) if options.record else None
        opened, name = _source(options)
        view.ask(name)
        return _watch(stack.enter_context(opened), options.wire, view, record)


def _source(options: Options) -> tuple[AbstractContextManager[Source], str]:
    source = options.source
    if options.replay is not None:
        return open_recording(options.replay, options.speed), options.replay
    assert source is not None
    if source.lower().startswith(("http://", "https://")):
        request = Request(source, options.method, options.data, options.headers, options.timeout)
        return open_url(request), request.name
    if source == "-":
        return open_descriptor(sys.stdin.fileno(), "standard input", options.timeout), "standard input"
    if not os.path.exists(source):
        raise SourceError(f"there is no file {source}; an address begins with http:// or https://")
    if is_recording(source):
        raise SourceError(f"{source} is a recording: show it with --replay {source}")
    return open_descriptor(source, source), source


def _view(options: Options) -> View:
    if options.view == "json":
        return JSONView(sys.stdout)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the terminal's encoding lacks is shown as an escape.
        sys.stdout.reconfigure(errors="backslashreplace")
    if options.view == "live" or (options.view is None and _is_live()):
        from assistant_stream_ce.inspector.live_view import LiveView

        return LiveView()
    return PlainView(sys.stdout)


def _is_live() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and find_spec("rich") is not None


def _watch(source: Source, wire: str | None, view: View, record: Recorder | None) -> int:
    inspection = Inspection(source.origin, wire)
    how: HowEnded = "complete"
    message = None
    try:
        if record is not None:
            record.begin(source.origin)
        _show(inspection.begin(), view)
        for piece in source.pieces:
            if record is not None and piece.data:
                record.add(piece)
            _show(inspection.feed(piece), view)
        seconds = inspection.tally.seconds
    except CutError as error:
        seconds, how, message = error.seconds, error.how, str(error) or None
    except KeyboardInterrupt:
        seconds = source.watch.seconds() if source.watch is not None else inspection.tally.seconds
        how = "interrupted"
    if record is not None:
        record.end(seconds, how, message)
    _show(inspection.end(seconds, how, message), view)
    return _status(inspection.summary())


def _show(events: Iterable[Event], view: View) -> None:
    for event in events:
        view.show(event)
    view.flush()


def _status(summary: Summary) -> int:
    if summary.end == "interrupted":
        return INTERRUPTED
    return 0 if summary.is_good else 1
