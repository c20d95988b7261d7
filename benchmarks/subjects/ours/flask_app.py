"""Flask."""

from __future__ import annotations

from flask import Flask, Response

from assistant_stream_ce.responses.flask import DataStreamResponse
from benchmarks.subjects.ours.callbacks import stream
from benchmarks.subjects.work import parse

app = Flask(__name__)


@app.get("/<path:path>")
def answer(path: str) -> Response:
    """Answer what the path asks for."""
    return DataStreamResponse(stream(parse(path)))
