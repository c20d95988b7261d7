"""Sources of bytes: pieces of a stream, each with the time at which it arrived.

Each source is opened by a context manager: a file, a file descriptor or a request here, a recording in `recording.py`.
"""

from __future__ import annotations

import http.client
import os
import re
import select
import stat
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import Message
from functools import partial
from typing import IO, NamedTuple
from urllib.parse import unquote, urlsplit

from assistant_stream_ce.inspector.events import HowEnded

#: Maximal size of one read, in bytes.
PIECE_BYTES = 65536

#: Longer waits overflow `select`, sockets and `threading`: about a year.
MAX_SECONDS = 3e7


class SourceError(Exception):
    """There is no stream to read, or the output cannot be written; the message has the reason."""


class CutError(Exception):
    """The stream stopped before its end.

    Attributes:
        seconds: time of the end.
        how: "cut", "silent" if nothing arrived until the timeout, or in a recording "interrupted".
    """

    def __init__(self, seconds: float, how: HowEnded, message: str) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.how = how


class Piece(NamedTuple):
    """Bytes that arrived together, and when: seconds from the start."""

    seconds: float
    data: bytes


@dataclass(frozen=True)
class Origin:
    """The metadata of a stream that is known before its first byte.

    Attributes:
        name: the name that is shown: a file, or a method and a URL.
        is_timed: whether the times of the pieces are meaningful; those of a file are not.
        started: time of the request, in UTC and ISO 8601.
        status: status of the response; None if there is no response.
        headers: headers of the response, with names in lower case.
    """

    name: str
    is_timed: bool
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """The content type without parameters, in lower case; empty if there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Stopwatch:
    """Measures the seconds since it was made, in microseconds as recordings do."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return round(time.monotonic() - self._started, 6)


class OpenedStream(NamedTuple):
    """An open stream, and the stopwatch of its times, if it is timed now.

    The last piece is empty and has the time of the end, unless `CutError` is raised.
    """

    origin: Origin
    pieces: Iterator[Piece]
    watch: Stopwatch | None = None


def error_reason(error: Exception) -> str:
    """Return the reason of an error of the operating system, or the message of another one."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def open_file(path: str | int, mode: str, complaint: str) -> IO[bytes]:
    """Open a file, or a descriptor, which stays open, without buffer for writing.

    Raises:
        SourceError: it cannot be opened; the message starts with the complaint.
    """
    try:
        buffering = 0 if "w" in mode else -1
        file: IO[bytes] = open(path, mode, buffering, closefd=isinstance(path, str))  # noqa: SIM115 - closed by callers
    except (OSError, ValueError) as error:
        raise SourceError(f"{complaint}: {error_reason(error)}") from None
    return file


@contextmanager
def open_descriptor(path: str | int, name: str, timeout: float | None = None) -> Iterator[OpenedStream]:
    """Open a file by path, or a descriptor such as that of the standard input, which stays open.

    A pipe may be silent for `timeout` seconds, except on Windows, where there is no limit.

    Raises:
        SourceError: it cannot be read.
    """
    with open_file(path, "rb", f"cannot read {name}") as file:
        is_timed = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        limit = timeout if is_timed and os.name != "nt" else None
        watch = Stopwatch() if is_timed else None
        read = partial(_read_descriptor, file.fileno(), limit)
        yield OpenedStream(Origin(name, is_timed), _pieces(read, watch, limit, "it cannot be read further"), watch)


def _read_descriptor(descriptor: int, timeout: float | None) -> bytes:
    if timeout is not None and not select.select([descriptor], [], [], min(timeout, MAX_SECONDS))[0]:
        raise TimeoutError
    return os.read(descriptor, PIECE_BYTES)


def _pieces(
    read: Callable[[], bytes], watch: Stopwatch | None, timeout: float | None, complaint: str
) -> Iterator[Piece]:
    """Yield what a function reads, with its times; the function raises `TimeoutError` after a silence."""

    def seconds() -> float:
        return watch.seconds() if watch is not None else 0.0

    while True:
        try:
            data = read()
        except http.client.HTTPException:
            raise CutError(seconds(), "cut", "the connection was closed before the end of the body") from None
        except (OSError, ValueError) as error:
            if isinstance(error, TimeoutError) and timeout is not None:
                raise CutError(seconds(), "silent", f"nothing came for {timeout:g} s") from None
            raise CutError(seconds(), "cut", f"{complaint}: {error_reason(error)}") from None
        yield Piece(seconds(), data)
        if not data:
            return


# --- Requests -------------------------------------------------------------------------------------

# Bytes that are shown of a response that is no stream.
_SHOWN_BYTES = 2000

_DEFAULT_HEADERS = {
    "accept": "text/event-stream, */*;q=0.5",
    "accept-encoding": "identity",
    "user-agent": "assistant-stream-ce",
}

# Not sent to another host after a redirect.
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "api-key"})


@dataclass(frozen=True)
class Request:
    """A request.

    Without a method, it is POST with data and GET without. The data is sent as JSON unless a header has another content
    type. Nothing may arrive for `timeout` seconds; None for no limit.
    """

    url: str
    method: str | None = None
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None

    @property
    def name(self) -> str:
        """The method and the URL, without a password."""
        return f"{self.method or ('GET' if self.data is None else 'POST')} {_split_user(self.url)[0]}"


@contextmanager
def open_url(request: Request) -> Iterator[OpenedStream]:
    """Send a request, follow redirects, and open the body of the response.

    Raises:
        SourceError: there is no connection, or the response is no stream.
    """
    watch = Stopwatch()
    origin = Origin(request.name, True)
    with _answer(request) as response:
        headers = _joined(response.headers)
        if not 200 <= response.status < 300 or response.status == 204:
            raise SourceError(_refusal(response, headers))
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity":
            raise SourceError(
                f"the answer is compressed ({encoding}), although the request refused that: "
                "compression may hold a stream back, so switch it off for this URL"
            )
        origin = replace(origin, status=response.status, headers=headers)
        read = partial(_read_body, response)
        yield OpenedStream(origin, _pieces(read, watch, request.timeout, "the connection was lost"), watch)


def _split_user(url: str) -> tuple[str, str]:
    """Return a URL without user and password, and these."""
    match = re.match(r"(https?://)(?:([^/?#]*)@)?", url, re.IGNORECASE)
    return (match[1] + url[match.end() :], match[2] or "") if match else (url, "")


def _answer(request: Request) -> http.client.HTTPResponse:
    headers = {**_DEFAULT_HEADERS, **{name.lower(): value for name, value in request.headers.items()}}
    if request.data is not None:
        headers.setdefault("content-type", "application/json")
    url, user = _split_user(request.url)
    if user:
        headers.setdefault("authorization", "Basic " + b64encode(unquote(user).encode()).decode())
    try:
        asked = urllib.request.Request(url, request.data, headers, method=request.method)
        opener = urllib.request.build_opener(_Redirects)
        timeout = None if request.timeout is None else min(request.timeout, MAX_SECONDS)
        response: http.client.HTTPResponse = opener.open(asked, timeout=timeout)
        return response
    except urllib.error.HTTPError as error:
        # It has what is read of a response.
        return error  # type: ignore[return-value]
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(error, TimeoutError) or isinstance(reason, TimeoutError):
            raise SourceError(f"no answer from {request.name} within {request.timeout:g} s") from None
        raise SourceError(f"no answer from {request.name}: {error_reason(reason)}") from None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects as browsers do: 307 and 308 repeat the request, the others send a GET."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request to send next; None to show the response itself."""
        if urlsplit(newurl).scheme not in ("http", "https"):
            return None
        dropped = set() if urlsplit(newurl)[:2] == urlsplit(req.full_url)[:2] else _SECRET_HEADERS
        kept = {name: value for name, value in req.headers.items() if name.lower() not in dropped}
        if code in (307, 308) or req.get_method() in ("GET", "HEAD"):
            return urllib.request.Request(newurl, req.data, kept, method=req.get_method())
        kept = {name: value for name, value in kept.items() if not name.lower().startswith("content-")}
        return urllib.request.Request(newurl, None, kept, method="GET")


def _joined(message: Message) -> dict[str, str]:
    return {name.lower(): ", ".join(message.get_all(name, ())) for name in message}


def _refusal(response: http.client.HTTPResponse, headers: Mapping[str, str]) -> str:
    title = f"the answer is {response.status} {response.reason}, and no stream"
    body = b""
    with suppress(OSError, http.client.HTTPException, ValueError):
        body = response.read(_SHOWN_BYTES + 1)
    text = body[:_SHOWN_BYTES].decode(errors="replace").strip()
    if not text:
        return title
    dots = " ..." if len(body) > _SHOWN_BYTES else ""
    return f"{title} ({headers.get('content-type', 'without a content type')}):\n{text}{dots}"


def _read_body(response: http.client.HTTPResponse) -> bytes:
    # Returns what has arrived; `read` would wait for all the bytes.
    data = response.read1(PIECE_BYTES)
    if not data and response.length:
        # Checked by the content length; for a chunked body `read1` raises.
        raise OSError(f"{response.length:,} bytes of the body are missing")
    return data
