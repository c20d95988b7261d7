"""What is measured, a file for each family of rows."""

from __future__ import annotations

from benchmarks.measure import Row
from benchmarks.rows import capacity, encode, latency, lifecycle, memory, sdks, servers, state

ROWS: tuple[Row, ...] = (
    *encode.ROWS,
    *servers.ROWS,
    *servers.GROWTH_ROWS,
    *latency.ROWS,
    *capacity.ROWS,
    *memory.ROWS,
    *lifecycle.ROWS,
    *state.ROWS,
    *sdks.ROWS,
)
