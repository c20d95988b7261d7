"""The state of a run, edited as if it were a plain dict, list or text; each edit becomes operations.

It is independent of formats and runs; updates are sent through an `UpdateSink`.
"""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import ModuleGetattr, lazy_exports

if TYPE_CHECKING:
    from assistant_stream_ce.state.document import StateDocument
    from assistant_stream_ce.state.proxy import StateDict, StateList, StateProxy

__all__ = ("StateDict", "StateDocument", "StateList", "StateProxy")

# Lazy, because formats use only the operations, which need no lock and no thread.
__getattr__: ModuleGetattr = lazy_exports(
    __name__,
    {
        "StateDict": "assistant_stream_ce.state.proxy",
        "StateDocument": "assistant_stream_ce.state.document",
        "StateList": "assistant_stream_ce.state.proxy",
        "StateProxy": "assistant_stream_ce.state.proxy",
    },
)
