"""Texts of the state as they are read: a `str`, which tells the state what is added to it with `+=`."""

from __future__ import annotations

from threading import get_ident
from typing import Any, TypeAlias

from assistant_stream_ce.jsonvalue import JSON


class _Text(str):
    """A text that is an object of its own, however short it is."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


class StateText(_Text):
    """A text as it was when it was read.

    `state["text"] += more` reads the text, adds, and assigns the sum. What others append in between would be lost, did
    the state not know what was added to what. In all else it is a `str`.
    """

    __slots__ = ("origin",)

    #: Where it was read: the container and the key, the very text there, and the sums of that state.
    origin: tuple[JSON, object, str, Sums]

    def __iadd__(self, more: str) -> Any:
        if type(more) is not str:
            if not isinstance(more, str):
                return NotImplemented
            more = str.__str__(more)
        container, key, text, sums = self.origin
        # To an empty text Python would add by returning the other one, which may be assigned for its own sake.
        total = text + more if text else _Text(more)
        if more:
            sums[get_ident()] = (total, more, container, key, text)
        return total


#: What each thread has made last with `+=`, and will most likely assign: the sum, what was added, the container and the
#: key that it was read at, and the text that was there.
Sums: TypeAlias = dict[int, tuple[str, str, JSON, object, str]]


def text_read(container: JSON, key: object, text: str, sums: Sums) -> StateText:
    """Return a text as it is read from a container."""
    read = StateText(text)
    read.origin = (container, key, text, sums)
    return read
