"""What is measured: tiny programs that do the same work, each as its own documentation would have it.

`ours`, `peer` (assistant-stream), `others` (sse-starlette, pydantic-ai), `by_hand`, and `limit`: the web server sending
bytes that are ready, or msgspec alone. In each, `in_process` is called directly, and `..._app` is served.
"""
