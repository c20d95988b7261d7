"""Examples that run without an API key. Start one with `python -m examples.NAME` in the project's folder."""
