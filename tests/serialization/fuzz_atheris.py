"""Feeds decoders with what a fuzzer makes that watches which code it reaches.

`python -m tests.serialization.fuzz_atheris FOLDER -max_total_time=600`, where `atheris` is installed too. FOLDER keeps
the inputs that reached new code; valid streams of each wire are put there at first. The arguments after it are those of
libFuzzer. The first byte of an input selects the decoder for the rest, and whether it is strict.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["assistant_stream_ce"]):
    from tests.serialization.fuzz_decoders import MATERIAL, MAX_FRAME_BYTES, check, check_order, read, valid_stream
    from tests.serialization.round_trips import WIRES, cut

_NAMES = list(WIRES)
_STRICT = 0x80

# So many inputs pass between two that are held to everything, which takes long.
_THOROUGH = 16


def main() -> None:
    """Run the fuzzer until it finds something or its time is up."""
    folder = Path(sys.argv[1])
    _write_seeds(folder)
    words = folder / "words.txt"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in MATERIAL if 0 < len(word) < 100))
    atheris.Setup([*sys.argv[:1], str(folder / "inputs"), f"-dict={words}", "-max_len=3000", *sys.argv[2:]], _check)
    atheris.Fuzz()


def _check(data: bytes) -> None:
    if not data:
        return
    is_strict, wire = bool(data[0] & _STRICT), _NAMES[(data[0] & ~_STRICT) % len(_NAMES)]
    if sum(data) % _THOROUGH == 0:
        check_order(check(wire, data[1:], is_strict, len(data)))
        return
    results = [
        read(WIRES[wire][1](strict=is_strict, max_frame_bytes=MAX_FRAME_BYTES), pieces)
        for pieces in ([data[1:]], cut(data[1:], len(data)))
    ]
    assert results[0] == results[1]


def _write_seeds(folder: Path) -> None:
    inputs = folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    for number, wire in enumerate(_NAMES):
        for seed in range(40):
            stream = valid_stream(wire, seed)[:2999]
            for first in (number, number | _STRICT):
                (inputs / f"{wire}-{seed}-{first}").write_bytes(bytes([first]) + stream)


def _escaped(word: bytes) -> str:
    """Return a word as libFuzzer's dictionaries spell it."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
