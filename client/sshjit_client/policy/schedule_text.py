"""When something holds, as words: some stretches of a timeline as days, hours and dates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from sshjit.policy.analysis import WEEK, Stretch, Timeline

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOST = 4
"""Spans of hours that are listed one by one."""


def time_text(some: Sequence[Stretch], timeline: Timeline) -> str:
    """When these stretches are: ``always``, ``from 2027-01-01 on``, ``Mon-Fri 09:00-18:00 (Europe/Berlin)``."""
    every = timeline.stretches
    if len(some) == len(every):
        return "always"
    eras = list(timeline.eras)
    whole = [era for era in eras if {stretch for stretch in every if stretch.era == era} <= set(some)]
    if {stretch.era for stretch in some} == set(whole):
        return _dates(whole, eras)
    first = min(stretch.era for stretch in some)
    since = _since(first, {stretch.era for stretch in some}, eras)
    in_first = [stretch for stretch in some if stretch.era == first]
    zones = {schedule.zone for schedule in timeline.schedules}
    zone: tzinfo = ZoneInfo(zones.pop()) if len(zones) == 1 else UTC
    return f"{since}{_hours(_joined(in_first, first), zone)} ({zone})"


def _since(first: int, touched: Collection[int], eras: Sequence[int]) -> str:
    """From which date on, and up to which other, if all of ``touched`` follow one another."""
    begin = eras.index(first)
    end = next((number for number in range(begin, len(eras)) if eras[number] not in touched), len(eras))
    if end < len(eras) and end - begin == len(touched):
        return f"from {_day(first)} until {_day(eras[end])}, " if begin else f"until {_day(eras[end])}, "
    return f"from {_day(first)} on, " if begin else ""


def _dates(whole: Sequence[int], eras: Sequence[int]) -> str:
    """The dates of whole eras: ``until 2026-12-31``, ``from 2027-01-01 on``, or both."""
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


def _day(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")


def _joined(some: Sequence[Stretch], start: int) -> list[tuple[int, int]]:
    """(begin, end) of neighbouring stretches as one, also from the end of the week to its beginning."""
    spans: list[tuple[int, int]] = []
    for stretch in some:
        if spans and spans[-1][1] == stretch.begin:
            spans[-1] = (spans[-1][0], stretch.end)
        else:
            spans.append((stretch.begin, stretch.end))
    if len(spans) > 1 and spans[0][0] == start and spans[-1][1] == start + WEEK:
        begin, end = spans[-1][0], spans[0][1] + WEEK
        spans = [*spans[1:-1], (begin, end)]
    return spans


def _hours(spans: Sequence[tuple[int, int]], zone: tzinfo) -> str:
    by_hours: dict[str, list[int]] = {}
    for begin, end in spans:
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
