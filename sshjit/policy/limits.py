"""Limits of a rule: how many grants one person, and all people, may have under it at once and within seven days.

A limit is a requirement of the chosen rule. Where it is reached, the answer is no, and no later rule is tried. What has
been granted is a fact that the caller gives (``Facts.used``), so that a decision stays a matter of its arguments.
"""

from __future__ import annotations

from sshjit.policy.model import AllowRule, Limit, Limits
from sshjit.policy.types import Count, Denied, Facts, Used

WEEK = 7 * 24 * 3600
"""Seconds in which ``week`` counts, back from now: not a week of the calendar."""
_NOTHING = Used()


def limit_reached(rule: AllowRule, facts: Facts) -> Denied | None:
    """The refusal of one grant more under ``rule``."""
    used = facts.used.get(rule.name, _NOTHING)
    for whose, limit, count in (("one person", rule.limits.person, used.person), ("all", rule.limits.rule, used.rule)):
        reached = _reached(limit, count)
        if reached:
            limited, there_are, hint = reached
            message = f'rule "{rule.name}" allows {whose} {limited}, and {there_are}'
            return Denied("limit_reached", rule.name, message, hint)
    return None


def _reached(limit: Limit, count: Count) -> tuple[str, str, str] | None:
    """Which limit is reached, how far, and what to do."""
    if limit.open is not None and count.open >= limit.open:
        there_are = f"{count.open} {'is' if count.open == 1 else 'are'} open"
        return f"{_grants(limit.open)} at once", there_are, "ask again when one has ended: ssh-jit done ends yours"
    if limit.week is not None and count.week >= limit.week:
        there_were = f"there {'was' if count.week == 1 else 'were'} {count.week}"
        return f"{_grants(limit.week)} in 7 days", there_were, "ask again when the oldest of them is 7 days old"
    return None


def _grants(number: int) -> str:
    return f"{number} grant{'' if number == 1 else 's'}"


def no_more(limit: Limit, other: Limit) -> bool:
    """Whether ``other`` lets through no more than ``limit``."""
    pairs = ((limit.open, other.open), (limit.week, other.week))
    return all(most is None or (number is not None and number <= most) for most, number in pairs)


def limits_text(limits: Limits) -> str:
    """``1 open a person, 20 in 7 days in all``."""
    sides = (("a person", limits.person), ("in all", limits.rule))
    parts = [f"{limit.open} open {whose}" for whose, limit in sides if limit.open is not None]
    parts += [f"{limit.week} in 7 days {whose}" for whose, limit in sides if limit.week is not None]
    return ", ".join(parts) or "none"
