"""Flask: a thread and a queue."""

from __future__ import annotations

from flask import Flask, Response

from benchmarks.subjects.by_hand.bodies import body
from benchmarks.subjects.work import parse

app = Flask(__name__)


@app.get("/<path:path>")
def answer(path: str) -> Response:
    """Answer what the path asks for."""
    return Response(body(parse(path)))
