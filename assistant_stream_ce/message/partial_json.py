"""Parse incomplete JSON, the argument text of a tool call, as assistant-ui does while it arrives.

Open containers and strings are closed, literals completed, and incomplete keys and numbers dropped. Unexpected
characters are skipped as the front end skips them, so that both have the same arguments for a text that is not JSON.
"""

from __future__ import annotations

import re

from assistant_stream_ce.jsonvalue import JSON, MAX_DEPTH, loads_as_client

# The tokens that may follow a container's start, a key or a value.
_VALUE = re.compile(r'["ftn0-9{\[-]')
_FIRST_ITEM = re.compile(r'["ftn0-9{\[\]-]')
_KEY = re.compile(r'"')
_FIRST_KEY = re.compile(r'["}]')
_AFTER_FIELD = re.compile(r"[,}]")
_AFTER_ITEM = re.compile(r"[,\]]")

_REST_OF_KEY = re.compile(r'(?:[^"\\]++|\\.)*+"[^:]*+:', re.DOTALL)
# The complete part of a string: without an incomplete escape.
_STRING = re.compile(r'(?:[^"\\]++|\\[^u]|\\u[0-9a-fA-F]{4})*+')
_BEGUN_ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{0,3})*\\?\Z")
_NUMBER = re.compile(r"[0-9eE.+-]*")
_LITERALS = {
    "t": ("true", re.compile("t(?:r(?:ue?)?)?")),
    "f": ("false", re.compile("f(?:a(?:l(?:se?)?)?)?")),
    "n": ("null", re.compile("n(?:u(?:ll?)?)?")),
}


def parse_partial(text: str) -> JSON:
    """Return the dict or list that a text contains so far, or None where a front end has neither. Linear in the text.

    Args:
        text: the text so far.
    """
    if not text:
        return {}
    value = _container(text)
    return _container(_Scanner(text).repaired()) if value is None else value


def _container(text: str) -> JSON:
    try:
        value = loads_as_client(text)
    except ValueError:
        return None
    return value if type(value) is dict or type(value) is list else None


class _Scanner:
    """Scans a text once, from one token to the next."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        # The length of the text to keep, the end of the string or literal there, and the ends of the open containers.
        self._end = 0
        self._tail = ""
        self._closers: list[str] = []
        # None when the rest of the text is ignored.
        self._next: re.Pattern[str] | None = _VALUE

    def repaired(self) -> str:
        """Return the text up to its last complete token, with everything that is open closed."""
        while self._next is not None and (found := self._next.search(self._text, self._at)):
            if self._next is _AFTER_ITEM and found.start() > self._at:
                self._end = found.start()
            self._at = found.end()
            self._take(found.group())
        if self._next is _AFTER_ITEM:
            self._end = len(self._text)
        return self._text[: self._end] + self._tail + "".join(reversed(self._closers))

    def _take(self, character: str) -> None:
        if character == "{":
            self._open("}", _FIRST_KEY)
        elif character == "[":
            self._open("]", _FIRST_ITEM)
        elif character == ",":
            self._next = _KEY if self._closers[-1] == "}" else _VALUE
        elif self._next is _KEY or (self._next is _FIRST_KEY and character == '"'):
            self._key()
        elif character in "}]":
            self._end = self._at
            self._closers.pop()
            self._end_value()
        elif character == '"':
            self._string()
        elif character in _LITERALS:
            self._literal(*_LITERALS[character])
        else:
            self._number()

    def _open(self, closer: str, following: re.Pattern[str]) -> None:
        self._end = self._at
        self._closers.append(closer)
        # What is nested deeper cannot be parsed.
        self._next = following if len(self._closers) <= MAX_DEPTH + 1 else None

    def _key(self) -> None:
        found = _REST_OF_KEY.match(self._text, self._at)
        self._next = _VALUE if found else None
        if found:
            self._at = found.end()

    def _string(self) -> None:
        found = _STRING.match(self._text, self._at)
        assert found is not None
        self._end = self._at = found.end()
        if self._text.startswith('"', self._at):
            self._end = self._at = self._at + 1
            self._end_value()
            return
        self._next = None
        if self._at == len(self._text) or _BEGUN_ESCAPE.match(self._text, self._at):
            self._tail = '"'
        else:
            # An invalid escape: the rest cannot be parsed.
            self._end = len(self._text)

    def _literal(self, literal: str, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at - 1)
        assert found is not None
        self._end = self._at = found.end()
        if self._at == len(self._text):
            self._tail = literal[len(found.group()) :]
            self._next = None
        else:
            self._end_word()

    def _number(self) -> None:
        start = self._at - 1
        found = _NUMBER.match(self._text, start)
        assert found is not None
        if digits := found.group().rstrip("eE.+-"):
            self._end = start + len(digits)
        self._at = found.end()
        self._end_word()

    def _end_word(self) -> None:
        """End a literal or number; the character after it is dropped if it is unexpected."""
        self._end_value()
        if self._next is not None and self._text[self._at : self._at + 1] not in (",", self._closers[-1]):
            self._at += 1
        if self._next is _AFTER_ITEM and self._at >= len(self._text):
            # The text ends here.
            self._next = None

    def _end_value(self) -> None:
        if not self._closers:
            self._next = None
        else:
            self._next = _AFTER_FIELD if self._closers[-1] == "}" else _AFTER_ITEM
