"""One inspection from its options to its exit status."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Literal

from assistant_stream_ce.errors import MissingExtraError
from assistant_stream_ce.inspector.events import HowEnded, InspectionEvent
from assistant_stream_ce.inspector.inspection import Inspection
from assistant_stream_ce.inspector.recording import Recorder, is_recording, open_recorder, open_recording
from assistant_stream_ce.inspector.report import visible
from assistant_stream_ce.inspector.sources import (
    CutError,
    OpenedStream,
    Request,
    SourceError,
    error_reason,
    open_descriptor,
    open_url,
)
from assistant_stream_ce.inspector.views import JSONView, PlainView, View

# Exit statuses besides 0 for a good stream and 1 for a bad one. The last two are those of a shell for the signals.
FAILED = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


@dataclass(frozen=True)
class Options:
    """The options of the command line, which are explained there; None for no timeout and for defaults."""

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
    """Inspect a stream and show it on the standard output; return the exit status. Call it in the main thread."""
    try:
        return _inspect(options)
    except (SourceError, MissingExtraError) as error:
        return _complain(str(error))
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except OSError as error:
        # Errors of sources and recordings are SourceErrors, so this one is of the output.
        _discard_output()
        return _complain(f"cannot write the output: {error_reason(error)}")
    except KeyboardInterrupt:
        return INTERRUPTED


def _complain(message: str) -> int:
    with contextlib.suppress(OSError, AttributeError):
        sys.stdout.flush()
    print(visible(message), file=sys.stderr)
    return FAILED


def _discard_output() -> None:
    """Discard what the interpreter would flush at its end, and fail to."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _inspect(options: Options) -> int:
    if sys.stdout is None:
        raise SourceError("the standard output is closed")
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(_view(options))
        recorder = stack.enter_context(open_recorder(options.record, *_used_files(options)))
        opened, name = _source(options)
        view.announce(name)
        return _watch(stack.enter_context(opened), options.wire, view, recorder)


def _used_files(options: Options) -> Iterator[os.stat_result]:
    """Yield the files that the inspection reads and writes besides a recording."""
    streams = [sys.stdout, *([sys.stdin] if options.source == "-" else [])]
    for file in [options.source or "", *streams]:
        # A URL is no file, and a stream may be closed or have no descriptor.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            yield os.stat(file if isinstance(file, str) else file.fileno())


def _source(options: Options) -> tuple[AbstractContextManager[OpenedStream], str]:
    source = options.source
    if options.replay is not None:
        return open_recording(options.replay, options.speed), options.replay
    assert source is not None
    if source.lower().startswith(("http://", "https://")):
        request = Request(source, options.method, options.data, options.headers, options.timeout)
        return open_url(request), request.name
    if source == "-":
        if sys.stdin is None:
            raise SourceError("the standard input is closed")
        return open_descriptor(sys.stdin.fileno(), "standard input", options.timeout), "standard input"
    if not os.path.exists(source):
        raise SourceError(f"there is no file {source}; a URL begins with http:// or https://")
    if is_recording(source):
        raise SourceError(f"{source} is a recording: show it with --replay {source}")
    return open_descriptor(source, source), source


def _view(options: Options) -> View:
    if options.view == "json":
        return JSONView(sys.stdout)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Characters that the encoding of the terminal lacks are shown as escapes.
        sys.stdout.reconfigure(errors="backslashreplace")
    can_be_live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and find_spec("rich") is not None
    if options.view == "live" or (options.view is None and can_be_live):
        from assistant_stream_ce.inspector.live_view import LiveView

        return LiveView()
    return PlainView(sys.stdout)


def _watch(source: OpenedStream, wire: str | None, view: View, recorder: Recorder) -> int:
    inspection = Inspection(source.origin, wire)
    how: HowEnded = "complete"
    message = None
    try:
        recorder.begin(source.origin)
        _show(inspection.begin(), view)
        for piece in source.pieces:
            if piece.data:
                recorder.add(piece)
            _show(inspection.feed(piece), view)
        seconds = inspection.statistics.seconds
    except CutError as error:
        seconds, how, message = error.seconds, error.how, str(error) or None
    except KeyboardInterrupt:
        seconds = source.watch.seconds() if source.watch is not None else inspection.statistics.seconds
        how = "interrupted"
    recorder.end(seconds, how, message)
    _show(inspection.end(seconds, how, message), view)
    if how == "interrupted":
        return INTERRUPTED
    return 0 if inspection.summary().is_good else 1


def _show(events: Iterable[InspectionEvent], view: View) -> None:
    for event in events:
        view.show(event)
    view.flush()
