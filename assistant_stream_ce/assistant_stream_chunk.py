"""Name what replaces this module of version 0.0 in the error of its import."""

raise ImportError(
    "assistant_stream_ce.assistant_stream_chunk was part of version 0.0: use assistant_stream_ce.TextDeltaChunk "
    "and the other chunks of assistant_stream_ce, and assistant_stream_ce.chunks.Operation",
    name=__name__,
)
