"""Follows the recipes of CONTRIBUTING.md: adds a toy of each kind to a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Edits of a file of the package: its old text, which is empty for a new file, to its new text.
Edits = dict[str, Callable[[str], str]]


def before(anchor: str, addition: str) -> Callable[[str], str]:
    """Insert a text before the first occurrence of another."""

    def edit(text: str) -> str:
        assert anchor in text
        return text.replace(anchor, addition + anchor, 1)

    return edit


def new(text: str) -> Callable[[str], str]:
    """Write a new file."""
    return lambda old: old + textwrap.dedent(text)


def both(*edits: Callable[[str], str]) -> Callable[[str], str]:
    """Make several edits of one file."""

    def edit(text: str) -> str:
        for one in edits:
            text = one(text)
        return text

    return edit


FORMAT: Edits = {
    "serialization/shout.py": new('''
        """Text in capitals, one frame a line."""

        from collections.abc import Iterator

        from assistant_stream_ce import chunks
        from assistant_stream_ce.serialization.decoder import Decoder
        from assistant_stream_ce.serialization.encoder import Encoder
        from assistant_stream_ce.serialization.framing import Frame, LineReader


        class ShoutEncoder(Encoder):
            media_type = "text/shout"

            def text_delta(self, chunk: chunks.TextDeltaChunk) -> bytes:
                return chunk.text_delta.upper().encode() + b"\\n"

            def finish(self) -> bytes:
                return b""


        class ShoutDecoder(Decoder):
            _make_reader = LineReader

            def _prepare(self) -> None:
                """Keep nothing."""

            def _read(self, frame: Frame) -> Iterator[chunks.AssistantStreamChunk]:
                yield chunks.TextDeltaChunk(frame.data.decode().lower())
        '''),
    "serialization/__init__.py": before('    "streaming": (', '    "shout": ("ShoutDecoder", "ShoutEncoder"),\n'),
    "serialization/formats.py": both(
        before(
            "from assistant_stream_ce.serialization.validation",
            "from assistant_stream_ce.serialization.shout import ShoutDecoder, ShoutEncoder\n",
        ),
        before('        Format("plain-text"', '        Format("shout", ShoutEncoder, ShoutDecoder),\n'),
    ),
    "responses/formats.py": both(
        before("\nif TYPE_CHECKING:", "from assistant_stream_ce.serialization.shout import ShoutEncoder\n"),
        before(
            "class PlainText(FormatMixin)",
            textwrap.dedent('''
                class Shout(FormatMixin):
                    """Stream text in capitals."""

                    make_encoder = ShoutEncoder

                    def __init__(self, stream: ChunkSource, **options: Unpack[ResponseOptions]) -> None:
                        super().__init__(stream, self.make_encoder(), **options)


                '''),
        ),
    ),
    **{
        f"responses/{framework}.py": before(
            "class PlainTextResponse(",
            'class ShoutResponse(formats.Shout, AssistantStreamResponse):\n    """Stream text in capitals."""\n\n\n',
        )
        for framework in ("starlette", "flask", "django", "wsgi")
    },
}

FORMAT_PROGRAM = """
from assistant_stream_ce import create_run
from assistant_stream_ce.responses import flask, starlette, wsgi
from assistant_stream_ce.serialization import ShoutDecoder, ShoutEncoder, decode
from assistant_stream_ce.serialization.formats import FORMATS

def run(controller):
    controller.append_text("hello")

assert FORMATS["shout"].encoder is ShoutEncoder
body = list(ShoutEncoder().encode_stream(create_run(run)))
assert body == [b"HELLO\\n"]
assert [chunk.text_delta for chunk in decode(body, ShoutDecoder())] == ["hello"]
for framework in (flask, starlette, wsgi):
    assert framework.ShoutResponse.media_type == "text/shout"
    assert framework.ShoutResponse.__doc__.startswith("Stream text in capitals.")
response = wsgi.ShoutResponse(create_run(run))
assert list(response({}, lambda status, headers: None)) == [b"HELLO\\n"]
"""

CHUNK: Edits = {
    "chunks.py": both(
        before('    "RefusalDeltaChunk",', '    "PingChunk",\n'),
        before(
            "class RefusalDeltaChunk(",
            textwrap.dedent('''
                class PingChunk(msgspec.Struct, frozen=True, gc=False, tag="ping"):
                    """A sign of life."""

                    type: ClassVar[str] = "ping"
                    text: str


                '''),
        ),
        before("    | RefusalDeltaChunk\n", "    | PingChunk\n"),
    ),
    "__init__.py": both(
        before("    RefusalDeltaChunk,", "    PingChunk,\n"), before('    "RefusalDeltaChunk",', '    "PingChunk",\n')
    ),
    "controller/run_controller.py": before(
        "    def append_refusal(",
        "    def add_ping(self, text: str) -> None:\n"
        '        """Send a sign of life."""\n'
        "        self._put(chunks.PingChunk(text))\n\n",
    ),
    "message/accumulator.py": before(
        "    def refusal_delta(",
        "    def ping(self, chunk: chunks.PingChunk) -> None:\n"
        "        self.annotations(chunks.AnnotationsChunk([chunk.text]))\n\n",
    ),
    "serialization/plain_text.py": before(
        "    def text_delta(",
        '    def ping(self, chunk: chunks.PingChunk) -> bytes:\n        return f"({chunk.text})".encode()\n\n',
    ),
}

CHUNK_PROGRAM = """
from assistant_stream_ce import PingChunk, accumulate, create_run
from assistant_stream_ce.serialization.formats import FORMATS

def run(controller):
    controller.add_ping("here")

assert list(create_run(run)) == [PingChunk("here")]
assert list(create_run(lambda controller: controller.add_stream([PingChunk("there")]))) == [PingChunk("there")]
assert accumulate([PingChunk("here")]).annotations == ["here"]
for name, form in FORMATS.items():
    alone = b"".join(form.encoder().encode_stream(create_run(run)))
    assert (b"(here)" in alone) == (name == "plain-text"), name
"""

FRAMEWORK: Edits = {
    "responses/toy.py": new('''
        """Responses for a framework whose responses are lists of a status, headers and a body."""

        from assistant_stream_ce.controller.run_context import ChunkSource
        from assistant_stream_ce.responses import formats
        from assistant_stream_ce.responses.body import ResponseBody
        from assistant_stream_ce.responses.headers import Headers, Heartbeat, header_list
        from assistant_stream_ce.serialization import Encoder


        class AssistantStreamResponse(list):
            """Stream with any encoder.

            Args:
                stream: what to send.
                encoder: writes the chunks.
                heartbeat: True for 15 seconds, False for none, or seconds.
                status: the status code.
                headers: additional headers.
            """

            def __init__(
                self,
                stream: ChunkSource,
                encoder: Encoder,
                *,
                heartbeat: Heartbeat = True,
                status: int = 200,
                headers: Headers | None = None,
            ) -> None:
                super().__init__([status, header_list(encoder, headers), ResponseBody(stream, encoder, heartbeat)])


        class DataStreamResponse(formats.DataStream, AssistantStreamResponse):
            """Stream assistant-ui's data stream."""
        ''')
}

FRAMEWORK_PROGRAM = """
import inspect
from assistant_stream_ce import create_run
from assistant_stream_ce.responses.toy import DataStreamResponse

stream = create_run(lambda controller: controller.append_text("hello"))
status, headers, body = DataStreamResponse(stream, status=201, heartbeat=5)
assert status == 201
assert ("x-vercel-ai-data-stream", "v1") in headers
assert list(body) == [b'0:"hello"\\n']
assert list(inspect.signature(DataStreamResponse).parameters) == ["stream", "heartbeat", "status", "headers"]
"""


def recipe_files(kind: str, name: str) -> set[str]:
    """Return the files of the package that a recipe lists, with a name in place of `<...>`."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipe = re.split(rf"^\*\*{kind}\*\*$", text, flags=re.M)[1]
    recipe = re.split(r"^(?:\*\*|## )", recipe, flags=re.M)[0]
    files = re.findall(r"`([\w/<>]+\.py)`", recipe)
    return {re.sub("<.*?>", name, file) for file in files if not file.startswith("tests/") and "test_" not in file}


@pytest.mark.parametrize(
    ("kind", "name", "edits", "program"),
    [
        ("A format", "shout", FORMAT, FORMAT_PROGRAM),
        ("A chunk type", "plain_text", CHUNK, CHUNK_PROGRAM),
        ("A framework", "toy", FRAMEWORK, FRAMEWORK_PROGRAM),
    ],
)
def test_toy_is_added_in_the_listed_files(kind: str, name: str, edits: Edits, program: str, tmp_path: Path) -> None:
    assert recipe_files(kind, name) == set(edits)
    package = tmp_path / "assistant_stream_ce"
    shutil.copytree(ROOT / "assistant_stream_ce", package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, edit in edits.items():
        path = package / file
        path.write_text(edit(path.read_text(encoding="utf-8") if path.exists() else ""), encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert process.returncode == 0, process.stderr
