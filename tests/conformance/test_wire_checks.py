"""`check_wire` and the real clients agree about valid, invalid and damaged streams.

Where they differ on purpose, the check is the stricter one: `STRICTER` has the reasons.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from assistant_stream_ce.testing import WireError, check_wire
from tests.conformance.clients import FOLDER, Job, decode_all, require_clients

#: The clients of each wire. A stream is good when all of them read it without a warning.
CLIENTS = {
    "data-stream": ["data-stream"],
    "assistant-transport": ["assistant-transport"],
    "openai": ["openai-chat"],
    "ui-message-stream": ["ui-message-stream", "ai-sdk-ui", "ai-sdk-ui-v6", "ai-sdk-ui-v5"],
    "ag-ui": ["ag-ui", "ag-ui-v0"],
}

#: What the check refuses and clients take, and why it does.
STRICTER = {
    # assistant-ui shows fields of a wrong type as they are, "null" for instance; openai does not look at all of them.
    r"^Expected `|^Object missing required field|^Object contains|^Invalid enum value": "types",
    r" must be (text|a list|an object|an integer|true or false|null), not ": "types",
    r"only text can be appended": "types",
    # The clients stop there, so what follows would be lost.
    r"nothing is read after \[DONE\]": "the end",
    # Of a second run; that the first one has ended is enough to the client.
    r"ended without RUN_FINISHED": "the end",
    # The transport shows two calls with one id; their results cannot be distinguished.
    r"the tool call has begun before": "calls",
    # AI SDK discards everything before a second start, which is nothing at best, and takes more input in some orders.
    r"`start` must be|input of this tool call is complete|tool-input .* was started but not ended": "order",
    # The official clients take these in any order; others, the Python one for instance, read as they go.
    r"first delta of a tool call must have": "order",
}
#: Of the stored bad streams: a frame for another client, which assistant-ui leaves out, and a missing [DONE], which
#: both official clients of OpenAI accept.
LEFT_OUT = {"data-stream--reasoning-signature.txt", "openai-chat--missing-done.txt"}

MUTATIONS = 200


def inputs(kind: str) -> list[tuple[str, str, bytes]]:
    """Return the stored streams of a kind that are checked: file, wire, bytes."""
    wires = {client: wire for wire in CLIENTS for client in CLIENTS[wire]}
    entries = json.loads((FOLDER / "inputs" / kind / "index.json").read_text())
    return [
        (entry["file"], wires[entry["protocol"]], (FOLDER / "inputs" / kind / entry["file"]).read_bytes())
        for entry in entries
        if entry["protocol"] in wires
    ]


def verdict(data: bytes, wire: str) -> str | None:
    """Return the error of the check, if any."""
    try:
        check_wire(data, wire)
    except WireError as error:
        return error.reason
    return None


@pytest.mark.parametrize(("file", "wire", "data"), inputs("good"), ids=lambda one: one if type(one) is str else "")
def test_good_streams_pass(file: str, wire: str, data: bytes) -> None:
    assert verdict(data, wire) is None


@pytest.mark.parametrize(("file", "wire", "data"), inputs("bad"), ids=lambda one: one if type(one) is str else "")
def test_bad_streams_do_not(file: str, wire: str, data: bytes) -> None:
    assert (verdict(data, wire) is None) == (file in LEFT_OUT)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("wire", CLIENTS)
def test_the_check_and_the_clients_agree_on_streams_that_were_broken(wire: str) -> None:
    require_clients()
    dice = random.Random(wire)
    good = sorted({data for _, found, data in inputs("good") if found == wire})
    streams = [broken(dice, dice.choice(good), wire) for _ in range(MUTATIONS)]
    results = [decode_all([Job(client, data) for data in streams]) for client in CLIENTS[wire]]
    refused = 0
    for data, *answers in zip(streams, *results, strict=True):
        talk = verdict(data, wire)
        complaints = [complaint(answer) for answer in answers if answer["status"] != 0]
        # The harness asks for [DONE] where the clients of OpenAI do not.
        complaints = [one for one in complaints if "harness: the stream did not end" not in one]
        refused += bool(complaints)
        if not any(re.search(pattern, talk or "") for pattern in STRICTER):
            assert (talk is None) == (not complaints), f"check: {talk}\nclients: {complaints}\n{data.decode()}"
    assert MUTATIONS / 5 < refused < MUTATIONS


def complaint(answer: dict[str, Any]) -> str:
    return f"{answer['protocol']}: {answer['error'] or answer['warnings']}"


def broken(dice: random.Random, data: bytes, wire: str) -> bytes:
    """Return a stream with one thing changed; it may still be a good one."""
    frames = data.splitlines(keepends=True) if wire == "data-stream" else re.split(rb"(?<=\n\n)(?=.)", data)
    here, there = dice.randrange(len(frames)), dice.randrange(len(frames))
    match dice.choice(("leave out", "repeat", "swap", "cut", "edit", "edit", "edit")):
        case "leave out":
            del frames[here]
        case "repeat":
            frames.insert(there, frames[here])
        case "swap":
            frames[here], frames[there] = frames[there], frames[here]
        case "cut":
            return data[: dice.randrange(len(data))]
        case "edit":
            frames[here] = edited(dice, frames[here])
    return b"".join(frames)


def edited(dice: random.Random, frame: bytes) -> bytes:
    """Return a frame with a field removed or replaced."""
    found = re.fullmatch(rb"(data: |[\w-]+:)(\{.*\}|\[\{.*\}\])(\n+)", frame)
    if found is None:
        return frame
    value = json.loads(found[2])
    holder, key = dice.choice(list(places(value)))
    if dice.random() < 0.5:
        del holder[key]
    else:
        holder[key] = dice.choice((None, 5, "zz", [], {}, True))
    return found[1] + json.dumps(value).encode() + found[3]


def places(value: Any) -> Any:
    """Yield every place in a JSON value: what it is in, and its key."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])
