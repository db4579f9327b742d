"""Days and hours: when a rule matches, and when that changes.

A spell begins on one of ``days`` at ``start`` and lasts until ``end``, both by the wall clocks of ``zone``; a spell
past midnight belongs to the day it began. A time that a clock change repeats or skips can be read in two ways, by the
clocks of before and of after. The stricter reading counts: what allows must be open by both, what forbids by one. All
times that come in or go out are seconds since the epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60
"""Minutes of a day: what ``24:00`` is."""
_AHEAD = 16
"""Days to look ahead: two weeks, because a clock change can swallow a spell."""
_KEPT = 32
"""Answers that a schedule keeps: nearly every question is about today."""

Spells = Sequence[tuple[int, int]]
"""(begin, end) in order; none overlaps the next."""


@dataclass(frozen=True)
class Schedule:
    """When a rule matches. ``days`` are numbers, 0 is Monday; ``start`` and ``end`` minutes since midnight.

    ``end`` at or before ``start`` means the next day. ``forbids``: it is a deny's. Not slotted, for the sake of what is
    cached.
    """

    days: frozenset[int]
    start: int
    end: int
    zone: str
    forbids: bool = False

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def matches(self, now: int) -> bool:
        """Whether ``now`` lies in a spell."""
        today = datetime.fromtimestamp(now, self._zone).date()
        return any(start <= now < end for start, end in self._spells(today - timedelta(days=1), 2))

    def closes(self, now: int) -> int | None:
        """When the spell around ``now`` ends, spells without a gap taken together; ``None`` if that never happens.

        Outside of every spell it is ``now`` itself.
        """
        today = datetime.fromtimestamp(now, self._zone).date()
        reached = now
        for start, end in self._spells(today - timedelta(days=1), _AHEAD):
            if start <= reached < end:
                reached = end
            elif start > reached:
                return reached
        return None

    def opens(self, now: int) -> int | None:
        """When the next spell after ``now`` begins; ``None`` if none does in the next two weeks."""
        today = datetime.fromtimestamp(now, self._zone).date()
        return next((start for start, _ in self._spells(today, _AHEAD) if start > now), None)

    @cached_property
    def _known(self) -> dict[tuple[date, int], Spells]:
        return {}

    def _spells(self, first: date, count: int) -> Spells:
        """The spells that begin on ``count`` days from ``first`` on."""
        spells = self._known.get((first, count))
        if spells is None:
            before, after = (list(self._reading(first, count, fold)) for fold in (0, 1))
            spells = before if before == after else _either(before, after) if self.forbids else _both(before, after)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[first, count] = spells
        return spells

    def _reading(self, first: date, count: int, fold: int) -> Iterator[tuple[int, int]]:
        """The spells by one reading of times that a clock change repeats or skips (``datetime.fold``, PEP 495)."""
        for number in range(count):
            day = first + timedelta(days=number)
            if day.weekday() in self.days:
                begin = self._instant(day, self.start, fold)
                end = self._instant(day, self.end + (DAY if self.end <= self.start else 0), fold)
                if begin < end:
                    yield begin, end

    def _instant(self, day: date, minutes: int, fold: int) -> int:
        day += timedelta(days=minutes // DAY)
        hour, minute = divmod(minutes % DAY, 60)
        return int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone, fold=fold).timestamp())

    def __str__(self) -> str:
        """``Mon, Tue 09:00-18:00 (Europe/Berlin)``, with only what restricts."""
        parts = []
        if len(self.days) < len(DAYS):
            parts.append(", ".join(DAYS[day].capitalize() for day in sorted(self.days)))
        if (self.start, self.end) != (0, DAY):
            parts.append(f"{_clock(self.start)}-{_clock(self.end)}")
        return " ".join([*parts, f"({self.zone})"])


def _both(one: Spells, other: Spells) -> Spells:
    """The times that lie in spells of both."""
    overlaps = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return sorted((begin, end) for begin, end in overlaps if begin < end)


def _either(one: Spells, other: Spells) -> Spells:
    """The times that lie in a spell of either."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted([*one, *other]):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def show_time(seconds: int) -> str:
    """An instant for people: ``2026-10-25 17:00 UTC``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
