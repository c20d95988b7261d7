"""What a process keeps for its runs never holds it: fork, exit and Ctrl-C, each in an interpreter of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from importlib.util import find_spec

import pytest

from tests.helpers import require


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


@pytest.mark.parametrize("place", ["its executor", "a pool inside it"])
def test_a_thread_of_an_executor_does_not_hold_the_exit(place: str) -> None:
    status, _, errors, seconds = python(f"""
        from concurrent.futures import ThreadPoolExecutor
        from assistant_stream_ce import create_run
        def many(controller):
            while True:
                controller.append_text("x")
        def run(controller):
            if {place == "its executor"}:
                many(controller)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(many, controller).result()
        for chunk in create_run(run, executor=ThreadPoolExecutor(1) if {place == "its executor"} else None):
            break
    """)
    assert (status, errors) == (0, "")
    assert seconds < 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_has_a_loop_of_its_own_even_if_its_parent_never_ran_anything() -> None:
    status, out, errors, _ = python("""
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from assistant_stream_ce import create_run
        async def finish(result): ...
        async def run(controller):
            controller.append_text("text")
        create_run(run, on_finish=finish).close()
        child = os.fork()
        if child == 0:
            print(len(list(create_run(run))), flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """)
    assert (status, out, errors) == (0, "1\n", "")


def test_an_exit_in_one_task_of_the_shared_loop_leaves_the_loop_to_the_others() -> None:
    status, out, _, _ = python("""
        import asyncio, logging
        from assistant_stream_ce import create_run
        logging.disable()
        async def leave():
            raise SystemExit(3)
        async def run(controller):
            try:
                await asyncio.create_task(leave())
            except SystemExit:
                controller.append_text("caught")
        print(list(create_run(run))[0].text_delta)
        print(list(create_run(run))[0].text_delta)
    """)
    assert (status, out) == (0, "caught\ncaught\n")


def test_shutdown_may_be_called_from_a_signal_handler() -> None:
    status, out, errors, _ = python("""
        import os, signal, threading
        from assistant_stream_ce import create_run, shutdown
        signal.signal(signal.SIGUSR1, lambda number, frame: shutdown(1))
        def run(controller):
            for _ in range(20_000):
                controller.append_text("x")
            os.kill(os.getpid(), signal.SIGUSR1)
            while True:
                controller.append_text("x")
        chunks = list(create_run(run, max_pending=4))
        print(chunks[-1].type)
    """)
    assert (status, out, errors) == (0, "error\n", "")


def test_gevent_runs_both_kinds_of_callback_without_a_stall() -> None:
    require(find_spec("gevent"), "gevent is not installed")
    status, out, errors, _ = python("""
        import warnings
        warnings.simplefilter("ignore")
        from gevent import monkey; monkey.patch_all()
        import asyncio, gevent, time
        from assistant_stream_ce import create_run
        def run(controller):
            for _ in range(5):
                controller.append_text("x")
                time.sleep(0.02)
        async def run_async(controller):
            for _ in range(5):
                controller.append_text("x")
                await asyncio.sleep(0.02)
        def read(callback):
            return len(list(create_run(callback)))
        ticks = [time.monotonic()]
        def tick():
            while len(ticks) < 100:
                gevent.sleep(0.005)
                ticks.append(time.monotonic())
        ticker = gevent.spawn(tick)
        readers = [gevent.spawn(read, callback) for callback in (run, run_async) * 10]
        gevent.joinall([ticker, *readers], raise_error=True)
        gevent.sleep(0.1)
        readers.append(gevent.spawn(read, run_async))
        readers[-1].join()
        print({reader.value for reader in readers}, max(b - a for a, b in zip(ticks, ticks[1:])) < 0.2)
    """)
    assert (status, out, errors) == (0, "{5} True\n", "")


def test_under_gevent_a_coroutine_may_use_threads_and_look_up_names() -> None:
    require(find_spec("gevent"), "gevent is not installed")
    status, out, errors, _ = python("""
        from gevent import monkey
        monkey.patch_all()
        import asyncio
        from assistant_stream_ce import create_run
        def fail():
            raise ValueError("it is passed on")
        async def run(controller):
            loop = asyncio.get_running_loop()
            await loop.getaddrinfo("localhost", 80)
            controller.append_text(await asyncio.to_thread(lambda: "from a thread"))
            try:
                await asyncio.to_thread(fail)
            except ValueError as error:
                controller.append_text(str(error))
        print([chunk.text_delta for chunk in create_run(run)])
    """)
    assert (status, out) == (0, "['from a thread', 'it is passed on']\n"), errors


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
