"""Times and spans of time for people."""

from __future__ import annotations

from datetime import datetime, timezone

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def span(seconds: float) -> str:
    """``seconds`` in the largest unit that it fills twice, rounded down: ``90 s``, ``35 min``, ``6 d``."""
    whole = max(0, int(seconds))
    for size, unit in _UNITS:
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def day(when: float) -> str:
    """A time (seconds since the epoch) to the minute, in UTC; one that is later than calendars go, as a late one."""
    return datetime.fromtimestamp(min(when, 2**33), timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
