"""A stream from a URL: one HTTP request with the standard library, whose response is read as it arrives."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from assistant_stream_ce.inspector.sources import (
    MAX_SECONDS,
    PIECE_BYTES,
    CutError,
    Origin,
    Piece,
    SourceError,
    Stopwatch,
    StreamSource,
    reason_of,
)

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

    Attributes:
        url: the URL, with `http` or `https`.
        method: the method; None for POST with data, and GET without.
        data: the body; sent as JSON unless a header has another content type.
        headers: the headers, with names in any case.
        timeout: seconds for which nothing may arrive; None for no limit.
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
def open_url(request: Request) -> Iterator[StreamSource]:
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
        yield StreamSource(
            Origin(origin.name, True, origin.started, response.status, headers),
            _pieces(response, watch, request.timeout),
            watch,
        )


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
        answer: Any = error
        return answer  # type: ignore[no-any-return]
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(error, TimeoutError) or isinstance(reason, TimeoutError):
            raise SourceError(f"no answer from {request.name} within {request.timeout:g} s") from None
        raise SourceError(f"no answer from {request.name}: {reason_of(reason)}") from None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects as browsers do: 307 and 308 repeat the request, the others send a GET."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request to send next; None to show the response itself."""
        if urlsplit(newurl).scheme not in ("http", "https"):
            return None
        repeats = code in (307, 308) or req.get_method() in ("GET", "HEAD")
        kept = {**req.headers}
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            kept = {name: value for name, value in kept.items() if name.lower() not in _SECRET_HEADERS}
        if not repeats:
            kept = {name: value for name, value in kept.items() if not name.lower().startswith("content-")}
        return urllib.request.Request(
            newurl, req.data if repeats else None, kept, method=req.get_method() if repeats else "GET"
        )


def _joined(message: Message) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in message.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def _refusal(response: http.client.HTTPResponse, headers: Mapping[str, str]) -> str:
    title = f"the answer is {response.status} {response.reason}, and no stream"
    try:
        body = response.read(_SHOWN_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError):
        body = b""
    text = body[:_SHOWN_BYTES].decode(errors="replace").strip()
    if not text:
        return title
    return f"{title} ({headers.get('content-type', 'without a content type')}):\n{text}" + (
        " ..." if len(body) > _SHOWN_BYTES else ""
    )


def _pieces(response: http.client.HTTPResponse, watch: Stopwatch, timeout: float | None) -> Iterator[Piece]:
    while True:
        try:
            # Returns what has arrived; `read` would wait for all the bytes.
            data = response.read1(PIECE_BYTES)
        except TimeoutError:
            raise CutError(watch.seconds(), "silent", f"nothing came for {timeout:g} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CutError(watch.seconds(), "cut", _lost(error)) from None
        if not data and response.length:
            # By its content length; for a chunked body `read1` raises.
            raise CutError(watch.seconds(), "cut", f"{response.length:,} bytes of the body are missing")
        yield Piece(watch.seconds(), data)
        if not data:
            return


def _lost(error: Exception) -> str:
    if isinstance(error, http.client.HTTPException):
        return "the connection was closed before the end of the body"
    return f"the connection was lost ({reason_of(error)})"
