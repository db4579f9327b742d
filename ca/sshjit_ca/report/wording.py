"""A rule in a few words: what it asks for, and when it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sshjit import durations
from sshjit.policy.model import CLIENT, AllowRule, DenyRule


def approvals(rule: AllowRule) -> tuple[str, ...]:
    """Who must say yes: ``1 of lead, signed``; ``none: at once``."""
    steps = (f"{step.count} of {step.role}{', signed' if step.signed else ''}" for step in rule.approvals)
    return tuple(steps) or ("none: at once",)


def kind(rule: AllowRule) -> str:
    """By which way a rule gives access."""
    return "allow" if rule.break_glass is None else "break-glass"


def requirements(rule: AllowRule) -> tuple[str, ...]:
    """What the rule demands beside approvals."""
    return tuple(_requirements(rule))


def _requirements(rule: AllowRule) -> Iterator[str]:
    if rule.reason is not None:
        pattern = f" like {rule.reason.pattern.pattern}" if rule.reason.pattern else ""
        yield f"a reason{pattern}"
    if rule.fresh_login is not None:
        yield f"a sign-in of the last {durations.show(rule.fresh_login)}"
    if rule.mfa:
        yield "a second factor"
    if rule.hardware_key:
        yield "a registered hardware key"
    if rule.source == (CLIENT,):
        yield "use from the address that asked"
    elif rule.source:
        yield f"use from {', '.join(rule.source)}"
    if rule.forwarding:
        yield f"allows {', '.join(rule.forwarding)} forwarding"
    if rule.break_glass is not None:
        yield f"review within {durations.show(rule.break_glass.review_within)}"


def hours(rule: AllowRule, denies: Iterable[DenyRule]) -> str:
    """When the rule holds; ``denies`` suspend it at times."""
    always = "at any time" if rule.match.schedule is None else str(rule.match.schedule)
    return "; ".join([always, *(f"not {deny.match.schedule}, by {deny.name}" for deny in denies)])
