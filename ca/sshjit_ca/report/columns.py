"""What tables are made of: columns that say what they contain, so that HTML, CSV and the manual agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cell = str | int | bool | None | tuple[str, ...]
Kind = Literal["text", "quote", "code", "list", "number", "time", "duration", "flag", "share"]
"""How a cell is written: ``quote`` is text that a person chose, ``time`` seconds since the epoch, ``duration`` seconds,
``share`` whole percent."""
Rank = int
"""The order of rows in a table, the lowest first. Up to ``URGENT`` a row is red, at ``OPEN`` somebody must act."""
URGENT = 1
OPEN = 2
FIRST = 3
NORMAL = 5
ERASED = "(erased)"
"""Instead of a detail that was erased after its time."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in CSV, its head on paper, and what it contains."""

    key: str
    head: str
    about: str
    kind: Kind = "text"
    printed: bool = True
    """Whether paper has it too; CSV has every column."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. ``about`` says what a row is, ``nothing`` what it means that there is none."""

    key: str
    title: str
    about: str
    columns: tuple[Column, ...]
    nothing: str = "Nothing of the kind in this period."
    printed: bool = True


def when(key: str = "time", head: str = "When (UTC)", about: str = "when it was recorded") -> Column:
    """A column of instants."""
    return Column(key, head, about, "time")


def code(key: str, head: str, about: str, *, printed: bool = True) -> Column:
    """A column of ids and digests."""
    return Column(key, head, about, "code", printed)


def entry() -> Column:
    """The column with the number of the log entry."""
    return Column("entry", "Entry", "number of the log entry: `ssh-jit-ca log show --before N`", "number")


def number(key: str, head: str, about: str, *, printed: bool = True) -> Column:
    """A column of counts."""
    return Column(key, head, about, "number", printed)


def quote(key: str, head: str, about: str) -> Column:
    """A column of what people wrote."""
    return Column(key, head, about, "quote")
