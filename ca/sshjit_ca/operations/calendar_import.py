"""The days of an iCalendar file (RFC 5545) as the TOML of a policy's calendar.

Only events of whole days count; one that repeats counts on each of its days up to a date. What a file says besides is
left out: times of day, alarms, to-do lists. Titles become comments, so they are made inert.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from sshjit.errors import Failed, Invalid
from sshjit.policy.calendars import MOST_DATES, check_file
from sshjit.terminal_text import inert

_LONGEST = 400
"""Days of one event: a longer one is a mistake."""
_TITLE = 60


@dataclass(frozen=True, slots=True)
class ImportedCalendar:
    """The text of a calendar file, how many days it has, and how many events were left out for their times of day."""

    text: str
    days: int
    timed: int


def import_calendar(raw: bytes, until: date) -> ImportedCalendar:
    """The calendar file of what an iCalendar file holds up to ``until``.

    Raises:
        Failed: ``no_icalendar``.
        Invalid: ``bad_calendar``.

    """
    titles: dict[date, dict[str, None]] = {}
    timed = 0
    for event in _events(raw):
        if event.get("STATUS") == "CANCELLED":
            continue
        days = _days(event, until)
        timed += days is None
        title = inert(" ".join(str(event.get("SUMMARY", "")).split()))[:_TITLE]
        for day in days or ():
            titles.setdefault(day, {})[title] = None
    if not titles:
        raise Invalid("bad_calendar", f"the file has no event of whole days up to {until}")
    if len(titles) > MOST_DATES:
        raise Invalid("bad_calendar", f"the file has {len(titles)} days; a calendar has {MOST_DATES} at most")
    named = [(day, ", ".join(filter(None, titles[day]))) for day in sorted(titles)]
    text = "dates = [\n" + "".join(map(_line, _spans(named))) + "]\n"
    return ImportedCalendar(check_file("calendar", text), len(titles), timed)


def _events(raw: bytes) -> list[Any]:
    try:
        import icalendar  # noqa: PLC0415 - only for who imports a calendar
    except ImportError:
        text = "reading an iCalendar file needs the Python package icalendar"
        raise Failed("no_icalendar", text, hint="pip install 'ssh-jit[calendar]'") from None
    try:
        events: list[Any] = icalendar.Calendar.from_ical(raw).walk("VEVENT")
    except ValueError as error:
        raise Invalid("bad_calendar", f"the file is not an iCalendar file: {inert(str(error))[:200]}") from None
    changed = [event for event in events if event.get("RECURRENCE-ID") is not None]
    if changed:
        text = "the file changes single days of events that repeat, which this does not read"
        raise Invalid("bad_calendar", text, hint="export the calendar without them, or write its dates by hand")
    return events


def _days(event: Any, until: date) -> list[date] | None:
    """The days of an event; ``None`` if it has times of day."""
    first = event.decoded("DTSTART", None)
    if isinstance(first, datetime) or not isinstance(first, date):
        return None
    last = event.decoded("DTEND", None)
    length = event.decoded("DURATION", timedelta(days=1)) if last is None else last - first
    count = max(length.days, 1)
    if count > _LONGEST:
        raise Invalid("bad_calendar", f"an event from {first} on lasts {count} days")
    every = (first, *_repeated(event, first, until))
    left_out = _left_out(event)
    days = {begin + timedelta(days=more) for begin in every if begin not in left_out for more in range(count)}
    return sorted(day for day in days if day <= until)


def _repeated(event: Any, first: date, until: date) -> Iterator[date]:
    """The days on which an event that repeats begins again."""
    rule = event.get("RRULE")
    if rule is None:
        return
    from dateutil.rrule import rrulestr  # noqa: PLC0415 - comes with icalendar

    rules = rule if isinstance(rule, list) else [rule]
    for each in rules:
        try:
            repeats = rrulestr(each.to_ical().decode("ascii"), dtstart=datetime.combine(first, time()))
        except (ValueError, TypeError) as error:
            text = f"an event from {first} on repeats in a way that cannot be read: {inert(str(error))[:200]}"
            raise Invalid("bad_calendar", text) from None
        for begin in repeats:
            if begin.date() > until:
                break
            yield begin.date()


def _left_out(event: Any) -> frozenset[date]:
    listed = event.get("EXDATE", [])
    values = listed if isinstance(listed, list) else [listed]
    moments = (each.dt for value in values for each in value.dts)
    return frozenset(moment.date() if isinstance(moment, datetime) else moment for moment in moments)


def _spans(named: list[tuple[date, str]]) -> Iterator[tuple[date, date, str]]:
    """Days that follow each other under one title, as one."""
    for (_, title), several in groupby(enumerate(named), lambda each: (each[1][0].toordinal() - each[0], each[1][1])):
        days = [day for _, (day, _) in several]
        yield days[0], days[-1], title


def _line(span: tuple[date, date, str]) -> str:
    first, last, title = span
    days = f"{first}" if first == last else f"{{ from = {first}, until = {last} }}"
    return f"  {days},{f'  # {title}' if title else ''}\n"
