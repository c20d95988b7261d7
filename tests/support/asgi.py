"""An ASGI server and its client in one, driven by hand: that reaches every version of the specification."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Client:
    """Sends one request, collects the response, and disconnects on demand.

    Args:
        spec: the version of the specification that the server announces.
        method: of the request.
        path: of the request.
        headers: of the request.
    """

    def __init__(
        self, spec: str = "2.3", method: str = "POST", path: str = "/", headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": list(headers),
            "query_string": b"",
            "asgi": {"spec_version": spec},
        }
        self.sent: list[dict[str, Any]] = []
        self.left = asyncio.Event()
        self.got_text = asyncio.Event()
        #: Raised in place of taking more of the body.
        self.send_error: Exception | None = None
        self.on_data: Callable[[bytes], object] = lambda data: None
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        data = message.get("body")
        if data and self.send_error is not None:
            raise self.send_error
        self.sent.append(message)
        if data:
            self.got_text.set()
            self.on_data(data)

    @property
    def pieces(self) -> list[bytes]:
        return [message["body"] for message in self.sent if message.get("body")]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return {name.lower(): value for name, value in self.sent[0]["headers"]}

    async def call(self, app: Any) -> None:
        await app(self.scope, self.receive, self.send)
