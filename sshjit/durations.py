"""How lengths of time are written in configuration files and shown to people.

Only whole seconds, always more than none: a length of nothing is either a mistake or means "for ever" to somebody.
"""

from __future__ import annotations

import re

from sshjit.errors import Invalid
from sshjit.names import show as quoted

MAX_SECONDS = 366 * 86400
"""The longest length that is taken, in seconds."""
_UNITS = (("d", "d", 86400), ("h", "h", 3600), ("m", "min", 60), ("s", "s", 1))
_TEXT = re.compile("".join(rf"(?:([0-9]{{1,8}}){letter})?" for letter, _, _ in _UNITS))


def parse(text: str) -> int:
    """The seconds of ``"8h"``, ``"5s"``, ``"1h30m"``, ``"7d"``: units from large to small, each at most once.

    Raises ``Invalid`` with the code ``bad_duration``, also for nothing at all and for more than 366 days.
    """
    match = _TEXT.fullmatch(text) if text else None
    if match is None:
        raise Invalid("bad_duration", f"{quoted(text)} is not a duration", hint='write it like "8h", "30m", "1h30m"')
    seconds = sum(int(number or 0) * size for number, (_, _, size) in zip(match.groups(), _UNITS, strict=True))
    if not 0 < seconds <= MAX_SECONDS:
        raise Invalid("bad_duration", f"{quoted(text)} is not a duration from 1 second to {show(MAX_SECONDS)}")
    return seconds


def show(seconds: int) -> str:
    """``seconds`` for people: ``"8 h"``, ``"1 h 30 min"``, ``"5 s"``; ``"0 s"`` for none, a leading ``-`` for less."""
    if seconds <= 0:
        return f"-{show(-seconds)}" if seconds else "0 s"
    parts = []
    for _, unit, size in _UNITS:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts)
