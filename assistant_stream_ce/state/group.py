"""Groups of edits, which are sent in one chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from assistant_stream_ce.state.document import StateDocument

T = TypeVar("T")


class EditGroup(Generic[T]):
    """Context manager of `StateDocument.edit`. Not a generator, which an exception could leave suspended."""

    def __init__(self, document: StateDocument, read: Callable[[], T]) -> None:
        self._document = document
        self._read = read
        # The number of groups around this one; None before it has begun.
        self.depth: int | None = None

    def __enter__(self) -> T:
        try:
            self._document._edit(self._document._begin_group, self)
            return self._read()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self.depth is not None:
            self._document._leave_group(self.depth)
