"""How a row is measured: rounds over all its subjects in turn, then medians, spreads and ratios."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

# The subjects, in the order of a table's columns.
OURS = "ours"
PEER = "assistant-stream"
OTHER = "another"
#: Other libraries that are compared side by side.
SSE_STARLETTE = "sse-starlette"
PYDANTIC_AI = "pydantic-ai"
BY_HAND = "by hand"
LIMIT = "limit"
SUBJECTS = (OURS, PEER, OTHER, SSE_STARLETTE, PYDANTIC_AI, BY_HAND, LIMIT)

#: What one measurement found: a value for each figure of its row, the only one of which may be called "".
Sample = Mapping[str, float]
Measurement = Callable[[], Sample]


@dataclass(frozen=True)
class Scale:
    """How much work a run of the benchmarks does."""

    rounds: int
    #: In process: chunks of a burst, and chunks with a turn of the loop after each.
    burst: int
    turns: int
    #: Through a server: clients at once, chunks to each, and words of a measurement of latency.
    clients: int
    chunks: int
    words: int
    requests: int
    #: Concurrent streams, and chunks to each, ten a second.
    growth: tuple[int, ...]
    growth_chunks: int
    #: Quiet streams in one process.
    quiet: tuple[int, ...]
    #: A reader that stops: what is sent to it, and how long it is watched.
    megabytes: int
    seconds: float
    runs: int
    #: Edits of a state.
    edits: tuple[int, ...]
    #: Simultaneous answers at twenty chunks a second: of coroutines and of blocking callbacks under uvicorn, and under
    #: gunicorn; how many seconds each number is measured; the largest number that is tried, 0 for no other ones.
    answers: tuple[int, ...]
    blocking_answers: tuple[int, ...]
    wsgi_answers: tuple[int, ...]
    answer_seconds: float
    most_answers: int


FULL = Scale(
    rounds=5,
    burst=50_000,
    turns=10_000,
    clients=100,
    chunks=200,
    words=300,
    requests=200,
    growth=(10, 100, 1_000),
    growth_chunks=25,
    quiet=(1_000, 5_000),
    megabytes=1_024,
    seconds=3,
    runs=2_000,
    edits=(1_000, 10_000, 100_000),
    answers=(100, 500, 1_000, 2_000),
    blocking_answers=(200,),
    wsgi_answers=(50, 200),
    answer_seconds=4,
    most_answers=4_000,
)
QUICK = Scale(
    rounds=1,
    burst=10_000,
    turns=2_000,
    clients=100,
    chunks=25,
    words=40,
    requests=30,
    growth=(10, 100),
    growth_chunks=5,
    quiet=(200, 1_000),
    megabytes=256,
    seconds=0.5,
    runs=300,
    edits=(1_000, 10_000),
    answers=(100,),
    blocking_answers=(50,),
    wsgi_answers=(50,),
    answer_seconds=1,
    most_answers=0,
)
TINY = Scale(
    rounds=1,
    burst=50,
    turns=20,
    clients=3,
    chunks=3,
    words=3,
    requests=2,
    growth=(2,),
    growth_chunks=2,
    quiet=(3,),
    megabytes=8,
    seconds=0.2,
    runs=3,
    edits=(25,),
    answers=(2,),
    blocking_answers=(2,),
    wsgi_answers=(2,),
    answer_seconds=0.3,
    most_answers=0,
)

#: Makes a subject ready to be measured again and again; what it started ends with the context.
Preparation = Callable[[Scale], AbstractContextManager[Measurement]]


@dataclass(frozen=True)
class Target:
    """What ours shall reach: so many times another subject, or its own other figure, or so much in the row's unit."""

    at_most: float
    against: str | None = None
    figure: str = ""
    #: Compare with this figure of `against`, instead of the same one.
    against_figure: str | None = None


@dataclass(frozen=True)
class Row:
    """One kind of work, and who does it."""

    name: str
    family: str
    title: str
    unit: str
    subjects: Mapping[str, Preparation]
    targets: tuple[Target, ...] = ()
    #: Who stands in the column of the other peer.
    another: str = ""
    #: How many rounds are enough; a sample of some rows takes minutes.
    most_rounds: int | None = None


@dataclass
class Result:
    """What was measured for a row: for each subject and figure the value of each round."""

    row: Row
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    #: Why a subject has no values.
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, subject: str, sample: Sample) -> None:
        """Add the sample of one round."""
        figures = self.values.setdefault(subject, {})
        for figure, value in sample.items():
            figures.setdefault(figure, []).append(value)

    def figures(self) -> list[str]:
        """Return the names of what ours was measured for."""
        return list(self.values.get(OURS, {}))

    def median(self, subject: str, figure: str) -> float | None:
        """Return the median of the rounds."""
        values = self.values.get(subject, {}).get(figure)
        return statistics.median(values) if values else None

    def spread(self, subject: str, figure: str) -> float:
        """Return half of the way from the smallest to the largest round."""
        values = self.values.get(subject, {}).get(figure) or [0.0]
        return (max(values) - min(values)) / 2

    def ratio(self, against: str, figure: str, against_figure: str | None = None, subject: str = OURS) -> float | None:
        """Return the median, over the rounds, of a subject's value divided by the other's in the same round."""
        ours = self.values.get(subject, {}).get(figure)
        others = self.values.get(against, {}).get(figure if against_figure is None else against_figure)
        if not ours or not others:
            return None
        pairs = zip(ours, others, strict=False)
        return statistics.median(one / other for one, other in pairs if other) if all(others) else None

    def reached(self, target: Target) -> float | None:
        """Return what a target is to be compared with."""
        if target.against is None:
            return self.median(OURS, target.figure)
        return self.ratio(target.against, target.figure, target.against_figure)


def measure(row: Row, scale: Scale, progress: Callable[[], None] = lambda: None) -> Result:
    """Measure a row: in each round every subject once, each round beginning with another subject.

    A subject that fails is left out from then on, and its failure is kept.
    """
    result = Result(row)
    with ExitStack() as stack:
        measurements: dict[str, Measurement] = {}
        for subject, prepare in row.subjects.items():
            with _noting(result, subject):
                measurements[subject] = stack.enter_context(prepare(scale))
        for number in range(scale.rounds if row.most_rounds is None else min(scale.rounds, row.most_rounds)):
            for subject in rotated(list(row.subjects), number):
                if subject in measurements and subject not in result.failures:
                    with _noting(result, subject):
                        result.add(subject, measurements[subject]())
                progress()
    return result


def rotated(subjects: Sequence[str], number: int) -> list[str]:
    """Return the subjects in the order of a round."""
    start = number % len(subjects)
    return [*subjects[start:], *subjects[:start]]


@contextlib.contextmanager
def _noting(result: Result, subject: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        result.failures[subject] = f"{type(error).__name__}: {error}"
