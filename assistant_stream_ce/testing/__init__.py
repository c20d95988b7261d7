"""Helpers for tests of code that uses this library: no server, no model, no network, and any test framework.

Imported on demand.
"""

from assistant_stream_ce.testing.collecting import Collected, collect
from assistant_stream_ce.testing.readers import Departure, SlowReader, read_and_leave
from assistant_stream_ce.testing.scripted_model import Gate, ModelCall, ScriptedModel
from assistant_stream_ce.testing.transcripts import transcript
from assistant_stream_ce.testing.wire_checks import WireError, check_wire

__all__ = (
    "Collected",
    "Departure",
    "Gate",
    "ModelCall",
    "ScriptedModel",
    "SlowReader",
    "WireError",
    "check_wire",
    "collect",
    "read_and_leave",
    "transcript",
)
