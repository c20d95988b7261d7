"""What 200 random conversations write, the real clients show: exactly that, without a warning.

Each conversation is performed by a real callback, in each combination of callback kind and reader kind; its
bytes are decoded whole and one byte at a time by the clients that front ends run, in strict mode. What
they must show is worked out from what was written, in `expected.py`.
"""

from __future__ import annotations

import pytest

from tests.conformance.clients import Job, decode_all, require_clients
from tests.conformance.random_conversations import (
    ENCODERS,
    conversations,
    failure,
    has_state,
    report,
)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fragment", [None, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("protocol", ENCODERS)
def test_clients_show_what_was_written(protocol: str, fragment: int | None) -> None:
    require_clients()
    written = conversations(protocol)
    if fragment and protocol in ("ai-sdk-ui-v6", "ai-sdk-ui-v5"):
        # Their parser of events is that of version 7: half of them show it, and take half the time.
        written = written[::2]
    jobs = [Job(protocol, data, fragment, talk.state if has_state(protocol) else None) for talk, data in written]
    failures = []
    for (talk, data), result in zip(written, decode_all(jobs), strict=True):
        found = failure(protocol, talk, result)
        if found:
            failures.append((len(data), talk, data, found))
    if failures:
        _, talk, data, found = min(failures, key=lambda one: one[0])
        pytest.fail(f"{len(failures)} conversations differ, for one {report(talk, data, found)}")
