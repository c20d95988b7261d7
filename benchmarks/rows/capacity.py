"""How many answers one process carries at once, at twenty chunks a second each, and how late their chunks come."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from benchmarks.capacity import INTERVAL, chunks_of_answer
from benchmarks.measure import (
    BY_HAND,
    LIMIT,
    OURS,
    PEER,
    PYDANTIC_AI,
    SSE_STARLETTE,
    Preparation,
    Row,
    Sample,
    Scale,
    Target,
)
from benchmarks.processes import Server, call, gunicorn, served_anew, uvicorn
from benchmarks.rows.servers import STARLETTE

#: The figures of each number of answers, and the last one of the row.
PROCESSOR, MEDIAN, P99, MEMORY = "processor, % of a core each", "p50, ms", "p99, ms", "memory, KiB each"
CARRIED = "answers with a p99 of at most 50 ms"

_MOST_LATE = 50.0

# How often the interval of the number that is searched for is halved.
_HALVINGS = 3

# gunicorn needs a thread for each.
_MOST_THREADS = 1_600


def _level(command: str, way: str, clients: int, scale: Scale) -> dict[str, float]:
    """Measure a number of answers, in a new server: threads of the one before might still run."""

    def measurement(server: Server, scale: Scale) -> Sample:
        memory, seconds = server.megabytes(), scale.answer_seconds
        path = f"data-stream/{way}/ticks/{chunks_of_answer(clients, seconds)}/{INTERVAL}"
        found = call(
            "benchmarks.capacity",
            "load",
            port=server.port,
            path=path,
            clients=clients,
            seconds=seconds,
            pids=server.pids(),
        )
        memory = (server.megabytes() - memory) * 1024 / clients
        return {PROCESSOR: found["processor"], MEDIAN: found["p50"], P99: found["p99"], MEMORY: memory}

    with served_anew(command, measurement, f"data-stream/{way}")(scale) as measure:
        return dict(measure())


def _capacity(command: str, way: str, numbers: Callable[[Scale], tuple[int, ...]], most: int) -> Preparation:
    def measure(scale: Scale) -> dict[str, float]:
        sample: dict[str, float] = {}
        late: dict[int, float] = {}

        def is_late(clients: int) -> bool:
            found = _level(command, way, clients, scale)
            late[clients] = found[P99]
            if clients in numbers(scale):
                sample.update({f"{clients:,}: {figure}": value for figure, value in found.items()})
            return late[clients] > _MOST_LATE

        for clients in numbers(scale):
            is_late(clients)
        if scale.most_answers:
            sample[CARRIED] = carried(late, is_late, min(most, scale.most_answers))
        return sample

    return lambda scale: contextlib.nullcontext(lambda: measure(scale))


def carried(late: Mapping[int, float], is_late: Callable[[int], bool], most: int) -> float:
    """Return how many answers come in time, about; at most `most`.

    Args:
        late: how late the chunks of some numbers of answers are, in milliseconds.
        is_late: measures another number.
        most: the largest number to try.
    """
    bad = min((number for number, delay in late.items() if delay > _MOST_LATE), default=0)
    good = max((number for number in late if not bad or number < bad), default=0)
    while not bad and good < most:
        number = min(most, 2 * good)
        if is_late(number):
            bad = number
        else:
            good = number
    for _ in range(_HALVINGS if bad else 0):
        middle = (good + bad) // 2
        if is_late(middle):
            bad = middle
        else:
            good = middle
    return float(good)


def _row(
    name: str,
    title: str,
    commands: Mapping[str, str],
    way: str,
    numbers: Callable[[Scale], tuple[int, ...]],
    targets: tuple[Target, ...],
    most: int = 1_000_000,
) -> Row:
    subjects = {who: _capacity(command, way, numbers, most) for who, command in commands.items()}
    return Row(f"capacity-{name}", "capacity", title, "", subjects, targets, most_rounds=2)


_UVICORN = {
    OURS: STARLETTE[OURS],
    PEER: STARLETTE[PEER],
    SSE_STARLETTE: uvicorn("others.sse_starlette_app:app"),
    PYDANTIC_AI: uvicorn("others.pydantic_ai_app:app"),
    BY_HAND: STARLETTE[BY_HAND],
    LIMIT: STARLETTE[LIMIT],
}
_GUNICORN = {
    who: gunicorn(f"{folder}.wsgi_app:app", _MOST_THREADS)
    for who, folder in ((OURS, "ours"), (BY_HAND, "by_hand"), (LIMIT, "limit"))
}

ROWS = [
    _row(
        "coroutine",
        "uvicorn, coroutines",
        _UVICORN,
        "coroutine",
        lambda scale: scale.answers,
        tuple(
            target
            for number in ("100", "500")
            for target in (
                Target(1.3, LIMIT, f"{number}: {PROCESSOR}"),
                Target(1.5, LIMIT, f"{number}: {P99}"),
            )
        ),
    ),
    _row(
        "blocking",
        "uvicorn, blocking callbacks",
        {who: _UVICORN[who] for who in (OURS, PEER, BY_HAND, LIMIT)},
        "thread",
        lambda scale: scale.blocking_answers,
        (Target(1.0, PEER, f"200: {PROCESSOR}"),),
        _MOST_THREADS,
    ),
    _row(
        "gunicorn",
        "gunicorn threads, blocking callbacks",
        _GUNICORN,
        "thread",
        lambda scale: scale.wsgi_answers,
        tuple(Target(1.1, BY_HAND, f"{number}: {PROCESSOR}") for number in ("50", "200")),
        _MOST_THREADS,
    ),
]
