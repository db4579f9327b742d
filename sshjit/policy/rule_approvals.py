"""Reads who has to approve what a rule gives, how often it may be given, and for how much longer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sshjit import names, passkeys
from sshjit.approvals import Step
from sshjit.policy import fields, model
from sshjit.policy.model import AllowRule, Extend, Limit, Limits
from sshjit.policy.owners import MARK
from sshjit.policy.problems import Path, did_you_mean
from sshjit.policy.reader import Table, kind

MOST_APPROVERS = 20
"""People of one step."""
MOST_EXTENSIONS = 20
"""Extensions of one grant."""
MOST_GRANTS = 10_000
"""Grants that a limit may allow."""


def read_steps(table: Table, roles: Collection[str], owners: Collection[str]) -> tuple[Step, ...]:
    """``approvals`` of a rule.."""
    steps = [_step(table, at, item, roles, owners) for at, item in table.tables("approvals")]
    ways = [(step.role, passkeys.asked(step)) for step in steps if step is not None]
    for number, (role, signature) in enumerate(ways):
        if (role, signature) in ways[:number]:
            table.wrong(("approvals", number), f'"{role}" already has a step', "raise its count")
    return tuple(step for step in steps if step is not None)


def check_escalation(table: Table, rule: AllowRule) -> None:
    """Nobody may answer any more once ``pending`` is over."""
    for number, step in enumerate(rule.approvals):
        if step.after >= rule.pending:
            where = ("approvals", number, "escalate", "after")
            table.wrong(where, "must be shorter than pending, after which nobody may answer")


def _step(rule: Table, path: Path, value: object, roles: Collection[str], owners: Collection[str]) -> Step | None:
    """``{ from = "dba", count = 1, signed = true, not_own = "team", escalate = { to = "lead", after = "20m" } }``."""
    table = Table(value, path, rule.report, fields.STEP)
    role = _known_role(table, "from", roles)
    but = table.get("not_own", str)
    if but is not None and f"{MARK}{but}" not in owners:
        names_of = [each.removeprefix(MARK) for each in owners]
        table.wrong(("not_own",), f"there are no owners {names.show(but)}", did_you_mean(but, names_of))
    signed, passkey = _signature(table)
    count = table.count("count", MOST_APPROVERS) or 0
    step = Step(role, count, signed, (f"{MARK}{but}",) if but else (), passkey=passkey)
    if "escalate" in table:
        later = Table(table.any("escalate"), (*path, "escalate"), rule.report, fields.ESCALATE)
        to, tell = _known_role(later, "to", roles), later.names("tell", None, "channel") or ()
        if to == role:
            later.wrong(("to",), f'"{to}" may answer from the beginning')
        step = replace(step, instead=to, after=later.duration("after") or 0, tell=tell)
    return step if table.sound else None


def _signature(table: Table) -> tuple[bool, passkeys.Accepted]:
    """``signed``: ``true``, ``false``, or the word for the passkeys that count as well."""
    value = table.any("signed") if "signed" in table else False
    if isinstance(value, bool):
        return value, ""
    if isinstance(value, str) and value in passkeys.SIGNED:
        return True, passkeys.SIGNED[value]
    if isinstance(value, str):
        table.wrong(("signed",), f"cannot be {names.show(value)}", did_you_mean(value, passkeys.SIGNED))
    else:
        table.wrong(("signed",), f"must be true, false or one of {', '.join(passkeys.SIGNED)}, is {kind(value)}")
    return False, ""


def _known_role(table: Table, key: str, roles: Collection[str]) -> str:
    role = table.get(key, str)
    if role is not None and role not in roles:
        table.wrong((key,), f'there is no role "{role}"', did_you_mean(role, roles))
    return role or ""


def read_limits(table: Table) -> Limits:
    """``limits = { person = { open = 1, week = 5 }, rule = { open = 10 } }``."""
    if "limits" not in table:
        return model.NO_LIMITS
    limits = Table(table.any("limits"), (*table.path, "limits"), table.report, fields.LIMITS)
    if table.any("limits") == {}:
        limits.wrong((), "says nothing", f"say at least one of {', '.join(fields.LIMITS)}")
    return Limits(_limit(limits, "person"), _limit(limits, "rule"))


def _limit(limits: Table, key: str) -> Limit:
    if key not in limits:
        return Limit()
    limit = Table(limits.any(key), (*limits.path, key), limits.report, fields.LIMIT)
    if limits.any(key) == {}:
        limit.wrong((), "says nothing", f"say at least one of {', '.join(fields.LIMIT)}")
    return Limit(limit.count("open", MOST_GRANTS), limit.count("week", MOST_GRANTS))


def read_extend(table: Table) -> Extend | None:
    """``extend = { count = 2, by = "1h" }``."""
    if "extend" not in table:
        return None
    extend = Table(table.any("extend"), (*table.path, "extend"), table.report, fields.EXTEND)
    return Extend(extend.count("count", MOST_EXTENSIONS) or 0, extend.duration("by") or 0)
