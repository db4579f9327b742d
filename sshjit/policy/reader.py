"""Reads one table of a policy file, key by key, and reports what is wrong instead of stopping.

Every method reads one kind of value. Where the value is missing although it must be there, or is not of its kind, the
method reports it and returns ``None``; the caller checks ``Table.sound`` before it uses what was read. Keys that are
not read are unknown keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from sshjit import durations
from sshjit.errors import Invalid
from sshjit.policy.problems import Path, Report, did_you_mean

T = TypeVar("T")
R = TypeVar("R")

_KINDS: dict[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    list: "a list",
    dict: "a table",
}
NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
"""Rules, roles and actions: what may be named in logs and messages."""

LAST_YEAR = 9990
"""The calendar of computers ends soon after; days and years are counted beyond a date."""
TOO_FAR = f"is after {LAST_YEAR}, where nothing can be counted"


class Table:
    """A table of the file. ``fields`` are the keys that it may have, with whether each must be there."""

    def __init__(self, value: object, path: Path, report: Report, fields: Mapping[str, bool]) -> None:
        self.path = path
        self.report = report
        self._problems_before = len(report.problems)
        self._values: dict[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.wrong((), f"must be a table, is {kind(value)}")
            return
        for key in self._values:
            if key not in fields:
                self.wrong((key,), "unknown key", did_you_mean(key, fields))
        for key, needed in fields.items():
            if needed and key not in self._values:
                self.wrong((key,), "missing", _MISSING.get(key, ""))

    @property
    def sound(self) -> bool:
        """Whether nothing has been wrong so far in this table."""
        return len(self.report.problems) == self._problems_before

    def wrong(self, where: Path, message: str, suggestion: str = "") -> None:
        """Report a problem at ``where``, a path from this table on."""
        self.report.add((*self.path, *where), message, suggestion)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str, wanted: type[T]) -> T | None:
        """The value of ``key`` if it is a ``wanted``; a boolean is no number."""
        value = self._values.get(key)
        if value is None:
            return None
        if type(value) is not wanted:
            self.wrong((key,), f"must be {_KINDS[wanted]}, is {kind(value)}")
            return None
        return value

    def text(self, key: str) -> str | None:
        """A string with something in it."""
        value = self.get(key, str)
        if value is not None and not value.strip():
            self.wrong((key,), "must not be empty")
            return None
        return value

    def flag(self, key: str) -> bool:
        """``true`` or ``false``; missing is ``false``."""
        return self.get(key, bool) or False

    def count(self, key: str, most: int) -> int | None:
        """A whole number from 1 to ``most``."""
        value = self.get(key, int)
        if value is not None and not 1 <= value <= most:
            self.wrong((key,), f"must be from 1 to {most}, is {value}")
            return None
        return value

    def duration(self, key: str) -> int | None:
        """Seconds."""
        value = self.get(key, str)
        return None if value is None else self.checked((key,), durations.parse, value)

    def date(self, key: str) -> date | None:
        """A day: a TOML date without a time."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, date) and not isinstance(value, datetime):
            if value.year <= LAST_YEAR:
                return value
            self.wrong((key,), TOO_FAR, "leave it out: what has no end goes on")
            return None
        self.wrong((key,), f"must be a date, is {kind(value)}", f"write it like {key} = 2026-12-31")
        return None

    def any(self, key: str) -> object:
        """The value of ``key``, whatever it is; ``None`` if it is missing."""
        return self._values.get(key)

    def checked(self, where: Path, check: Callable[[T], R], value: T) -> R | None:
        """``check(value)``; its ``Invalid`` becomes a problem at ``where``, a path from this table on."""
        try:
            return check(value)
        except Invalid as error:
            self.wrong(where, error.message, error.hint)
            return None

    def name(self, key: str) -> str | None:
        """A name of our own choosing."""
        value = self.get(key, str)
        if value is not None and not NAME.fullmatch(value):
            self.wrong((key,), 'must be made of lower-case letters, digits, "-" and "_", and begin with a letter')
            return None
        return value

    def names(self, key: str, known: Collection[str] | None, what: str, *, empty: str = "") -> tuple[str, ...] | None:
        """A list of different strings, each of ``known`` (``None``: any), ``what`` is one of them.

        An empty list is wrong, unless ``empty`` is given; it then says nothing and is as good as a full one.
        """
        values = self.get(key, list)
        if values is None:
            return None
        if not values and not empty:
            self.wrong((key,), f"must not be empty: it would match no {what}")
        return self._strings([((key, number), value) for number, value in enumerate(values)], known, what)

    def one_or_more(self, key: str, known: Collection[str] | None, what: str) -> tuple[str, ...] | None:
        """A string, or a list of them."""
        value = self._values.get(key)
        if isinstance(value, str):
            return self._strings([((key,), value)], known, what)
        if isinstance(value, list):
            return self.names(key, known, what)
        self.wrong((key,), f"must be a string or a list of strings, is {kind(value)}")
        return None

    def _strings(self, values: list[tuple[Path, Any]], known: Collection[str] | None, what: str) -> tuple[str, ...]:
        seen: list[str] = []
        for where, value in values:
            if not isinstance(value, str):
                self.wrong(where, f"must be a string, is {kind(value)}")
            elif known is not None and value not in known:
                self.wrong(where, f'there is no {what} "{value}"', did_you_mean(value, known))
            elif value in seen:
                self.wrong(where, f'"{value}" is listed twice')
            else:
                seen.append(value)
        return tuple(seen)

    def tables(self, key: str) -> list[tuple[Path, object]]:
        """The elements of a list, with the path of each."""
        return [((*self.path, key, number), value) for number, value in enumerate(self.get(key, list) or ())]

    def entries(self, key: str) -> list[tuple[str, Path, object]]:
        """The entries of a table, with the path of each."""
        return [(name, (*self.path, key, name), value) for name, value in (self.get(key, dict) or {}).items()]


def kind(value: object) -> str:
    """What ``value`` is, in a sentence."""
    return _KINDS.get(type(value), "a number" if isinstance(value, float) else "a date or time")


_MISSING = {
    "approvals": "write approvals = [] if nobody has to approve",
    "version": "write version = 1",
    "zone": 'write it like zone = "Europe/Berlin"',
}
