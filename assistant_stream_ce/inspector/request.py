"""A stream from an address: one HTTP request with the standard library, read as its bytes come."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from assistant_stream_ce.inspector.sources import PIECE_BYTES, CutError, Origin, Piece, Source, SourceError, Stopwatch

__all__ = ("Request", "open_url")

# Of an answer that is no stream so much is shown.
_SHOWN_BYTES = 2000

_USUAL_HEADERS = {
    "accept": "text/event-stream, */*;q=0.5",
    "accept-encoding": "identity",
    "user-agent": "assistant-stream-ce",
}

# Not for another host, where a redirect may lead.
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "api-key"})


@dataclass(frozen=True)
class Request:
    """What is asked.

    Attributes:
        url: with `http` or `https`.
        method: None for POST where there is data, and GET where there is none.
        data: the body, taken for JSON where no header says else.
        headers: of the request, names in any case.
        timeout: for so many seconds nothing may come; None for ever.
    """

    url: str
    method: str | None = None
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None

    @property
    def name(self) -> str:
        """The method and the address, without a password in it."""
        parts = urlsplit(self.url)
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return f"{self.method or ('GET' if self.data is None else 'POST')} {url}"


@contextmanager
def open_url(request: Request) -> Iterator[Source]:
    """Send a request, follow its redirects, and open the answer's body.

    Raises:
        SourceError: there is no connection, or the answer is no stream.
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
                "what compresses a stream may hold it back, so switch it off for this address"
            )
        yield Source(
            Origin(origin.name, True, origin.started, response.status, headers),
            _pieces(response, watch, request.timeout),
            watch,
        )


def _answer(request: Request) -> http.client.HTTPResponse:
    headers = {**_USUAL_HEADERS, **{name.lower(): value for name, value in request.headers.items()}}
    if request.data is not None:
        headers.setdefault("content-type", "application/json")
    try:
        asked = urllib.request.Request(request.url, request.data, headers, method=request.method)
        opener = urllib.request.build_opener(_Redirects)
        response: http.client.HTTPResponse = opener.open(asked, timeout=request.timeout)
        return response
    except urllib.error.HTTPError as error:
        answer: Any = error
        return answer  # type: ignore[no-any-return]
    except TimeoutError:
        raise SourceError(f"no answer from {request.name} within {request.timeout:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            raise SourceError(f"no connection to {request.name} within {request.timeout:g} s") from None
        raise SourceError(f"no answer from {request.name}: {_words(reason)}") from None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects as browsers do: 307 and 308 repeat the request, the others ask with GET."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request to send next; None where the answer itself is to be shown."""
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
    except (OSError, http.client.HTTPException):
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
            # What has come, at once: `read` would wait for as many bytes as it is asked for.
            data = response.read1(PIECE_BYTES)
        except TimeoutError:
            raise CutError(watch.seconds(), "silent", f"nothing came for {timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise CutError(watch.seconds(), "cut", _lost(error)) from None
        if not data and response.length:
            # Told by a content length; of a chunked body `read1` raises.
            raise CutError(watch.seconds(), "cut", f"{response.length:,} bytes of the body are missing")
        yield Piece(watch.seconds(), data)
        if not data:
            return


def _lost(error: Exception) -> str:
    if isinstance(error, http.client.HTTPException):
        return "the connection was closed before the end of the body"
    return f"the connection was lost ({_words(error)})"


def _words(error: object) -> str:
    return getattr(error, "strerror", None) or str(error)
