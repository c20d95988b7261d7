"""The inspector: shows a stream as it comes, names the frame that breaks its wire's rules, and measures it."""

from assistant_stream_ce.inspector.session import Options, inspect

__all__ = ("Options", "inspect")
