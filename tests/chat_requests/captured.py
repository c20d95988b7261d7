"""Request bodies that published clients posted, captured unchanged; keys and tokens are made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("bodies")
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def body(name: str) -> Any:
    """Return the body of a captured request."""
    return json.loads((FOLDER / f"{name}.json").read_text())["body"]


def body_bytes(name: str) -> bytes:
    """Return the body as it went over the network."""
    return json.dumps(body(name)).encode()
