"""The time that a report is about, and the position of an entry in the log."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple


class Place(NamedTuple):
    """The number of an entry in the log, and when it was written."""

    number: int
    time: int


@dataclass(frozen=True, slots=True)
class Period:
    """From ``first`` to before ``until``, in seconds since the epoch, UTC."""

    first: int
    until: int

    def holds(self, time: int) -> bool:
        """Whether this time lies in it."""
        return self.first <= time < self.until


def iso_time(time: int) -> str:
    """A time as ISO 8601, UTC."""
    return f"{datetime.fromtimestamp(time, UTC).replace(tzinfo=None).isoformat()}Z"


def parse_begin(text: str) -> int:
    """The beginning that is meant by ``2026-01-31`` or ``2026-01-31T12:00``, in UTC. For argparse."""
    return _parse(text)[0]


def parse_end(text: str) -> int:
    """The end that is meant: a day counts to its end, a time of day to its minute."""
    time, whole_day = _parse(text)
    return time + 24 * 3600 if whole_day else time


def period_text(period: Period) -> str:
    """``2026-01-01 to 2026-01-31`` for whole days, else with the time of day."""
    first, until = (datetime.fromtimestamp(time, UTC) for time in (period.first, period.until))
    if first.time() == until.time() == datetime.min.time():
        return f"{first:%Y-%m-%d} to {until - timedelta(days=1):%Y-%m-%d}"
    return f"{first:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"


def _parse(text: str) -> tuple[int, bool]:
    try:
        day = date.fromisoformat(text)
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()), True
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return int(moment.timestamp()), False
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("not a day or a time, as 2026-01-31 or 2026-01-31T12:00 (UTC)") from None
