"""Dates, days and hours: when a rule matches, and when that changes.

A spell begins on one of ``days``, or of ``dates``, at ``start`` and lasts until ``end``, both by the wall clocks of
``zone``; a spell past midnight belongs to the day it began. A time that a clock change repeats or skips can be read in
two ways, by the clocks of before and of after. The stricter reading counts: what allows must be open by both, what
forbids by one. All times that come in or go out are seconds since the epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60
"""Minutes of a day: what ``24:00`` is."""
_AHEAD = 16
"""Days to look ahead: two weeks, because a clock change can swallow a spell."""
_FURTHEST = int(datetime(9998, 1, 1, tzinfo=UTC).timestamp())
"""Up to when clock changes are looked for: the calendar ends soon after."""
_KEPT = 128
"""Answers that a schedule keeps: nearly every question is about today."""

Spells = Sequence[tuple[int, int]]
"""(begin, end) in order; none overlaps the next."""


@dataclass(frozen=True)
class Schedule:
    """When a rule matches. ``days`` are numbers, 0 is Monday; ``start`` and ``end`` minutes since midnight.

    ``end`` at or before ``start`` means the next day. ``forbids``: it is a deny's. ``dates`` are further days on which
    spells begin, ``not_dates`` days on which none does; ``first`` and ``last`` are the first and the last such day.
    ``calendars`` and ``but`` name, for people, what the dates are from. Not slotted, for the sake of what is cached.
    """

    days: frozenset[int]
    start: int
    end: int
    zone: str
    forbids: bool = False
    dates: frozenset[date] = frozenset()
    not_dates: frozenset[date] = frozenset()
    first: date | None = None
    last: date | None = None
    calendars: tuple[str, ...] = field(default=(), compare=False)
    but: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @cached_property
    def _changes(self) -> tuple[date, ...]:
        """The dates on which the weeks begin to look otherwise."""
        days = {day + timedelta(days=more) for day in self.dates | self.not_dates for more in (0, 1)}
        days |= {self.first} if self.first is not None else set()
        days |= {self.last + timedelta(days=1)} if self.last is not None else set()
        return tuple(sorted(days))

    @cached_property
    def edges(self) -> tuple[int, ...]:
        """The midnights between which one week is like the next; none where every week is."""
        return tuple(self._instant(day, 0, 0) for day in self._changes)

    def begins_on(self, day: date) -> bool:
        """Whether a spell begins on ``day``."""
        named = (day.weekday() in self.days and day not in self.not_dates) or day in self.dates
        return named and not (self.first and day < self.first) and not (self.last and day > self.last)

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
        for start, end in self._spells_from(today - timedelta(days=1)):
            if start <= reached < end:
                reached = end
            elif start > reached:
                return reached
        return reached if reached == now or self.last is not None or not self.days else None

    def begins(self, now: int) -> int | None:
        """The first time from ``now`` on at which it matches; ``None`` if there is none."""
        return now if self.matches(now) else self.opens(now)

    def opens(self, now: int) -> int | None:
        """When the next spell after ``now`` begins; ``None`` if none does, by dates or in the next two weeks."""
        today = datetime.fromtimestamp(now, self._zone).date()
        return next((start for start, _ in self._spells_from(today) if start > now), None)

    def during(self, start: int, end: int) -> list[tuple[int, int]]:
        """The spells between ``start`` and ``end``, those without a gap taken together, all at once."""
        day = datetime.fromtimestamp(start, self._zone).date() - timedelta(days=1)
        count = (datetime.fromtimestamp(end, self._zone).date() - day).days + 1
        joined: list[tuple[int, int]] = []
        for begin, closes in self._read(day, count):
            clipped = max(begin, start), min(closes, end)
            if joined and clipped[0] <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(joined[-1][1], clipped[1])
            elif clipped[0] < clipped[1]:
                joined.append(clipped)
        return joined

    def _spells_from(self, day: date) -> Iterator[tuple[int, int]]:
        """The spells that begin on ``day`` or later: two weeks of them, and all before each week is like the next."""
        ahead = timedelta(days=_AHEAD)
        day = day if self.first is None else max(day, self.first - timedelta(days=1))
        after = ahead + (max(day, self._changes[-1]) if self._changes else day)
        while day < after:
            yield from self._spells(day, _AHEAD)
            day += ahead
            if not self.days:  # no spell begins before the next of the dates
                day = max(day, next((each for each in self._changes if each >= day), after))

    @cached_property
    def _known(self) -> dict[tuple[date, int], Spells]:
        return {}

    def _spells(self, first: date, count: int) -> Spells:
        """The spells that begin on ``count`` days from ``first`` on."""
        spells = self._known.get((first, count))
        if spells is None:
            spells = self._read(first, count)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[first, count] = spells
        return spells

    def _read(self, first: date, count: int) -> Spells:
        before, after = (list(self._reading(first, count, fold)) for fold in (0, 1))
        return before if before == after else _either(before, after) if self.forbids else _both(before, after)

    def _reading(self, first: date, count: int, fold: int) -> Iterator[tuple[int, int]]:
        """The spells by one reading of times that a clock change repeats or skips (``datetime.fold``, PEP 495)."""
        for number in range(count):
            day = first + timedelta(days=number)
            if self.begins_on(day):
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
        if len(self.days) < len(DAYS) or self.calendars:
            parts.append(", ".join([*(DAYS[day].capitalize() for day in sorted(self.days)), *self.calendars]))
        if self.but:
            parts.append(f"not {', '.join(self.but)}")
        if self.first is not None:
            parts.append(f"from {self.first}")
        if self.last is not None:
            parts.append(f"until {self.last}")
        if (self.start, self.end) != (0, DAY):
            parts.append(f"{_clock(self.start)}-{_clock(self.end)}")
        return " ".join([*parts, f"({self.zone})"])


def clock_changes(zone: str, start: int, end: int) -> list[int]:
    """When the clocks of a zone are set otherwise between two instants."""
    first, last = (datetime.fromtimestamp(min(each, _FURTHEST), UTC).year for each in (start, end))
    years = range(first, last + 1)
    return [change for year in years for change in _changes_of(zone, year) if start <= change < end]


@lru_cache(maxsize=1024)
def _changes_of(zone: str, year: int) -> tuple[int, ...]:
    """The clock changes of one year, by UTC."""
    clocks = ZoneInfo(zone)

    def offset(now: int) -> timedelta | None:
        return datetime.fromtimestamp(now, clocks).utcoffset()

    begin, over = (int(datetime(each, 1, 1, tzinfo=UTC).timestamp()) for each in (year, year + 1))
    changes = []
    for before in range(begin, over, DAY * 60):
        after = before + DAY * 60
        if offset(before) != offset(after):  # somewhere in this day
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (before, middle) if offset(middle) != offset(before) else (middle, after)  # noqa: PLW2901
            changes.append(after)
    return tuple(changes)


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
