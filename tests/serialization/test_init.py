"""The names of `assistant_stream_ce.serialization`: all there, and each loads its own format only."""

from __future__ import annotations

import subprocess
import sys

import pytest

from assistant_stream_ce import serialization

PACKAGE = "assistant_stream_ce.serialization"
SHARED = {"", "decoder", "encoder", "framing", "schema", "tool_calls", "usage", "validation"}


def loaded_by(line: str) -> set[str]:
    """Return the modules of the package that a line of Python loads, by their names in it."""
    code = f"{line}\nimport sys; print(*(name for name in sys.modules if name.startswith({PACKAGE!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    return {name.removeprefix(PACKAGE).removeprefix(".") for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("DataStreamEncoder", {"assistant_ui", "data_stream"}),
        ("AssistantTransportEncoder", {"assistant_ui", "assistant_transport"}),
        ("PlainTextEncoder", {"plain_text"}),
        ("OpenAIStreamEncoder", {"openai_stream", "openai_stream.encoder"}),
    ],
)
def test_an_encoder_loads_its_own_format_only(name: str, modules: set[str]) -> None:
    assert loaded_by(f"from {PACKAGE} import {name}") <= SHARED | modules


def test_the_package_alone_loads_no_format() -> None:
    assert loaded_by("import assistant_stream_ce.serialization") == {""}


@pytest.mark.parametrize("name", serialization.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(serialization, name).__name__ == name


def test_another_name_is_missing() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'JSONEncoder'"):
        _ = serialization.JSONEncoder  # type: ignore[attr-defined]
