"""Random edits of a state: the same Python statements on a proxy and on an equal plain value."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from assistant_stream_ce import StateError
from assistant_stream_ce.state import StateProxy

KEYS = ["a", "b", "c", "0", "1", ""]


def value(random: Random, depth: int = 0) -> Any:
    """Return a random JSON value."""
    kind = random.randrange(8 if depth < 3 else 5)
    if kind == 5:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    if kind > 5:
        return {random.choice(KEYS): value(random, depth + 1) for _ in range(random.randrange(4))}
    return [None, random.random() < 0.5, random.randrange(-5, 5), text(random), text(random)][kind]


def text(random: Random) -> str:
    """Return a random short text."""
    return "".join(random.choices("ab\u00e9\U0001f600", k=random.randrange(4)))


def _add(holder: Any, key: Any, more: Any) -> None:
    holder[key] += more


def _set(holder: Any, key: Any, new: Any) -> None:
    holder[key] = new


def _delete(holder: Any, key: Any) -> None:
    del holder[key]


def _merge(holder: Any, new: Any) -> None:
    holder |= new


def _extend(holder: Any, new: Any) -> None:
    holder += new


def _repeat(holder: Any, times: int) -> None:
    holder *= times
    if isinstance(holder, list):
        # A plain list holds the very same items again, the state holds copies.
        first = len(holder) // max(times, 1)
        holder[first:] = [copy.deepcopy(item) for item in holder[first:]]


def _slice(random: Random) -> slice:
    step = random.choice([None, None, None, 1, 2, -1])
    return slice(*(random.choice([None, random.randrange(-4, 6)]) for _ in range(2)), step)


Edit = tuple[Callable[..., Any], tuple[Any, ...]]

DICT_EDITS: list[Callable[[Random], Edit]] = [
    lambda random: (_set, (random.choice(KEYS), value(random))),
    lambda random: (_set, (random.choice(KEYS), text(random))),
    lambda random: (_add, (random.choice(KEYS), text(random))),
    lambda random: (_add, (random.choice(KEYS), random.choice([1, [], [1, {}]]))),
    lambda random: (_delete, (random.choice(KEYS),)),
    lambda random: (lambda holder, key: holder.pop(key), (random.choice(KEYS),)),
    lambda random: (lambda holder, key: holder.pop(key, "gone"), (random.choice(KEYS),)),
    lambda random: (lambda holder: holder.popitem(), ()),
    lambda random: (lambda holder, new: holder.update(new), (_dict(random),)),
    lambda random: (_merge, (_dict(random),)),
    lambda random: (lambda holder, key, new: holder.setdefault(key, new), (random.choice(KEYS), value(random))),
    lambda random: (lambda holder: holder.clear(), ()),
]

LIST_EDITS: list[Callable[[Random], Edit]] = [
    lambda random: (lambda holder, new: holder.append(new), (value(random),)),
    lambda random: (lambda holder, new: holder.append(new), (value(random),)),
    lambda random: (lambda holder, new: holder.extend(new), (_list(random),)),
    lambda random: (_extend, (_list(random),)),
    lambda random: (_repeat, (random.randrange(-1, 3),)),
    lambda random: (_set, (random.randrange(-4, 5), value(random))),
    lambda random: (_add, (random.randrange(-4, 5), text(random))),
    lambda random: (_add, (random.randrange(-4, 5), [value(random)])),
    lambda random: (_set, (_slice(random), _list(random))),
    lambda random: (_delete, (_slice(random),)),
    lambda random: (_delete, (random.randrange(-4, 5),)),
    lambda random: (
        lambda holder, index, new: holder.insert(index, new),
        (random.randrange(-4, 6), value(random)),
    ),
    lambda random: (lambda holder, index: holder.pop(index), (random.randrange(-4, 5),)),
    lambda random: (lambda holder: holder.pop(), ()),
    lambda random: (lambda holder, item: holder.remove(item), (random.choice([None, "", "a", 1, [], {}]),)),
    lambda random: (lambda holder: holder.reverse(), ()),
    lambda random: (lambda holder: holder.sort(key=repr), ()),
    lambda random: (lambda holder: holder.clear(), ()),
]


def _list(random: Random) -> list[Any]:
    return [value(random, 2) for _ in range(random.randrange(4))]


def _dict(random: Random) -> dict[str, Any]:
    return {random.choice(KEYS): value(random, 1) for _ in range(random.randrange(3))}


@dataclass
class Pair:
    """A proxy, and an equal plain value."""

    proxy: StateProxy
    plain: Any


class Twins:
    """A state and a plain value that are edited alike, through references taken at any time.

    Args:
        get: returns the state, from its root.
        put: replaces it.
        append_text: extends a text in it, by its path.
        plain: what it is now.
    """

    def __init__(
        self,
        get: Callable[[], Any],
        put: Callable[[Any], None],
        append_text: Callable[[list[str], str], None],
        plain: Any,
    ) -> None:
        self._get = get
        self._put = put
        self._append_text = append_text
        self.plain = plain
        self._pairs: list[Pair] = []
        # The newest edits of both kinds, which are often made again: a model writes one word after the other.
        self._newest: tuple[Pair, Edit] | None = None
        self._newest_path: list[str] | None = None

    def edit(self, random: Random) -> None:
        """Make one random edit, of the root or through an old reference, and compare what it does."""
        if random.random() < 0.02 or not isinstance(self.plain, (dict, list)):
            self.plain = value(random)
            self._put(copy.deepcopy(self.plain))
        elif random.random() < 0.3:
            self._take_reference(random)
        elif random.random() < 0.2:
            self._lengthen(random)
        elif random.random() < 0.3 and self._newest is not None and self._is_living(self._newest[0]):
            self._edit_pair(*self._newest)
        else:
            pair = self._choose(random)
            edit = random.choice(DICT_EDITS if isinstance(pair.plain, dict) else LIST_EDITS)(random)
            self._edit_pair(pair, edit)
            self._newest = pair, edit

    def check(self) -> None:
        """Compare the whole, and every reference."""
        root = self._get()
        assert (root.value() if isinstance(root, StateProxy) else root) == self.plain
        living = {id(container) for container in _containers(self.plain)}
        for pair in self._pairs:
            if id(pair.plain) in living:
                assert pair.proxy == pair.plain
                assert len(pair.proxy) == len(pair.plain)
            else:
                try:
                    found = pair.proxy.value()
                except StateError:
                    continue
                raise AssertionError(f"{pair.plain} is no longer part of the state, but its reference shows {found}")

    def _is_living(self, pair: Pair) -> bool:
        return any(container is pair.plain for container in _containers(self.plain))

    def _choose(self, random: Random) -> Pair:
        pairs = [pair for pair in self._pairs if self._is_living(pair)]
        return random.choice([Pair(self._get(), self.plain), *pairs])

    def _take_reference(self, random: Random) -> None:
        pair = self._choose(random)
        keys = list(pair.plain) if isinstance(pair.plain, dict) else range(len(pair.plain))
        inner = [key for key in keys if isinstance(pair.plain[key], (dict, list))]
        if inner:
            key = random.choice(inner)
            self._pairs.append(Pair(pair.proxy[key], pair.plain[key]))  # type: ignore[index]

    def _lengthen(self, random: Random) -> None:
        """Append to a text by its path, which may not lead there any more."""
        paths = _text_paths(self.plain)
        if paths and (self._newest_path is None or random.random() < 0.5):
            self._newest_path = random.choice(paths)
        path, more = self._newest_path, text(random)
        if path is None:
            return
        if path in paths:
            self._append_text(path, more)
            container, key = self.plain, path[-1]
            for segment in path[:-1]:
                container = container[segment if isinstance(container, dict) else int(segment)]
            container[key if isinstance(container, dict) else int(key)] += more
        else:
            with pytest.raises(StateError):
                self._append_text(path, more)

    def _edit_pair(self, pair: Pair, edit: Edit) -> None:
        change, arguments = edit
        results = []
        for holder in (pair.proxy, pair.plain):
            try:
                result = change(holder, *copy.deepcopy(arguments))
                results.append(result.value() if isinstance(result, StateProxy) else result)
            except (LookupError, TypeError, ValueError) as error:
                results.append(type(error))
        assert results[0] == results[1], (results, change, arguments, pair.plain)


def _text_paths(plain: Any) -> list[list[str]]:
    if isinstance(plain, str):
        return [[]]
    if not isinstance(plain, (dict, list)):
        return []
    items = plain.items() if isinstance(plain, dict) else enumerate(plain)
    return [[str(key), *path] for key, item in items for path in _text_paths(item)]


def _containers(plain: Any) -> list[Any]:
    if not isinstance(plain, (dict, list)):
        return []
    inner = plain.values() if isinstance(plain, dict) else plain
    return [plain, *(one for item in inner for one in _containers(item))]
