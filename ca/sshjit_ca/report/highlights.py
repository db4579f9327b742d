"""What a reader should look at first, and the numbers of a period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sshjit_ca.report.builder import Report
from sshjit_ca.report.columns import FIRST

_MANY = 5
"""With fewer approvals it says nothing that one person gave most of them."""
_MOST = 50
"""Percent."""


@dataclass(frozen=True, slots=True)
class Highlight:
    """Something to look at, and the table that it is in. ``grave``: something must be done about it."""

    text: str
    table: str
    grave: bool


def key_numbers(report: Report) -> list[tuple[str, str]]:
    """The counts at the top of the page, each with what it counts."""
    people = report.gathered.tallies.people.values()
    spool = report.spool
    return [
        (f"{len(report.gathered.people.claims):,}", "people known"),
        (f"{sum(tally.requests > 0 for tally in people):,}", "of them made requests"),
        (f"{len(report.gathered.changes.hosts):,}", "hosts"),
        (f"{sum(tally.requests for tally in people):,}", "requests"),
        (f"{sum(tally.grants for tally in people):,}", "grants"),
        (f"{sum(tally.certificates for tally in people):,}", "certificates"),
        (f"{sum(tally.approvals for tally in people):,}", "approvals"),
        (f"{spool.count('break_glass'):,}", "break-glass uses"),
    ]


def highlights(report: Report) -> list[Highlight]:
    """What stands out, the grave first."""
    return sorted(_highlights(report), key=lambda highlight: not highlight.grave)


def _highlights(report: Report) -> Iterator[Highlight]:
    yield from _glass(report)
    if gone := len(report.access.unreadable):
        yield Highlight(f"{_count(gone, 'policy', 'policies')} of the period could not be read", "policies", grave=True)
    spool = report.spool
    if count := spool.count("emergencies"):
        yield Highlight(f"{_count(count, 'emergency certificate')} signed past every rule", "emergencies", grave=True)
    yield from _concentration(report)
    counted = (
        ("unused", spool.count("unused"), "unused permission", ""),
        ("rules", spool.count("rules", at_most=FIRST), "rule", "that nobody used"),
        ("locks", spool.count("locks", at_most=FIRST), "lock", "in force at the end of the period"),
    )
    for table, count, what, how in counted:
        if count:
            yield Highlight(f"{_count(count, what)} {how}".strip(), table, grave=False)
    if report.erased:
        what = _count(report.erased, "entry", "entries")
        yield Highlight(f"{what} of the period whose details were erased after their time", "operations", grave=False)


def _glass(report: Report) -> Iterator[Highlight]:
    standings = Counter(row[0] for _, row in report.spool.rows("break_glass"))
    for standing, what in (
        ("unjustified", "found unjustified"),
        ("overdue", "that nobody reviewed in time"),
        ("waiting", "to be reviewed"),
    ):
        if count := standings[standing]:
            text = f"{_count(count, 'break-glass access', 'break-glass accesses')} {what}"
            yield Highlight(text, "break_glass", grave=standing != "waiting")


def _concentration(report: Report) -> Iterator[Highlight]:
    approvers = report.gathered.tallies.approvers
    total = sum(tally.approved for tally in approvers.values())
    for subject, tally in approvers.items():
        if total >= _MANY and tally.approved * 100 > total * _MOST:
            share = round(100 * tally.approved / total)
            yield Highlight(
                f"{report.gathered.people.who(subject)} gave {share} % of all approvals", "approvers", grave=False
            )


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
