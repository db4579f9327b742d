"""Times: as people type them (``14:00``, ``2026-12-01T09:00``, ``+2h``, looking back ``7d``), and as they are printed.

Without a zone a time is this machine's; every printed time says the zone. ``now`` is in seconds since the epoch.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

from sshjit import durations, names
from sshjit.errors import Invalid

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*")
_DAY = 24 * 3600
_AHEAD = 'write it like 14:00, "+2h" or 2026-12-01T09:00'
_BACK = "write it like 2026-12-01, 2026-12-01T09:00 or 7d"


def ahead(text: str, now: int) -> int:
    """When something is to begin; a time of day is the next one. Raises ``Invalid``: ``bad_time``."""
    text = text.strip()
    if text.startswith("+"):
        return now + durations.parse(text[1:])
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        return _dated(text, _AHEAD)
    here = datetime.fromtimestamp(now).astimezone()
    wall = here.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0, tzinfo=None)
    moment = int(wall.timestamp())
    return moment if moment > now else int((wall + timedelta(days=1)).timestamp())


def back(text: str, now: int) -> int:
    """Since when somebody looks back: a date, or a length before now. Raises ``Invalid``: ``bad_time``."""
    text = text.strip()
    return _dated(text, _BACK) if _DATE.fullmatch(text) else now - _length(text)


def _length(text: str) -> int:
    try:
        return durations.parse(text)
    except Invalid:
        raise Invalid("bad_time", f"{names.show(text)} is not a time", hint=_BACK) from None


def _dated(text: str, hint: str) -> int:
    try:
        return int(datetime.fromisoformat(text if _DATE.fullmatch(text) else "").timestamp())
    except (ValueError, OSError, OverflowError):
        raise Invalid("bad_time", f"{names.show(text)} is not a time", hint=hint) from None


def at(moment: int) -> str:
    """A moment in this machine's zone: ``14:32 CET`` within half a day, else ``24 Dec 14:32 CET``, or with its year."""
    local, away = time.localtime(moment), abs(moment - time.time())
    date = "" if away < _DAY / 2 else f"{local.tm_mday} %b " if away < 180 * _DAY else f"{local.tm_mday} %b %Y "
    return f"{time.strftime(f'{date}%H:%M', local)} {zone(local)}"


def zone(local: time.struct_time) -> str:
    """The zone's name: ``CET``; ``UTC+03`` for a zone that has only a number."""
    name = time.strftime("%Z", local)
    return f"UTC{name}" if name[:1] in "+-" else name


def rough(seconds: int) -> str:
    """A length without what does not matter: ``12 min``, ``1 h 5 min``, ``3 d``; seconds only below two minutes."""
    unit = 1 if seconds < 120 else 60 if seconds < _DAY else 3600 if seconds < 7 * _DAY else _DAY
    return durations.show(max(seconds, 0) // unit * unit)
