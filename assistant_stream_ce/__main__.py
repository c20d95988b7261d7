"""The command line: `python -m assistant_stream_ce inspect FILE|URL|-`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from assistant_stream_ce.inspector import Options, inspect
from assistant_stream_ce.serialization.formats import FORMATS

_EPILOG = """
exit status: 0 the stream is good; 1 it is broken, refused by clients or incomplete; 2 there is no stream to read, or it
is one of another API; 130 after Ctrl-C.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = vars(parser().parse_args(arguments))
    fail = options.pop("fail")
    if (options["source"] is None) == (options["replay"] is None):
        fail("name one source: FILE, URL, -, or --replay FILE")
    if options["record"] is not None and options["replay"] is not None:
        fail("--record and --replay exclude each other: a recording can be copied")
    if options["data"] is not None:
        options["data"] = _body(options["data"], fail)
    options |= {"headers": dict(options["headers"]), "timeout": options["timeout"] or None}
    return inspect(Options(**options))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m assistant_stream_ce")
    commands = made.add_subparsers(required=True, metavar="inspect")
    command = commands.add_parser(
        "inspect", help="show a stream as it arrives, validate it and measure it", epilog=_EPILOG, allow_abbrev=False
    )
    # The other names are those of `Options`.
    command.set_defaults(fail=command.error)
    command.add_argument("source", nargs="?", metavar="FILE|URL|-", help="the stream; - is the standard input")
    command.add_argument("--wire", choices=FORMATS, help="the format; detected by default")
    request = command.add_argument_group("for a URL")
    method = "default: POST with --data, else GET"
    request.add_argument("-X", "--request", dest="method", metavar="METHOD", help=method)
    data = "the body, as JSON unless a header has another content type; @FILE reads a file"
    request.add_argument("-d", "--data", metavar="DATA", help=data)
    header = request.add_argument("-H", "--header", dest="headers", type=_header, action="append", default=[])
    header.metavar, header.help = "'NAME: VALUE'", "a header of the request; may be repeated"
    timeout = "limit for a silent stream; default: 300, 0 for no limit"
    command.add_argument("--timeout", metavar="SECONDS", type=_number, default=300.0, help=timeout)
    command.add_argument("--record", metavar="FILE", help="record the stream with its times")
    command.add_argument("--replay", metavar="FILE", help="show a recording")
    speed = "speed of --replay; 2 is twice as fast, 0 at once"
    command.add_argument("--speed", metavar="FACTOR", type=_number, default=1.0, help=speed)
    view = command.add_mutually_exclusive_group()
    for name, words in (
        ("json", "one JSON object a line: the events, then the summary"),
        ("plain", "text without colours; the default without a terminal"),
        ("live", "colours and a status line; the default in a terminal"),
    ):
        view.add_argument(f"--{name}", dest="view", action="store_const", const=name, help=words)
    return made


def _body(text: str, fail: Callable[[str], NoReturn]) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    try:
        return sys.stdin.buffer.read() if text == "@-" else Path(text[1:]).read_bytes()
    except (OSError, AttributeError) as error:
        # The standard input is None if it is closed.
        fail(f"cannot read {text[1:]}: {getattr(error, 'strerror', 'it is closed')}")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not like 'NAME: VALUE'")
    return name.strip(), value.strip()


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
