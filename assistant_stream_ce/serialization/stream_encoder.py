"""Name what replaces this module of version 0.0 in the error of its import."""

raise ImportError(
    "assistant_stream_ce.serialization.stream_encoder was part of version 0.0: use "
    "assistant_stream_ce.serialization.Encoder",
    name=__name__,
)
