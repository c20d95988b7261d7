"""assistant-stream-ce."""
