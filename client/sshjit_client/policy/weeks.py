"""Hours and dates of two policies, as the moments at which something could change, and as words.

Rules match by days, hours and the dates on which sources of roles end. Between two boundaries of these nothing changes,
so one look at each stretch of a week sees everything; after each date there is another week to look at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

from sshjit.policy import Policy
from sshjit.policy.model import Rule
from sshjit.policy.schedule import Schedule

WEEK = 7 * 24 * 3600
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOST = 4
"""Spells that are named one by one."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From ``begin`` to before ``end`` no rule begins or ceases to match. ``era`` is when its week began."""

    begin: int
    end: int
    era: int


def schedules(policies: Iterable[Policy]) -> frozenset[Schedule]:
    """Every schedule of every rule."""
    rules: list[list[Rule]] = [[*policy.denies, *policy.allows, *policy.break_glass] for policy in policies]
    found = (rule.match.schedule for listed in rules for rule in listed)
    return frozenset(schedule for schedule in found if schedule is not None)


def stretches(policies: Sequence[Policy], start: int) -> tuple[Stretch, ...]:
    """A week from ``start`` on, and one from each later date on which a source of a role ends."""
    listed = schedules(policies)
    ends = {s.ends for p in policies for sources in p.roles.values() for s in sources if s.ends is not None}
    found: list[Stretch] = []
    for era in sorted({start, *(end for end in ends if end > start)}):
        after = min((end for end in ends if end > era), default=era + WEEK)
        last = min(era + WEEK, after)
        cuts = sorted({era, last, *(cut for each in listed for cut in _cuts(each, era, last))})
        found += [Stretch(begin, end, era) for begin, end in pairwise(cuts)]
    return tuple(found)


def _cuts(schedule: Schedule, start: int, last: int) -> Iterator[int]:
    at: int | None = start
    while at is not None and at < last:
        yield at
        at = schedule.closes(at) if schedule.matches(at) else schedule.opens(at)


def in_words(some: Sequence[Stretch], every: Sequence[Stretch], listed: frozenset[Schedule]) -> str:
    """When ``some`` of ``every`` are: ``always``, ``from 2027-01-01 on``, ``Mon-Fri 09:00-18:00 (Europe/Berlin)``."""
    if len(some) == len(every):
        return "always"
    eras = sorted({each.era for each in every})
    whole = [era for era in eras if {each for each in every if each.era == era} <= set(some)]
    if {each.era for each in some} == set(whole):
        return _between(whole, eras)
    first = min(each.era for each in some)
    since = f"from {_day(first)} on, " if first != eras[0] else ""
    some = [each for each in some if each.era == first]
    zones = {each.zone for each in listed}
    zone: tzinfo = ZoneInfo(zones.pop()) if len(zones) == 1 else UTC
    return f"{since}{_spells(_joined(some, first), zone)} ({zone})"


def _between(whole: Sequence[int], eras: Sequence[int]) -> str:
    """The dates of eras that are meant as a whole: ``until 2026-12-31``, ``from 2027-01-01 on``, or both."""
    spans: list[list[int]] = []
    for number, era in enumerate(eras):
        if era in whole:
            if spans and spans[-1][1] == number:
                spans[-1][1] = number + 1
            else:
                spans.append([number, number + 1])
    parts = []
    for first, after in spans:
        since = f"from {_day(eras[first])}" if first else ""
        until = f"until {_day(eras[after])}" if after < len(eras) else "on"
        parts.append(f"{since} {until}".strip())
    return ", ".join(parts)


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def _joined(some: Sequence[Stretch], start: int) -> list[tuple[int, int]]:
    """Neighbours as one, also over the end of the week to its beginning."""
    found: list[tuple[int, int]] = []
    for each in some:
        if found and found[-1][1] == each.begin:
            found[-1] = (found[-1][0], each.end)
        else:
            found.append((each.begin, each.end))
    if len(found) > 1 and found[0][0] == start and found[-1][1] == start + WEEK:
        begin, end = found[-1][0], found[0][1] + WEEK
        found = [*found[1:-1], (begin, end)]
    return found


def _spells(spells: Sequence[tuple[int, int]], zone: tzinfo) -> str:
    by_hours: dict[str, list[int]] = {}
    for begin, end in spells:
        first, last = datetime.fromtimestamp(begin, zone), datetime.fromtimestamp(end, zone)
        over = end - begin > 24 * 3600
        midnight = "24:00" if (last.hour, last.minute) == (0, 0) else f"{last:%H:%M}"
        until = f"{_DAYS[last.weekday()]} {last:%H:%M}" if over else midnight
        by_hours.setdefault(f"{first:%H:%M}-{until}", []).append(first.weekday())
    listed = sorted((sorted(days), hours) for hours, days in by_hours.items())
    parts = [f"{_days(days)} {hours}" for days, hours in listed]
    return ", ".join(parts[:_MOST]) + (" …" if len(parts) > _MOST else "")


def _days(days: Sequence[int]) -> str:
    """``Mon-Fri``, ``Sat, Sun``."""
    if len(days) > 2 and list(days) == list(range(days[0], days[-1] + 1)):
        return f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}"
    return ", ".join(_DAYS[day] for day in days)
