"""The chat of `examples/chat`, built once for all test processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.frontends.chat_pages import build_once


@pytest.fixture(scope="session")
def built_chat(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return the folder of the built chat, which nobody may change."""
    folder = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each process a folder of its own in a common one.
    return build_once((folder if worker_id == "master" else folder.parent) / "built-chat")
