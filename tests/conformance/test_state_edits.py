"""The real clients have the callback's state after any edits."""

from __future__ import annotations

import copy
import functools
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.serialization import AssistantTransportEncoder, DataStreamEncoder, Encoder
from tests.conformance.clients import Job, decode_all, require_clients
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, read_into
from tests.support.state_edits import Twins, value

ENCODERS: dict[str, Callable[[], Encoder]] = {
    "data-stream": DataStreamEncoder,
    "assistant-transport": AssistantTransportEncoder,
}

SEEDS = range(200)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("protocol", ENCODERS)
def test_clients_hold_what_the_callback_holds(protocol: str) -> None:
    require_clients()
    check(protocol, [edited(lambda _: ENCODERS[protocol](), seed) for seed in SEEDS])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("protocol", ENCODERS)
@pytest.mark.parametrize("edit", ["a part each", "one list"])
def test_clients_hold_what_four_threads_have_made(protocol: str, edit: str) -> None:
    require_clients()
    work = edit_own_part if edit == "a part each" else edit_one_list
    check(protocol, [in_threads(protocol, work, seed) for seed in range(10)])


def check(protocol: str, runs: list[tuple[Any, Any, bytes]]) -> None:
    jobs = [Job(protocol, data, None, initial) for initial, _, data in runs]
    for (initial, expected, data), result in zip(runs, decode_all(jobs), strict=True):
        assert result["status"] == 0, (result["error"], result["warnings"], data)
        assert result["message"]["metadata"]["unstable_state"] == expected, (initial, data)


def edited(make_encoder: Callable[[Any], Encoder], seed: int) -> tuple[Any, Any, bytes]:
    """Return an initial state, the state after random edits, and the encoded edits.

    Args:
        make_encoder: returns an encoder for a stream whose state starts at a value.
        seed: the same seed makes the same edits.
    """
    source = random.Random(seed)
    initial = value(source)
    held: list[Any] = []

    def run(controller: RunController) -> None:
        def put(new: Any) -> None:
            controller.state = new

        twins = Twins(lambda: controller.state, put, controller.append_state_text, copy.deepcopy(initial))
        for _ in range(30):
            chance = source.random()
            if chance < 0.1:
                controller.append_text("text in between")
            elif chance < 0.15:
                controller.flush()
            elif chance < 0.2:
                with controller.edit_state():
                    twins.edit(source)
                    twins.edit(source)
            else:
                twins.edit(source)
        twins.check()
        held.append(twins.plain)

    callback = as_kind(CALLBACK_KINDS[seed % 2], run)
    stream = create_run(callback, state=initial, max_pending=(1, 3, 1024)[seed % 3])
    pieces: list[bytes] = []
    read_into(READER_KINDS[seed // 2 % 2], make_encoder(initial).encode_stream(stream), pieces)  # type: ignore[arg-type]
    return initial, held[0], b"".join(pieces)


def in_threads(protocol: str, edit: Callable[[RunController, str, int], None], seed: int) -> tuple[Any, Any, bytes]:
    """Return an initial state, the state after edits of four threads, and the encoded edits."""
    initial: dict[str, Any] = {"items": [], "text": "", "count": 0, **{name: {} for name in "abcd"}}
    held: list[Any] = []

    def run(controller: RunController) -> None:
        threads = [threading.Thread(target=edit, args=(controller, name, seed)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held.append(controller.state.value())

    stream = create_run(run, state=initial, max_pending=(1, 8, 1024)[seed % 3])
    data = b"".join(ENCODERS[protocol]().encode_stream(stream))
    if edit is edit_one_list:
        everything = sorted(f"{name}{number}" for name in "abcd" for number in range(100))
        assert sorted(held[0]["items"]) == sorted(held[0]["text"].split()) == everything
        assert held[0]["count"] == len(everything)
    return initial, held[0], data


def edit_own_part(controller: RunController, name: str, seed: int) -> None:
    source = random.Random(f"{name}{seed}")

    def append_text(path: list[str], text: str) -> None:
        controller.append_state_text([name, *path], text)

    put = functools.partial(controller.state.__setitem__, name)
    twins = Twins(lambda: controller.state[name], put, append_text, {})
    for _ in range(100):
        twins.edit(source)
    twins.check()


def edit_one_list(controller: RunController, name: str, seed: int) -> None:
    source = random.Random(f"{name}{seed}")
    items = controller.state["items"]
    for number in range(100):
        item = f"{name}{number}"
        if source.random() < 0.2:
            items.insert(source.randrange(20), item)
        else:
            items.append(item)
        if source.random() < 0.1:
            items.sort()
        controller.state["text"] += f"{item} "
        with controller.edit_state() as state:
            state["count"] += 1
