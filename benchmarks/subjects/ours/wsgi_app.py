"""Plain WSGI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from assistant_stream_ce.responses.wsgi import DataStreamResponse
from benchmarks.subjects.ours.callbacks import stream
from benchmarks.subjects.work import parse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer what the path asks for."""
    return DataStreamResponse(stream(parse(environ["PATH_INFO"])))(environ, start_response)
