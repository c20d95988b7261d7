"""A plain script: a blocking callback, read with a plain `for`. No server, no event loop.

python -m examples.script "What is the weather in Lisbon?"
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import groupby
from operator import attrgetter

from assistant_stream_ce import (
    AssistantStreamChunk,
    ReasoningDeltaChunk,
    SourceChunk,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
    create_run,
)
from examples.assistant import answer


def shown(chunk: AssistantStreamChunk) -> str:
    """Return the text shown for a chunk, if any."""
    match chunk:
        case TextDeltaChunk(text_delta=text) | ReasoningDeltaChunk(reasoning_delta=text):
            return text
        case ToolCallBeginChunk(tool_name=text) | ToolCallDeltaChunk(args_text_delta=text):
            return text
        case ToolResultChunk(result=result):
            return str(result)
        case SourceChunk(title=title, url=url):
            return f"{title}, {url}"
        case UpdateStateChunk(operations=operations):
            # The growing text of the state is already on the screen.
            changes = [(one["path"], one["value"]) for one in operations if not isinstance(one["value"], str)]
            return "; ".join(f"{'.'.join(['state', *path])} = {value}" for path, value in changes)
    return ""


def main() -> None:
    """Answer the prompt on the command line."""
    prompt = " ".join(sys.argv[1:]) or "What is the weather in Paris?"
    with create_run(partial(answer, prompt=prompt)) as stream:
        for kind, chunks in groupby(filter(shown, stream), attrgetter("type")):
            print(f"{kind}: ", end="")
            for chunk in chunks:
                print(shown(chunk), end="", flush=True)
            print()


if __name__ == "__main__":
    main()
