"""The command line option shared by the examples."""

from __future__ import annotations

from argparse import ArgumentParser


def chosen_port() -> int:
    """Read `--port`; with 0 the system chooses one, and the server prints which."""
    parser = ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    return int(parser.parse_args().port)
