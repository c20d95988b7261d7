"""JSON patches (RFC 6902), applied to a document and translated to state operations, which only set values."""

from __future__ import annotations

from collections.abc import Callable

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, MAX_DEPTH, clone, json_size, list_index
from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.state.operations import UNSAFE_KEYS, Path, lookup, set_value


class PatchedDocument:
    """A JSON document that patches change.

    Args:
        value: the initial value. The document takes ownership of it.
        max_copied: limit for the values that all `copy` operations add, in bytes of JSON; 0 for no limit. Without one,
            a few operations can create a document of any size.
    """

    def __init__(self, value: JSON, max_copied: int) -> None:
        # The only item of a list, so that the root has a container too.
        self._root = [value]
        self._max_copied = max_copied
        self._copied = 0
        # The paths that changed since the last call of `operations`, in order.
        self._changed: dict[Path, None] = {}

    @property
    def value(self) -> JSON:
        """A copy of the document."""
        return clone(self._root[0])

    def replace(self, value: JSON) -> None:
        """Replace the whole document, which takes ownership of the value; `operations` does not report it."""
        self._root[0] = value
        self._changed.clear()

    def patch(self, patch: list[dict[str, JSON]]) -> None:
        """Apply a patch. Operations of unknown types are ignored, as the client ignores them.

        Raises:
            FrameError: the patch does not fit. The document is unchanged.
        """
        change = _Change(self._root, self._count_copy)
        try:
            for operation in patch:
                change.apply(operation)
        except FrameError as error:
            change.undo()
            raise FrameError(f"the patch does not fit: {error}") from None
        self._changed |= change.paths

    def operations(self) -> list[Operation]:
        """Return state operations with the effect of all patches since the last call.

        Each sets a value that changed. After a removal, or an insertion into a list, this is the whole container, as
        state operations can express neither.
        """
        changed, self._changed = self._changed, {}
        return [
            set_value(path, clone(lookup(self._root[0], path)))
            for path in changed
            if not any(path[:depth] in changed for depth in range(len(path)))
        ]

    def _count_copy(self, value: JSON) -> None:
        self._copied += json_size(value)
        if 0 < self._max_copied < self._copied:
            raise FrameError(f"the patches have copied more than {self._max_copied:,} bytes")


class _Change:
    """A patch while it is applied."""

    def __init__(self, root: list[JSON], count_copy: Callable[[JSON], None]) -> None:
        self._root = root
        self._count_copy = count_copy
        self._undo: list[Callable[[], object]] = []
        #: The paths to set in a copy of the document, in order.
        self.paths: dict[Path, None] = {}

    def undo(self) -> None:
        for step in reversed(self._undo):
            step()

    def apply(self, operation: dict[str, JSON]) -> None:
        match operation.get("op"):
            case "add":
                self._add(_path(operation, "path"), _value(operation))
            case "replace":
                self._replace(_path(operation, "path"), _value(operation))
            case "remove":
                self._remove(_path(operation, "path"))
            case "move":
                self._move(_path(operation, "from"), _path(operation, "path"))
            case "copy":
                path, value = _path(operation, "path"), self._get(_path(operation, "from"))
                self._count_copy(value)
                # The value may contain the container that it is put into.
                self._add(path, clone(value))
            case "test":
                path = _path(operation, "path")
                if not _is_equal(self._get(path), _value(operation)):
                    raise FrameError(f"the test of {_show(path)} fails")

    def _add(self, path: Path, value: JSON, *, is_checked: bool = False) -> None:
        if not is_checked:
            _check_depth(path, value)
        container = self._container(path)
        if not path or type(container) is dict:
            self._assign(container, path[-1] if path else 0, value)
            self._note(path)
            return
        index = len(container) if path[-1] == "-" else list_index(path[-1])
        if index is None or index > len(container):
            raise FrameError(f"{_show(path)} is not a position in the list")
        self._note((*path[:-1], str(index)) if index == len(container) else path[:-1])
        container.insert(index, value)
        self._undo.append(lambda: container.pop(index))

    def _replace(self, path: Path, value: JSON) -> None:
        _check_depth(path, value)
        self._get(path)
        container = self._container(path)
        self._assign(container, _key(container, path), value)
        self._note(path)

    def _remove(self, path: Path) -> None:
        removed = self._get(path)
        container = self._container(path)
        key = _key(container, path)
        if not path:
            self._assign(container, key, None)
        elif type(container) is list:
            del container[key]
            self._undo.append(lambda: container.insert(key, removed))
        else:
            del container[key]
            self._undo.append(lambda: container.__setitem__(key, removed))
        self._note(path[:-1])

    def _move(self, source: Path, path: Path) -> None:
        value = self._get(source)
        if source != path:
            self._remove(source)
            # Checked only for a move to a greater depth, because the check visits the whole value.
            self._add(path, value, is_checked=len(path) <= len(source))

    def _assign(self, container: JSON, key: str | int, value: JSON) -> None:
        if type(container) is dict and key not in container:
            self._undo.append(lambda: container.pop(key))
        else:
            before = container[key]
            self._undo.append(lambda: container.__setitem__(key, before))
        container[key] = value

    def _note(self, path: Path) -> None:
        """Note a path to set, or its container if clients reject the key in the path of a state operation."""
        unsafe = (depth for depth, segment in enumerate(path) if segment in UNSAFE_KEYS)
        self.paths[path[: next(unsafe, len(path))]] = None

    def _container(self, path: Path) -> JSON:
        container = self._get(path[:-1]) if path else self._root
        if type(container) is not dict and type(container) is not list:
            raise FrameError(f"nothing can be put at {_show(path)}")
        return container

    def _get(self, path: Path) -> JSON:
        try:
            return lookup(self._root[0], path)
        except StateError:
            raise FrameError(f"there is nothing at {_show(path)}") from None


def _path(operation: dict[str, JSON], name: str) -> Path:
    """Return the segments of a JSON pointer (RFC 6901)."""
    pointer = operation.get(name)
    if not isinstance(pointer, str) or (pointer and pointer[0] != "/"):
        raise FrameError(f"{name} must be a JSON pointer")
    path = tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    if "__proto__" in path:
        raise FrameError("__proto__ is not allowed as a key of the state")
    return path


def _value(operation: dict[str, JSON]) -> JSON:
    if "value" not in operation:
        raise FrameError("an operation has no value")
    return operation["value"]


def _key(container: JSON, path: Path) -> JSON:
    """Return the key or index of an existing value in its container."""
    if not path:
        return 0
    return list_index(path[-1]) if type(container) is list else path[-1]


def _is_equal(one: JSON, other: JSON) -> bool:
    """Return whether two values are equal as JSON, where true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _check_depth(path: Path, value: JSON) -> None:
    if not _is_within(value, MAX_DEPTH - len(path)):
        raise FrameError(f"{_show(path)} would be nested more than {MAX_DEPTH} deep")


def _is_within(value: JSON, depth: int) -> bool:
    """Return whether a value is nested at most `depth` deep."""
    if depth < 0:
        return False
    items = value.values() if type(value) is dict else value if type(value) is list else ()
    return all(_is_within(item, depth - 1) for item in items if type(item) in (dict, list))


def _show(path: Path) -> str:
    return repr("/" + "/".join(path))[:100]
