"""Signatures of requests for approval: what the browser sends back is checked before a tool runs."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Awaitable
from typing import Protocol

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.controller import validation
from assistant_stream_ce.jsonvalue import JSON, dumps
from assistant_stream_ce.tools.arguments import normalized

_VERSION = "v1"
_DOMAIN = "assistant-stream-ce tool approval v1"


class ApprovalStore(Protocol):
    """Interface of a store that makes an approval valid once."""

    def add(self, key: str, lifetime: float, /) -> bool | Awaitable[bool]:
        """Add a key; return whether it was not there before. A coroutine is fine where `aresume` is used.

        Args:
            key: the key of an approval.
            lifetime: seconds after which the key may be forgotten.
        """


class MemoryApprovalStore:
    """Approvals that were used in this process. Thread-safe. Several processes need a shared store."""

    def __init__(self) -> None:
        # Guards `_keys`: of two threads with one key, only one adds it.
        self._lock = new_lock()
        self._keys: dict[str, float] = {}

    def add(self, key: str, lifetime: float, /) -> bool:
        """Add a key; return whether it was not there before.

        Args:
            key: the key of an approval.
            lifetime: seconds after which the key may be forgotten.
        """
        now = time.time()
        with self._lock:
            # Approvals are few, and requested by users.
            self._keys = {known: end for known, end in self._keys.items() if end > now}
            is_new = key not in self._keys
            self._keys.setdefault(key, now + lifetime)
        return is_new


class ApprovalSigner:
    """Signs requests for approval, and checks the signatures that come back. Thread-safe.

    A signature (HMAC-SHA256) binds the approval's id, the call's id, the name of the tool, its arguments, the thread
    and the time.

    Args:
        secret: the secret of the server, the same in all its processes: 32 random bytes, or a text.
        lifetime: seconds for which an approval is valid.
        store: makes each approval valid once; without it, a signature is valid until the end of its lifetime.

    Raises:
        TypeError: the secret is neither text nor bytes, or the lifetime is not a number.
        ValueError: the secret is empty, or the lifetime is not positive.
    """

    def __init__(self, secret: str | bytes, *, lifetime: float = 3600.0, store: ApprovalStore | None = None) -> None:
        if not isinstance(secret, (str, bytes)):
            raise TypeError(f"secret must be str or bytes, not {type(secret).__name__}")
        if not secret:
            raise ValueError("secret must not be empty: anyone could approve a tool call")
        self._key = secret.encode() if isinstance(secret, str) else secret
        self.lifetime: float = validation.seconds(lifetime, "lifetime", is_positive=True)
        self.store = store

    def sign(
        self, approval_id: str, tool_call_id: str, tool_name: str, args: dict[str, JSON], thread: str | None = None
    ) -> str:
        """Return the signature of a request for approval.

        Args:
            approval_id: the id of the request.
            tool_call_id: the id of the call.
            tool_name: the name of the tool.
            args: the arguments.
            thread: the id of the conversation.
        """
        return self._signature(f"{time.time():.3f}", approval_id, tool_call_id, tool_name, args, thread)

    def check(
        self,
        signature: str | None,
        approval_id: str,
        tool_call_id: str,
        tool_name: str,
        args: dict[str, JSON],
        thread: str | None = None,
    ) -> str | None:
        """Return why a signature is not valid; None if it is. The store is not asked.

        Args:
            signature: the signature that came with the approval.
            approval_id: the id of the request.
            tool_call_id: the id of the call.
            tool_name: the name of the tool.
            args: the arguments.
            thread: the id of the conversation.
        """
        version, _, rest = (signature or "").partition(".")
        issued, _, _ = rest.rpartition(".")
        expected = self._signature(issued, approval_id, tool_call_id, tool_name, args, thread)
        given = (signature or "").encode("utf-8", "surrogatepass")
        if version != _VERSION or not hmac.compare_digest(given, expected.encode("utf-8", "surrogatepass")):
            return "the signature is missing, or does not belong to this call"
        if time.time() >= float(issued) + self.lifetime:
            return "the approval has expired"
        return None

    def _signature(
        self, issued: str, approval_id: str, tool_call_id: str, tool_name: str, args: JSON, thread: str | None
    ) -> str:
        bound = dumps([_DOMAIN, issued, approval_id, tool_call_id, tool_name, normalized(args), thread])
        return f"{_VERSION}.{issued}.{hmac.new(self._key, bound, hashlib.sha256).hexdigest()}"
