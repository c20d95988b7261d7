"""What a process keeps for its runs never holds it: fork, exit and Ctrl-C, each in an interpreter of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from assistant_stream_ce.background import iterate_in_thread, race


def python(code: str, *, interrupt_when: str = "") -> tuple[int, str, str, float]:
    """Run a script; return its status, what it printed, and how long it took after its line `interrupt_when`."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "dev", "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        printed = ""
        if interrupt_when:
            assert process.stdout is not None
            while interrupt_when not in (line := process.stdout.readline()):
                assert line, "the script ended early"
                printed += line
            process.send_signal(signal.SIGINT)
        started = time.monotonic()
        out, errors = process.communicate(timeout=30)
        return process.returncode, printed + out, errors, time.monotonic() - started
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_script_that_breaks_out_and_ends_is_not_held(kind: str) -> None:
    status, out, errors, seconds = python(f"""
        import asyncio, time
        from assistant_stream_ce import create_run
        {"async " if kind == "async def" else ""}def run(controller):
            try:
                while True:
                    controller.append_text("x")
                    {"await asyncio.sleep(0.01)" if kind == "async def" else "time.sleep(0.01)"}
            finally:
                print("cleaned up", flush=True)
        stream = create_run(run)
        for number, chunk in enumerate(stream):
            if number == 2:
                break
    """)
    assert (status, out, errors) == (0, "cleaned up\n", "")
    assert seconds < 8


def test_a_hung_callback_does_not_hold_the_exit() -> None:
    status, _, errors, seconds = python("""
        import time
        from assistant_stream_ce import create_run
        def run(controller):
            controller.append_text("x")
            time.sleep(60)
        stream = create_run(run)
        next(iter(stream))
    """)
    assert (status, errors) == (0, "")
    assert seconds < 10


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_ctrl_c_while_reading_ends_the_script_at_once(kind: str) -> None:
    status, out, errors, seconds = python(
        f"""
        import asyncio, time
        from assistant_stream_ce import create_run
        {"async " if kind == "async def" else ""}def run(controller):
            print("running", flush=True)
            {"await asyncio.sleep(60)" if kind == "async def" else "time.sleep(60)"}
        try:
            for chunk in create_run(run, on_finish=lambda result: print(result.reason)):
                pass
        except KeyboardInterrupt:
            print("interrupted")
        """,
        interrupt_when="running",
    )
    assert status == 0, errors
    assert out.splitlines()[0] == "interrupted"
    assert "Traceback" not in errors
    assert seconds < 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_after_fork_has_a_loop_of_its_own() -> None:
    status, out, errors, _ = python("""
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, fork beside threads
        from assistant_stream_ce import create_run
        async def run(controller):
            controller.append_text("text")
        print(len(list(create_run(run))), flush=True)
        child = os.fork()
        if child == 0:
            print(len(list(create_run(run))), flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(len(list(create_run(run))), flush=True)
    """)
    assert (status, out, errors) == (0, "1\n1\n1\n", "")


def test_a_loop_that_ends_under_a_stream_leaves_no_trace() -> None:
    status, out, errors, _ = python("""
        import asyncio
        from assistant_stream_ce import create_run
        async def quiet(controller):
            controller.append_text("x")
            await asyncio.sleep(60)
        def busy(controller):
            try:
                while True:
                    controller.append_text("x")
            finally:
                print("told")
        async def main():
            for run in (quiet, busy):
                async for chunk in create_run(run):
                    break
        asyncio.run(main())
    """)
    assert (status, out, errors) == (0, "told\n", "")


async def test_race_cancels_what_comes_second() -> None:
    course: list[str] = []

    async def step(name: str, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            course.append(name)
        except asyncio.CancelledError:
            course.append(f"{name} cancelled")
            raise

    await race(step("work", 0), step("signal", 30))
    await race(step("work", 30), step("signal", 0))
    assert course == ["work", "signal cancelled", "signal", "work cancelled"]


async def test_race_raises_what_the_work_raised() -> None:
    async def fail() -> None:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await race(fail(), asyncio.sleep(30))


async def test_iterate_in_thread_yields_everything_then_the_error() -> None:
    def source() -> object:
        yield from range(100)
        raise ValueError("boom")

    items = []
    with pytest.raises(ValueError, match="boom"):
        async for item in iterate_in_thread(source()):  # type: ignore[arg-type]
            items.append(item)
    assert items == list(range(100))
