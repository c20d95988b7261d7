"""The testing helpers are optional: nothing imports them, and they import no framework."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_imports_the_helpers_and_they_import_no_framework() -> None:
    code = (
        "import sys, assistant_stream_ce, assistant_stream_ce.serialization\n"
        "assert not any(name.startswith('assistant_stream_ce.testing') for name in sys.modules)\n"
        "import assistant_stream_ce.testing, threading\n"
        "assert threading.active_count() == 1\n"
        "print(*({'pytest', 'starlette', 'flask', 'django', 'httpx', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "\n"
