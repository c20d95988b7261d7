"""A worker process for tests: produces a stream, told by lines on its stdin.

    python -m tests.resumable.worker STORE ID COUNT SECONDS

`STORE` is a URL of Redis or a directory. It prints `started`, then
`finished REASON`, and `interrupted ID TEXT` for each stream whose end it has to report.
"""

from __future__ import annotations

import sys

from assistant_stream_ce import RunController, RunResult, create_run
from assistant_stream_ce.message import AssistantMessage
from assistant_stream_ce.resumable import FileStore, RedisStore, ResumableStreams
from assistant_stream_ce.resumable.store import Store


def store_at(place: str) -> Store:
    """Return the store at a URL or directory."""
    return RedisStore(place) if "://" in place else FileStore(place)


def say(line: str) -> None:
    """Print a line in one piece, because other threads print too."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(place: str, stream_id: str, count: str, seconds: str) -> None:
    """Produce one stream, or with a count of 0 only follow it."""

    def run(controller: RunController) -> None:
        for number in range(int(count)):
            controller.append_text(f"{number} ")
            controller.cancelled_event.wait_sync(float(seconds))

    def report(name: str, message: AssistantMessage | None) -> None:
        say(f"interrupted {name} {'' if message is None else message.text}")

    def finish(result: RunResult) -> None:
        say(f"finished {result.reason}")

    streams = ResumableStreams(store_at(place), lease=2.0, on_interrupted=report)
    if int(count):
        streams.start(create_run(run, on_finish=finish), stream_id)
    else:
        stream = streams.follow(stream_id)
        assert stream is not None
        next(stream)
    say("started")
    sys.stdin.readline()
    streams.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
