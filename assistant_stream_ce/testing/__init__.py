"""Helpers for testing code that uses this library, with any test framework, without a server, model or network."""

from assistant_stream_ce.resumable.checks import STORE_CHECKS, StoreFactory
from assistant_stream_ce.testing.collecting import Collected, acollect, collect
from assistant_stream_ce.testing.readers import Disconnect, SlowReader, aread_and_leave, read_and_leave
from assistant_stream_ce.testing.scripted_model import Gate, ModelCall, ScriptedModel
from assistant_stream_ce.testing.transcripts import transcript
from assistant_stream_ce.testing.wire_checks import WireError, check_wire

__all__ = (
    "STORE_CHECKS",
    "Collected",
    "Disconnect",
    "Gate",
    "ModelCall",
    "ScriptedModel",
    "SlowReader",
    "StoreFactory",
    "WireError",
    "acollect",
    "aread_and_leave",
    "check_wire",
    "collect",
    "read_and_leave",
    "transcript",
)
