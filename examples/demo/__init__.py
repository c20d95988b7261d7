"""A chat page, and the server behind it: `python -m examples.demo`."""
