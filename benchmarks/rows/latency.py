"""How long a word takes from a worker thread to the client's socket, and how soon a response begins."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from benchmarks.measure import BY_HAND, LIMIT, OURS, PEER, Preparation, Row, Sample, Scale, Target
from benchmarks.processes import Server, background_crowd, call, gunicorn, served
from benchmarks.rows.servers import STARLETTE

_CROWD = 100

_STARLETTE_THREAD = {who: command for who, command in STARLETTE.items() if who != LIMIT}
_WSGI = {
    OURS: gunicorn("ours.wsgi_app:app"),
    BY_HAND: gunicorn("by_hand.wsgi_app:app"),
}


def _delayed(command: str, is_busy: bool) -> Preparation:
    def measurement(server: Server, scale: Scale) -> Sample:
        # The others speak twenty words a second, as models do, and longer than this lasts.
        others = background_crowd(server.port, "data-stream/thread/words/1200/50", _CROWD)
        with others if is_busy else contextlib.nullcontext():
            path = f"data-stream/thread/stamps/{scale.words}/10"
            return dict(call("benchmarks.clients", "delays", port=server.port, path=path))

    return served(command, measurement)


def _first(command: str, way: str) -> Preparation:
    def measurement(server: Server, scale: Scale) -> Sample:
        path = f"data-stream/{way}/words/1/0"
        return dict(call("benchmarks.clients", "first_byte", port=server.port, path=path, requests=scale.requests))

    return served(command, measurement)


def _delay_row(name: str, title: str, apps: Mapping[str, str], is_busy: bool) -> Row:
    crowd = f"beside {_CROWD} others" if is_busy else "alone"
    subjects = {who: _delayed(command, is_busy) for who, command in apps.items()}
    return Row(f"latency-{name}-{'busy' if is_busy else 'idle'}", "latency", f"{title}, {crowd}", "ms", subjects)


ROWS = [
    *(_delay_row("uvicorn", "word from a thread, uvicorn", _STARLETTE_THREAD, is_busy) for is_busy in (False, True)),
    *(_delay_row("gunicorn", "word from a thread, gunicorn", _WSGI, is_busy) for is_busy in (False, True)),
    *(
        Row(
            f"first-byte-{way}",
            "latency",
            f"first byte, uvicorn, {'coroutine' if way == 'coroutine' else 'blocking'}",
            "ms",
            {who: _first(command, way) for who, command in STARLETTE.items()},
            (Target(1.0, PEER),),
        )
        for way in ("coroutine", "thread")
    ),
]
