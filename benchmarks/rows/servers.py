"""Through a real server: its processor time for each chunk, all clients and the heartbeat included."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.measure import BY_HAND, LIMIT, OTHER, OURS, PEER, Preparation, Row, Sample, Scale, Target
from benchmarks.processes import Server, crowd, gunicorn, served, uvicorn
from benchmarks.rows.encode import PEER_WIRES, WIRES

_MILLISECONDS = 10
_GROWTH_MILLISECONDS = 100


def _crowded(command: str, path: str) -> Preparation:
    def measurement(server: Server, scale: Scale) -> Sample:
        whole_path = f"{path}/words/{scale.chunks}/{_MILLISECONDS}"
        return {"": _cpu_per_chunk(server, whole_path, scale.clients, scale.chunks)}

    return served(command, measurement, path)


def _cpu_per_chunk(server: Server, path: str, clients: int, chunks: int) -> float:
    before = server.cpu_seconds()
    crowd(server.port, path, clients)
    return (server.cpu_seconds() - before) / (clients * chunks) * 1e6


def _row(name: str, title: str, apps: Mapping[str, str], path: str, target: Target | None, another: str = "") -> Row:
    return Row(
        name=f"server-{name}",
        family="servers",
        title=title,
        unit="µs",
        subjects={subject: _crowded(command, path) for subject, command in apps.items()},
        targets=(target,) if target else (),
        another=another,
    )


STARLETTE = {
    OURS: uvicorn("ours.starlette_app:app"),
    PEER: uvicorn("peer.starlette_app:app"),
    BY_HAND: uvicorn("by_hand.starlette_app:app"),
    LIMIT: uvicorn("limit.starlette_app:app"),
}
_OTHERS = {"assistant-transport": "sse-starlette", "ui-message-stream": "pydantic-ai"}
_OTHER_APPS = {
    "sse-starlette": uvicorn("others.sse_starlette_app:app"),
    "pydantic-ai": uvicorn("others.pydantic_ai_app:app"),
}


def _starlette(wire: str, way: str) -> Row:
    another = _OTHERS.get(wire, "") if way == "coroutine" else ""
    is_coroutine = way == "coroutine"
    has_peer = wire in PEER_WIRES
    apps = {subject: app for subject, app in STARLETTE.items() if subject != PEER or has_peer}
    return _row(
        f"starlette-{way}-{wire}",
        f"uvicorn, Starlette, {'coroutine' if is_coroutine else 'blocking'}: {WIRES[wire]}",
        apps | ({OTHER: _OTHER_APPS[another]} if another else {}),
        f"{wire}/{way}",
        Target(1.25, LIMIT) if is_coroutine else Target(1.0, PEER) if has_peer else None,
        another,
    )


def _three(server: str, app: str) -> dict[str, str]:
    command = uvicorn if server == "uvicorn" else gunicorn
    return {who: command(f"{folder}.{app}") for who, folder in ((OURS, "ours"), (BY_HAND, "by_hand"), (LIMIT, "limit"))}


_BRIDGE = Target(1.1, BY_HAND)

ROWS = [
    *(_starlette(wire, way) for way in ("coroutine", "thread") for wire in WIRES),
    _row(
        "django-asgi-coroutine",
        "uvicorn, Django, coroutine",
        _three("uvicorn", "django_app:asgi"),
        "async/data-stream/coroutine",
        Target(1.25, LIMIT),
    ),
    _row(
        "django-asgi-thread",
        "uvicorn, Django, blocking",
        _three("uvicorn", "django_app:asgi"),
        "async/data-stream/thread",
        None,
    ),
    _row("flask", "gunicorn, Flask, blocking", _three("gunicorn", "flask_app:app"), "data-stream/thread", _BRIDGE),
    _row(
        "django-wsgi",
        "gunicorn, Django, blocking",
        _three("gunicorn", "django_app:wsgi"),
        "data-stream/thread",
        _BRIDGE,
    ),
    _row("wsgi", "gunicorn, plain WSGI, blocking", _three("gunicorn", "wsgi_app:app"), "data-stream/thread", _BRIDGE),
    # By hand and at the limit it is what is above: a thread of the server cannot await.
    _row(
        "wsgi-coroutine",
        "gunicorn, plain WSGI, coroutine",
        _three("gunicorn", "wsgi_app:app"),
        "data-stream/coroutine",
        None,
    ),
]


def _growing(command: str, way: str) -> Preparation:
    def measurement(server: Server, scale: Scale) -> Sample:
        path = f"data-stream/{way}/words/{scale.growth_chunks}/{_GROWTH_MILLISECONDS}"
        return {f"{clients:,}": _cpu_per_chunk(server, path, clients, scale.growth_chunks) for clients in scale.growth}

    return served(command, measurement)


GROWTH_ROWS = [
    Row(
        name=f"growth-{way}",
        family="growth",
        title=f"uvicorn, Starlette, {'coroutine' if way == 'coroutine' else 'blocking'}: streams at once",
        unit="µs",
        subjects={subject: _growing(command, way) for subject, command in STARLETTE.items() if subject != BY_HAND},
    )
    for way in ("coroutine", "thread")
]
