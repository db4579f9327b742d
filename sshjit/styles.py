"""Lines in columns and colours for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sshjit.terminal_text import inert, width, wrap

_CODES = {"good": "1;32", "wait": "1;33", "bad": "1;31", "strong": "1", "faint": "2"}
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_NARROWEST = 24
"""Columns that a text is wrapped to at least, even if the terminal is narrower."""


@dataclass(frozen=True, slots=True)
class Styles:
    """How to print: with or without colour, in how many columns."""

    colour: bool
    columns: int

    def __call__(self, style: str, text: str) -> str:
        """``text`` made inert, in one of the styles."""
        return self.raw(style, inert(text))

    def raw(self, style: str, text: str) -> str:
        """``text`` that is inert already, in one of the styles."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text

    def wrapped(self, text: str, indent: int) -> list[str]:
        """``text`` made inert, in lines that fit behind ``indent`` columns."""
        return wrap(inert(text), max(self.columns - indent, _NARROWEST))

    def fields(self, rows: Iterable[tuple[str, str]], indent: str = "  ") -> list[str]:
        """Names and texts in two columns, the texts wrapped. Rows without a text are left out."""
        listed = [(name, text) for name, text in rows if text]
        wide = max((width(name) for name, _ in listed), default=0)
        lines = []
        for name, text in listed:
            first, *rest = self.wrapped(text, len(indent) + wide + 2)
            lines.append(f"{indent}{self('faint', name)}{' ' * (wide - width(name))}  {first}")
            lines += [f"{indent}{' ' * wide}  {line}" for line in rest]
        return lines

    def row(self, cells: Iterable[tuple[str, int]], last: str) -> list[str]:
        """Styled cells with the columns that each takes, then a text that is wrapped behind them."""
        head = "".join(cell + " " * max(wide - width(_ESCAPE.sub("", cell)), 0) for cell, wide in cells)
        indent = width(_ESCAPE.sub("", head))
        first, *rest = self.wrapped(last, indent)
        return [(head + first).rstrip(), *(" " * indent + line for line in rest)]
