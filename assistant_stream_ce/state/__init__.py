"""The state of a run, edited as if it were a plain dict, list or text; each edit becomes operations.

Pure data: nothing here knows a queue, a thread's life or a wire.
"""

from assistant_stream_ce.state.document import StateDocument
from assistant_stream_ce.state.proxy import StateDict, StateList, StateProxy

__all__ = ("StateDict", "StateDocument", "StateList", "StateProxy")
