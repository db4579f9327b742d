"""One thing that was looked at, and what is wrong with it, if anything is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from sshjit.styles import Styles

Level = Literal["ok", "note", "bad"]
_STYLES: dict[Level, str] = {"ok": "good", "note": "wait", "bad": "bad"}


@dataclass(frozen=True, slots=True)
class Finding:
    """``level``: fine, worth knowing, or what shuts the person out. ``hint``: what to do; may be empty."""

    level: Level
    subject: str
    text: str
    hint: str = ""


def lines(findings: Iterable[Finding], styles: Styles) -> Iterator[str]:
    """The findings as a table, with what to do below each."""
    listed = list(findings)
    wide = max((len(finding.subject) for finding in listed), default=0) + 2
    for finding in listed:
        head = [(styles(_STYLES[finding.level], finding.level), 6), (finding.subject, wide)]
        yield from styles.row(head, finding.text)
        if finding.hint:
            yield from styles.row([("", 6), ("", wide)], f"to do: {finding.hint}")
