"""Raise an exception at each line of some modules in turn, as a signal or another thread may do."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

PACKAGE = Path(__file__).parent.parent.parent / "assistant_stream_ce"


class Interrupt(BaseException):
    """Represents KeyboardInterrupt, and exceptions raised by `PyThreadState_SetAsyncExc`."""


def with_lines(path: Path) -> set[int]:
    """Return the lines of `with` statements. At its end the interpreter reports the line of a block again.

    There an exception of a trace function comes before `__exit__`. A real one does not: CPython checks for
    signals and asynchronous exceptions after calls, at function starts and at backward jumps only.
    """
    return {
        node.lineno for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, (ast.With, ast.AsyncWith))
    }


def interrupted(work: Callable[[], object], *modules: str) -> Iterator[str]:
    """Call a function again and again, with an interrupt at one line more each time, until none is left.

    Yields:
        The place of each interrupt, after it: time to look at what it has left behind.
    """
    lines = {str(PACKAGE / name): with_lines(PACKAGE / name) for name in modules}
    count = 1
    while (place := _interrupt(work, lines, count)) is not None:
        yield place
        count += 1
    assert count > 3, "nothing was interrupted"


def _interrupt(work: Callable[[], object], lines: dict[str, set[int]], count: int) -> str | None:
    seen = 0
    place: str | None = None
    entered: dict[FrameType, set[int]] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen, place
        code: CodeType = frame.f_code
        if code.co_filename not in lines or place is not None:
            return None
        if event == "line":
            blocks = entered.setdefault(frame, set())
            if frame.f_lineno in lines[code.co_filename]:
                if frame.f_lineno in blocks:
                    blocks.discard(frame.f_lineno)
                    return trace
                blocks.add(frame.f_lineno)
            seen += 1
            if seen == count:
                place = f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name}"
                raise Interrupt
        return trace

    sys.settrace(trace)
    try:
        work()
    except Interrupt:
        pass
    finally:
        sys.settrace(None)
        entered.clear()
    return place
