"""The engine of one process: fork, the exit of the process, and its counters."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from typing import Any

from assistant_stream_ce.resumable import ResumableStreams
from assistant_stream_ce.resumable.engine import stats_of
from tests.resumable.test_streams import WORDS, Talk


def _use_in_child(streams: ResumableStreams, sender: Any) -> None:
    talk = Talk("def")
    talk.may_go_on.set()
    found = streams.follow("a")
    sender.send((found, streams.stats()["live"], list(streams.start(talk.run(), "b")) == WORDS))
    streams.close()


def test_a_child_process_starts_anew() -> None:
    streams = ResumableStreams()
    talk = Talk("def")
    stream = streams.start(talk.run(), "a")
    receiver, sender = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_use_in_child, args=(streams, sender))
    process.start()
    assert receiver.recv() == (None, 0, True)
    process.join(20)
    talk.may_go_on.set()
    assert list(stream) == WORDS
    streams.close()


_EXITING = """
import threading
from assistant_stream_ce import create_run
from assistant_stream_ce.resumable import ResumableStreams

def run(controller):
    controller.append_text("a")
    begun.set()
    controller.cancelled_event.wait_sync({seconds})
    controller.append_text("b")

def finish(result):
    print(result.reason, result.message.text, flush=True)

begun = threading.Event()
streams = ResumableStreams(drain_seconds={drain})
streams.start(create_run(run, on_finish=finish))
begun.wait()
"""


def exiting(*, seconds: float, drain: float) -> str:
    """Return what a process prints that ends while a run goes on for so many seconds."""
    code = _EXITING.format(seconds=seconds, drain=drain)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    return done.stdout


def test_a_process_that_ends_interrupts_its_runs_or_waits_for_them() -> None:
    assert exiting(seconds=30, drain=0.0) == "cancelled a\n"
    assert exiting(seconds=0.2, drain=20.0) == "completed ab\n"


def test_without_an_engine_all_counters_are_0() -> None:
    assert set(stats_of(None).values()) == {0}
