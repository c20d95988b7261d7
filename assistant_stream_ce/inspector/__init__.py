"""The inspector: show a stream as it arrives, validate it against its format, and measure it."""

from assistant_stream_ce.inspector.session import Options as Options
from assistant_stream_ce.inspector.session import inspect as inspect
