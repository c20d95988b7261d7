"""Signatures of requests for approval."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from assistant_stream_ce.tools import ApprovalSigner, MemoryApprovalStore
from assistant_stream_ce.tools import approvals as module

BOUND: dict[str, Any] = {
    "approval_id": "a1",
    "tool_call_id": "c1",
    "tool_name": "delete",
    "args": {"path": "x", "depth": 1, "deep": {"b": [1, 2], "a": None}},
    "thread": "t1",
}


def test_a_signature_is_valid_for_what_it_binds() -> None:
    signer = ApprovalSigner("secret")
    signature = signer.sign(**BOUND)
    assert signer.check(signature, **BOUND) is None
    assert ApprovalSigner(b"secret").check(signature, **BOUND) is None


def test_arguments_survive_javascript() -> None:
    """It sorts no keys, but has one type of numbers."""
    signer = ApprovalSigner("secret")
    signature = signer.sign(**BOUND)
    args = {"deep": {"a": None, "b": [1.0, 2]}, "depth": 1.0, "path": "x"}
    assert signer.check(signature, **{**BOUND, "args": args}) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"approval_id": "a2"},
        {"tool_call_id": "c2"},
        {"tool_name": "delete_all"},
        {"args": {"path": "y", "depth": 1, "deep": {"b": [1, 2], "a": None}}},
        {"args": {}},
        {"thread": "t2"},
        {"thread": None},
    ],
)
def test_nothing_of_it_may_change(changed: dict[str, Any]) -> None:
    signer = ApprovalSigner("secret")
    assert "does not belong" in str(signer.check(signer.sign(**BOUND), **{**BOUND, **changed}))


def test_forged_signatures() -> None:
    signer = ApprovalSigner("secret")
    genuine = signer.sign(**BOUND)
    version, seconds, fraction, digest = genuine.split(".")
    later = f"{version}.{int(seconds) + 9999}.{fraction}.{digest}"
    other = ApprovalSigner("other").sign(**BOUND)
    for forged in (
        None,
        "",
        "v1",
        "v1..",
        "v2" + genuine[2:],
        later,
        genuine[:-1],
        genuine + "0",
        other,
        "\ud800",
        "é",
    ):
        assert signer.check(forged, **BOUND) is not None


def test_a_signature_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(module.time, "time", lambda: now)
    signer = ApprovalSigner("secret", lifetime=60)
    signature = signer.sign(**BOUND)
    now += 59
    assert signer.check(signature, **BOUND) is None
    now += 1
    assert signer.check(signature, **BOUND) == "the approval has expired"


def test_a_secret_is_needed() -> None:
    with pytest.raises(ValueError, match="anyone could approve"):
        ApprovalSigner("")
    with pytest.raises(TypeError, match="secret"):
        ApprovalSigner(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="lifetime"):
        ApprovalSigner("x", lifetime=0)


def test_of_many_threads_one_uses_an_approval() -> None:
    store = MemoryApprovalStore()
    barrier = threading.Barrier(8)
    found: list[bool] = []

    def use() -> None:
        barrier.wait(10)
        found.append(store.add("a1", 60))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(found) == [False] * 7 + [True]
    assert store.add("a2", 60)


def test_the_store_forgets_expired_approvals(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(module.time, "time", lambda: now)
    store = MemoryApprovalStore()
    assert store.add("a1", 60)
    now += 61
    assert store.add("a2", 60)
    assert store.add("a1", 60)
