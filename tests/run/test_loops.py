"""The shared loop and threads never block a process: fork, exit and Ctrl-C, each in its own interpreter."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

from tests.support.processes import python
from tests.support.require import require

# Seconds until the end of a process: 2 are promised, the others are a margin for a busy machine.
AT_ONCE = 8


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_script_that_breaks_out_and_ends_is_not_held(kind: str) -> None:
    status, out, errors, seconds = python(
        f"""
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
        print("broke out", flush=True)
        """,
        after="broke out",
    )
    assert (status, out, errors) == (0, "cleaned up\n", "")
    assert seconds <= AT_ONCE


HUNG = """
    import asyncio, sys, threading, time
    from assistant_stream_ce import create_run
    def run(controller):
        controller.append_text("x")
        time.sleep(60)
    def finish(result):
        print(result.reason, flush=True)
        BODY
    async def finish_async(result):
        finish(result)
        await asyncio.sleep(SECONDS)
        print("saved", flush=True)
    stream = create_run(run, on_finish=HOOK)
    next(iter(stream))
    print("ending", flush=True)
"""


@pytest.mark.parametrize(
    ("hook", "body", "seconds", "printed", "logged"),
    [
        ("None", "pass", 0, "", 0),
        ("finish", "pass", 0, "abandoned", 0),
        ("finish", "time.sleep(60)", 0, "abandoned", 0),
        ("finish", "raise ValueError('on purpose')", 0, "abandoned", 1),
        ("finish", "raise SystemExit(3)", 0, "abandoned", 0),
        ("finish_async", "pass", 0.01, "abandoned\nsaved", 0),
        ("finish_async", "pass", 60, "abandoned", 0),
    ],
)
def test_a_hung_callback_does_not_hold_the_exit_and_is_given_up(
    hook: str, body: str, seconds: float, printed: str, logged: int
) -> None:
    code = HUNG.replace("BODY", body).replace("HOOK", hook).replace("SECONDS", str(seconds))
    status, out, errors, took = python(code, after="ending")
    assert (status, out.split()) == (0, printed.split())
    warning, *rest = errors.splitlines()
    assert "still runs" in warning
    assert sum("on_finish raised" in line for line in rest) == logged
    assert bool(rest) == bool(logged), errors
    assert took <= AT_ONCE


@pytest.mark.parametrize("hook", ["finish", "finish_async"])
def test_a_run_whose_loop_has_stopped_is_finished_at_the_exit(hook: str) -> None:
    status, out, _, took = python(
        f"""
        import asyncio, os, time, warnings
        warnings.simplefilter("ignore", ResourceWarning)  # the loop is left open
        from assistant_stream_ce import create_run
        from assistant_stream_ce.run import registry
        registry.EXIT_SECONDS = 3.0  # a busy machine may take longer than half a second
        async def quiet(controller):
            controller.append_text("x")
            await asyncio.sleep(60)
        def busy(controller):
            while True:
                controller.append_text("x")
                time.sleep(0.01)
        def finish(result):
            print(result.reason, flush=True)
        async def finish_async(result):
            await asyncio.sleep(0.01)
            finish(result)
        async def read_one(stream):
            await anext(aiter(stream))
        loop = asyncio.new_event_loop()
        streams = [create_run(run, on_finish={hook}) for run in (quiet, busy)]
        for stream in streams:
            loop.run_until_complete(read_one(stream))
        print("ending", flush=True)
        """,
        after="ending",
    )
    assert (status, out) == (0, "cancelled\n" * 2)
    assert took <= AT_ONCE


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_ctrl_c_while_reading_ends_the_script_at_once(kind: str) -> None:
    status, out, errors, seconds = python(
        f"""
        import asyncio, time
        from assistant_stream_ce import create_run
        started = []
        {"async " if kind == "async def" else ""}def run(controller):
            started.append(time.monotonic())
            print("running", flush=True)
            {"await asyncio.sleep(30)" if kind == "async def" else "time.sleep(30)"}
        try:
            for chunk in create_run(run, on_finish=lambda result: print(result.reason)):
                pass
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - started[0] <= 1)
        """,
        after="running",
        interrupts=True,
    )
    assert status == 0, errors
    reason = "cancelled" if kind == "async def" else "abandoned"
    assert out.splitlines() == ["interrupted True", reason]
    assert "Traceback" not in errors
    assert seconds <= AT_ONCE


def test_a_child_after_fork_has_its_own_loop() -> None:
    require(hasattr(os, "fork"), "this system has no fork")
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


@pytest.mark.parametrize("before", [True, False])
def test_an_exit_function_may_run_both_kinds_of_callback(before: bool) -> None:
    status, out, errors, _ = python(
        f"""
        import atexit
        from assistant_stream_ce import create_run
        def run(controller):
            controller.append_text("x")
        async def run_async(controller):
            controller.append_text("y")
        def both():
            for callback in (run, run_async):
                try:
                    print([chunk.text_delta for chunk in create_run(callback) if chunk.type != "error"])
                except RuntimeError as error:
                    print(error)
        if {before}:
            both()
        atexit.register(both)
        """
    )
    assert (status, errors) == (0, "")
    text = "['x']\n['y']\n"
    # Python 3.12.0 and 3.12.1 start no thread then.
    refused = "can't create new thread at interpreter shutdown\n" * 2
    assert out == text * 2 if before else out in (text, refused)


def test_a_child_has_its_own_loop_even_if_its_parent_had_none() -> None:
    require(hasattr(os, "fork"), "this system has no fork")
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
                print("cancelled")
        async def main():
            for run in (quiet, busy):
                async for chunk in create_run(run):
                    break
        asyncio.run(main())
    """)
    assert (status, out, errors) == (0, "cancelled\n", "")


def test_a_thread_makes_the_next_call_and_ends_when_none_comes() -> None:
    status, out, errors, _ = python(
        """
        import threading, time
        from assistant_stream_ce.run import loops
        from assistant_stream_ce.run.loops import start_thread

        def call(name):
            done, seen = threading.Event(), []
            def work():
                seen.append((threading.current_thread(), threading.current_thread().name))
                done.set()
            start_thread(work, name)
            assert done.wait(30)
            assert seen[0][1] == name
            return seen[0][0]

        idle_seconds, loops._IDLE_SECONDS = loops._IDLE_SECONDS, 30
        first, blocked = call("one"), threading.Event()
        while not loops._this_process().idle:
            time.sleep(0.001)
        loops._IDLE_SECONDS = idle_seconds
        assert call("two") is first
        start_thread(blocked.wait, "blocked")
        threads = {call(str(number)) for number in range(50)}
        assert all(thread.daemon for thread in threads)
        # A thread that is still busy gets no other call, and one that was idle may have made many.
        assert "blocked" in [thread.name for thread in threading.enumerate()]
        assert "blocked" not in [thread.name for thread in threads]
        blocked.set()
        for thread in threading.enumerate():
            if thread.daemon:
                thread.join(30)
        assert not [thread for thread in threading.enumerate() if thread.daemon]
        """
    )
    assert (status, out, errors) == (0, "", "")


def test_calls_that_come_while_threads_end_are_all_made() -> None:
    """Each call comes at about the moment at which the idle thread gives up waiting."""
    status, out, errors, _ = python(
        """
        import threading, time
        from assistant_stream_ce.run import loops

        loops._IDLE_SECONDS = 0.0005
        for number in range(1000):
            done = threading.Event()
            loops.start_thread(done.set, "call")
            assert done.wait(30), number
            time.sleep(0.0004 + number % 7 * 0.0001)
        print("all")
        """
    )
    assert (status, out, errors) == (0, "all\n", "")
