"""A comparison of two policies, for a terminal and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from sshjit.policy.model import SHELL
from sshjit.styles import Styles
from sshjit_client.policy.comparison import KINDS, Comparison, Entry, Kind, RoleChange

_HEADS: dict[Kind, tuple[str, str]] = {
    "gains": ("GAINS", "wait"),
    "loses": ("LOSES", "bad"),
    "changes": ("CHANGES", "strong"),
}
_MOST = 12
"""Names that are listed one by one."""


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Everything, as JSON has it."""
    return {"same": comparison.same, **dataclasses.asdict(comparison)}


def comparison_text(comparison: Comparison, styles: Styles) -> str:
    """Who gains, who loses, what changes, then roles and permissions."""
    if comparison.same:
        return "nobody in the inventory gains or loses anything"
    lines: list[str] = []
    for kind in KINDS:
        entries = [entry for entry in comparison.entries if entry.kind == kind]
        if entries:
            head, style = _HEADS[kind]
            lines += [*([""] if lines else []), styles(style, head)]
            for entry in entries:
                lines += _entry(entry, styles)
    for head, section in _sections(comparison, styles):
        lines += [*([""] if lines else []), styles("strong", head), *section]
    return "\n".join(lines)


def _sections(comparison: Comparison, styles: Styles) -> Iterator[tuple[str, list[str]]]:
    """What is no access: roles and permissions, declarations, and what was not looked at."""
    if comparison.standings:
        yield "ROLES AND PERMISSIONS", [line for each in comparison.standings for line in _standing(each, styles)]
    if comparison.declared:
        changes = [(each.what, each.change) for each in comparison.declared]
        texts = [f"{what}: {one.what} {one.old} → {one.new}{_direction(one.direction)}" for what, one in changes]
        yield "DECLARATIONS", [line for text in texts for line in styles.row([("  ", 2)], text)]
    if comparison.not_looked_at:
        yield "NOT LOOKED AT", [f"  {what}" for what in comparison.not_looked_at]


def _standing(change: RoleChange, styles: Styles) -> Iterator[str]:
    sign = styles("wait", "+") if change.kind == "gains" else styles("bad", "-")
    when = "" if change.when == "always" else f", {change.when}"
    barred = change.what == "not_own"
    what = f"barred by not_own as one of {change.name}" if barred else f"{change.what} {change.name}"
    yield from styles.row([(f"  {sign} ", 4)], f"{change.person}: {what}{when}")


def _entry(entry: Entry, styles: Styles) -> Iterator[str]:
    actions = "" if entry.actions == (SHELL,) else f", {_names(entry.actions)}"
    how = " by break-glass" if entry.break_glass else ""
    hosts = f"{_names(entry.hosts)} in one request" if entry.together else _names(entry.hosts)
    what = f"{_names(entry.logins) or 'no account named'} on {hosts}{actions}{how}"
    yield from styles.row([(f"  {styles('strong', _names(entry.people))}  ", 0)], what)
    rows = [] if entry.when == "always" else [("when", entry.when)]
    rows += [("from", ", ".join(entry.places))] if entry.places else []
    rows += [("rule", _rule(entry.rules))] if any(entry.rules) else []
    rows += [(change.what, f"{change.old} → {change.new}{_direction(change.direction)}") for change in entry.changed]
    yield from styles.fields(rows, indent="      ")


def _rule(rules: tuple[str | None, str | None]) -> str:
    before, after = rules
    return f"{before} → {after}" if before and after and before != after else before or after or ""


def _direction(direction: str) -> str:
    return "" if direction == "other" else f"  ({direction})"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
