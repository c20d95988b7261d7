"""Checks of docs/inspector.rst."""

import atexit
import json
import os
import tempfile
import typing
from pathlib import Path

from assistant_stream_ce.inspector import events
from assistant_stream_ce.serialization.formats import FORMATS
from tests.docs.clients import table
from tests.docs.runner import Document

doc = Document("docs/inspector.rst")
page = doc.page


@doc.after("pip install")
def check_recording_exists() -> None:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    os.chdir(folder.name)
    head = {
        "version": 1,
        "source": "POST https://example.org/chat",
        "is_timed": True,
        "started": "2026-01-05T10:00:00.000+00:00",
        "status": 200,
        "headers": {"content-type": "text/plain; charset=utf-8", "x-vercel-ai-data-stream": "v1"},
    }
    pieces = [
        (0.304, 'g:"The user wants "\n'),
        (0.355, 'g:"the weather."\n'),
        (0.612, 'b:{"toolCallId":"call-1","toolName":"get_weather"}\n'),
        (0.660, 'c:{"toolCallId":"call-1","argsTextDelta":"{\\"city\\": "}\n'),
        (0.701, 'c:{"toolCallId":"call-1","argsTextDelta":"\\"Lisbon\\"}"}\n'),
        (1.940, 'a:{"toolCallId":"call-1","result":{"celsius":21}}\n'),
        (2.215, '0:"It is "\n'),
        (2.262, '0:"21 degrees"\n'),
        (2.310, '0:" in Lisbon."\n'),
        (2.312, 'd:{"finishReason":"stop","usage":{"inputTokens":64,"outputTokens":31}}\n'),
    ]
    lines = [head, *({"seconds": seconds, "text": text} for seconds, text in pieces)]
    lines.append({"seconds": 2.313, "end": "complete", "message": None})
    Path("weather.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@doc.before(
    'python -m assistant_stream_ce inspect https://example.org/chat -d @request.json -H "Authorization: Bearer abc"'
)
def check_table_of_formats() -> None:
    rows = table("inspector.rst", "Names of the formats")
    assert rows == [
        [name, "its header, or bytes" if each.encoder.headers else "bytes"] for name, each in FORMATS.items()
    ]


@doc.after("$ python -m assistant_stream_ce inspect --replay weather.jsonl --speed 0 --json")
def check_table_of_events() -> None:
    kinds = {
        kind.__struct_config__.tag: ", ".join(kind.__struct_fields__)
        for kind in typing.get_args(events.InspectionEvent)
    }
    assert dict(table("inspector.rst", "Events")) == kinds


test_inspector = doc.test()
