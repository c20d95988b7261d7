"""assistant-stream, the Python package of the assistant-ui project."""
