"""Plain WSGI: bytes that are ready."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchmarks.subjects.limit.bodies import body
from benchmarks.subjects.work import parse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer what the path asks for."""
    start_response("200 OK", [("content-type", "text/plain")])
    return body(parse(environ["PATH_INFO"]))
