"""On which line a key of a TOML file stands; tomllib does not say.

The text must be one that tomllib accepted: nothing is checked here, the scanner only counts.
"""

import re
from typing import Any

KeyPath = tuple[str | int, ...]
"""From the root: names of keys, numbers of list items."""

_SKIP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def lines_of_keys(text: str) -> dict[KeyPath, int]:
    """Line numbers, from 1, of every key, table and list item. Costs one pass over the text."""
    return _Scanner(text.replace("\r\n", "\n")).run()


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a path, or of the nearest thing around it that has one."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


def written(path: KeyPath) -> str:
    """A path as people write it: `account[3].position[0].symbol`."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return words.removeprefix(".")


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}
        """Items so far of each list of tables."""
        self._counted_to = 0
        self._line = 1

    def run(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip():
            if self._text.startswith("[[", self._at):
                table = self._head(brackets=2)
                number = self._counts[table] = self._counts.get(table, -1) + 1
                table = (*table, number)
                self._note(table)
            elif self._text[self._at] == "[":
                table = self._head(brackets=1)
                self._note(table)
            else:
                self._pair(table)
        return self._lines

    def _skip(self) -> bool:
        """Passes blanks, line ends and comments; whether anything is left."""
        self._at = self._match(_SKIP).end()
        return self._at < len(self._text)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        assert match is not None, f"not valid TOML at offset {self._at}"
        return match

    def _note(self, path: KeyPath) -> None:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        self._lines.setdefault(path, self._line)

    def _head(self, brackets: int) -> KeyPath:
        self._at += brackets
        names = self._key()
        self._at += brackets
        path: KeyPath = ()
        for name in names[:-1]:  # a head goes into the last item of the lists it passes
            path = (*path, name)
            if path in self._counts:
                path = (*path, self._counts[path])
        return (*path, names[-1])

    def _key(self) -> list[str]:
        """The parts of a possibly dotted key; stops after it and the blanks that follow."""
        parts = []
        while True:
            self._skip()
            if self._text[self._at] in "\"'":
                found = self._match(_STRING)
                parts.append(found.group()[1:-1])
            else:
                found = self._match(_BARE)
                parts.append(found.group())
            self._at = found.end()
            self._skip()
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _pair(self, table: KeyPath) -> None:
        self._skip()
        start = self._at
        path = table
        parts = self._key()
        end, self._at = self._at, start
        for part in parts:
            path = (*path, part)
            self._note(path)
        self._at = end + 1  # past the equals sign
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip()
        opening = self._text[self._at]
        if opening in "\"'":
            self._at = self._match(_STRING).end()
        elif opening == "[":
            self._items(path)
        elif opening == "{":
            self._inline(path)
        else:
            self._at = self._match(_SCALAR).end()

    def _items(self, path: KeyPath) -> None:
        self._at += 1
        number = 0
        while self._skip() and self._text[self._at] != "]":
            self._note((*path, number))
            self._value((*path, number))
            number += 1
            self._comma()
        self._at += 1

    def _inline(self, path: KeyPath) -> None:
        self._at += 1
        while self._skip() and self._text[self._at] != "}":
            self._pair(path)
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        self._skip()
        if self._text[self._at] == ",":
            self._at += 1


def non_finite(value: Any, path: KeyPath = ()) -> KeyPath | None:
    """Where the first NaN or infinity lies in parsed TOML; None where all numbers are finite."""
    if isinstance(value, float):
        return path if value != value or value in (float("inf"), float("-inf")) else None
    if isinstance(value, dict):
        parts: Any = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    else:
        return None
    for key, part in parts:
        if isinstance(part, str | int):
            continue
        found = non_finite(part, (*path, key))
        if found is not None:
            return found
    return None
