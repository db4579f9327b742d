"""An entry of the log in this machine's zone. The server's line has times of day in UTC; the entry's fact says when."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sshjit.api.log import EntryView
from sshjit_client.console.times import at

_TIME = re.compile(r'"[^"]*"|\d{4}-\d\d-\d\d \d\d:\d\d UTC|(?<![\d:])\d\d:\d\d:\d\d(?!:?\d)')
"""What somebody wrote, which stays as it is; day and time; a time of day."""
_TIMES = range(1_000_000_000, 1 << 32)
"""Seconds since the epoch; another number in an entry is no time."""


def local(entry: EntryView) -> str:
    """The line for people, with its times in this machine's zone; what the entry does not explain is called UTC."""
    moments = {moment for text in (entry.fact, entry.detail) if text for moment in _moments(json.loads(text))}
    texts: dict[str, str | None] = {}
    for moment in moments:
        for form in _forms(moment):
            texts[form] = None if form in texts else at(moment)  # the same time of two days is told as it came

    def replaced(match: re.Match[str]) -> str:
        shown = match[0]
        return shown if shown.startswith('"') else texts.get(shown) or f"{shown.removesuffix(' UTC')} UTC"

    return _TIME.sub(replaced, entry.summary)


def _moments(value: Any) -> Iterator[int]:
    """The numbers in it that are times."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _moments(part)
    elif isinstance(value, int) and value in _TIMES:
        yield value


def _forms(moment: int) -> tuple[str, str]:
    """How the server writes a moment."""
    utc = datetime.fromtimestamp(moment, UTC)
    return f"{utc:%H:%M:%S}", f"{utc:%Y-%m-%d %H:%M} UTC"
