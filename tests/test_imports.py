"""Imported modules: each statement runs in its own interpreter."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys

import pytest

FRAMEWORKS = {
    "starlette",
    "anyio",
    "fastapi",
    "flask",
    "werkzeug",
    "django",
    "asgiref",
    "a2wsgi",
    "pydantic",
    "openai",
    "rich",
}


def loaded_by(line: str) -> set[str]:
    """Return the top-level modules that are loaded after a line of Python."""
    code = f"{line}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("import assistant_stream_ce", set()),
        ("from assistant_stream_ce.serialization.data_stream import DataStreamEncoder", set()),
        ("import assistant_stream_ce.inspector", set()),
        ("from assistant_stream_ce.responses.wsgi import DataStreamResponse", set()),
        ("from assistant_stream_ce.responses.flask import DataStreamResponse", {"flask", "werkzeug"}),
        ("from assistant_stream_ce.responses.django import DataStreamResponse", {"django", "asgiref"}),
        ("from assistant_stream_ce.responses.starlette import DataStreamResponse", {"starlette", "anyio"}),
        ("from assistant_stream_ce.serialization.data_stream import DataStreamResponse", {"starlette", "anyio"}),
        (
            "from assistant_stream_ce.serialization.assistant_transport import AssistantTransportResponse",
            {"starlette", "anyio"},
        ),
        ("from assistant_stream_ce.serialization.openai_stream import OpenAIStreamResponse", {"starlette", "anyio"}),
        ("from assistant_stream_ce.serialization.ag_ui import AGUIResponse", {"starlette", "anyio"}),
        ("from assistant_stream_ce.serialization.plain_text import PlainTextResponse", {"starlette", "anyio"}),
        (
            "from assistant_stream_ce.serialization.ui_message_stream import UIMessageStreamResponse",
            {"starlette", "anyio"},
        ),
    ],
)
def test_a_module_loads_its_own_framework_only(line: str, wanted: set[str]) -> None:
    assert loaded_by(line) & FRAMEWORKS == wanted


def test_import_starts_nothing() -> None:
    code = (
        "import threading, signal, atexit; before = (threading.active_count(), signal.getsignal(signal.SIGINT), "
        "atexit._ncallbacks()); import assistant_stream_ce; "
        "assert before == (threading.active_count(), signal.getsignal(signal.SIGINT), atexit._ncallbacks())"
    )
    # The standard library's own modules may register exit functions when they are first imported.
    preload = "import asyncio, concurrent.futures.thread, janus, msgspec, logging; "
    subprocess.run([sys.executable, "-c", preload + code], check=True, timeout=30)


@pytest.mark.parametrize("extra", ["starlette", "flask", "django"])
def test_a_missing_framework_is_named_with_its_extra(extra: str) -> None:
    code = (
        f"import sys; sys.modules[{extra!r}] = None\n"
        f"try:\n    import assistant_stream_ce.responses.{extra}\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert f'pip install "assistant-stream-ce[{extra}]>=0.1"' in done.stdout


def test_create_run_is_the_function_however_it_is_reached() -> None:
    code = (
        "import assistant_stream_ce.create_run; from assistant_stream_ce import create_run; "
        "from assistant_stream_ce.create_run import create_run as same; assert create_run is same; "
        "assert callable(create_run)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize(
    "line",
    [
        "from assistant_stream_ce.modules.langgraph import append_langgraph_event",
        "from assistant_stream_ce.modules.tool_call import ToolCallController",
        "from assistant_stream_ce.assistant_stream_chunk import TextDeltaChunk",
        "from assistant_stream_ce.serialization.stream_encoder import StreamEncoder",
    ],
)
def test_the_import_of_a_module_of_version_0_0_names_what_replaces_it(line: str) -> None:
    with pytest.raises(ImportError, match=r"was part of version 0\.0: use ") as caught:
        exec(line)
    for place in re.findall(r"assistant_stream_ce[\w.]+", str(caught.value).partition(": use ")[2]):
        pkgutil.resolve_name(place)


def test_without_docstrings_and_assertions() -> None:
    code = (
        "from assistant_stream_ce.resumable import MemoryStore\n"
        "from assistant_stream_ce.resumable.checks import STORE_CHECKS\n"
        "from assistant_stream_ce.tools import Tool\n"
        "def weather(city: str): 'Return the weather.'\n"
        "print(Tool(weather).description, Tool(weather, description='The weather.').description)\n"
        "for check in STORE_CHECKS:\n"
        "    try: check(MemoryStore)\n"
        "    except RuntimeError: pass\n"
        "    else: print('passed without assertions')\n"
    )
    command = [sys.executable, "-OO", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "None The weather.\n"
