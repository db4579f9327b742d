"""On which line of a TOML text each key stands.

``tomllib`` gives values without positions. This scanner walks a text that ``tomllib`` has accepted, so it checks
nothing: it only keeps track of which key it is in. It knows tables, arrays of tables, dotted and quoted keys, inline
tables, arrays over several lines and all four kinds of string (TOML 1.0.0).
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from typing import Literal

Path = tuple[str | int, ...]
"""Where in the document: ``("allow", 2, "certificate")``."""

_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'""")
_STRING = re.compile(
    r""""{3}(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}|'{3}(?:[^']|'{1,2}(?!'))*'{3,5}|"(?:[^"\\]|\\.)*"|'[^']*\'""",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1, on which each key, table and array element of ``text`` is first named.

    ``text`` is one that ``tomllib.loads`` takes; of any other the result covers what could be followed.
    """
    scanner = _Scanner(text)
    with suppress(IndexError, tomllib.TOMLDecodeError):  # not TOML: tomllib says what is wrong with it
        scanner.document()
    return scanner.lines


class _Scanner:
    """A position in a text, and the lines found so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[Path, int] = {}
        self._at = 0
        self._counted = 0
        self._line = 1
        self._arrays: dict[Path, int] = {}
        """Arrays of tables -> the index of their newest element."""

    def document(self) -> None:
        """Every table header and every key of the text."""
        table: Path = ()
        while True:
            self._skip(_SPACE)
            if self._at >= len(self.text):
                return
            if self.text.startswith("[[", self._at):
                table = self._header(2)
            elif self.text[self._at] == "[":
                table = self._header(1)
            else:
                self._pair(table)

    def _header(self, brackets: Literal[1, 2]) -> Path:
        """``[a.b]`` or ``[[a.b]]``: the path of the table that begins here."""
        self._at += brackets
        names = self._key()
        path: Path = ()
        for number, name in enumerate(names, start=1):
            path = (*path, name)
            self._note(path)
            if number == len(names) and brackets == 2:
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path])
                self._note(path)
        self._at += brackets
        return path

    def _pair(self, table: Path) -> None:
        """``a.b = value``."""
        path = table
        for name in self._key():
            path = (*path, name)
            self._note(path)
        self._at += 1
        self._skip(_BLANK)
        self._value(path)

    def _key(self) -> list[str]:
        """A dotted key, with the blanks around it."""
        names = []
        while True:
            self._skip(_BLANK)
            part = self._skip(_KEY_PART)
            names.append(tomllib.loads(f"k = {part}")["k"] if part[0] in "\"'" else part)
            self._skip(_BLANK)
            if self.text[self._at] != ".":
                return names
            self._at += 1

    def _value(self, path: Path) -> None:
        opening = self.text[self._at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._skip(_STRING if opening in "\"'" else _SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        number = 0
        while True:
            self._skip(_SPACE)
            if self.text[self._at] == "]":
                break
            if self.text[self._at] == ",":
                self._at += 1
                continue
            self._note((*path, number))
            self._value((*path, number))
            number += 1
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while True:
            self._skip(_SPACE)
            if self.text[self._at] == "}":
                break
            if self.text[self._at] == ",":
                self._at += 1
                continue
            self._pair(path)
        self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Move past what ``pattern`` matches here, and return it."""
        match = pattern.match(self.text, self._at)
        if match is None:
            raise IndexError
        self._at = match.end()
        return match.group()

    def _note(self, path: Path) -> None:
        self._line += self.text.count("\n", self._counted, self._at)
        self._counted = self._at
        self.lines.setdefault(path, self._line)
