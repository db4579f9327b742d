"""Reads the rules of a policy: ``[[deny]]``, ``[[allow]]``, ``[[break_glass]]``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sshjit import names
from sshjit.approvals import Step
from sshjit.policy import fields, model
from sshjit.policy.model import AllowRule, BreakGlass, DenyRule, Extend, Label, Matchers, ReasonRule
from sshjit.policy.problems import Path, did_you_mean
from sshjit.policy.reader import Table
from sshjit.policy.schedule import DAY, DAYS, Schedule
from sshjit.policy.sections import check_label

HOURS = "([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])"
_HOURS = re.compile(HOURS)
_HOURS_HINT = 'write it like "09:00-18:00"'
_REASON_PROMPT = "Say why you need it"
MOST_APPROVERS = 20
"""People of one step."""
MOST_EXTENSIONS = 20
"""Extensions of one grant."""
MOST_HOSTS = 256
"""As many principals as one certificate carries."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What rules may name."""

    labels: Mapping[str, Label]
    roles: Collection[str]
    actions: Collection[str]


def read_deny(value: object, path: Path, top: Table, declared: Declared) -> DenyRule | None:
    """One element of ``[[deny]]``."""
    table = Table(value, path, top.report, fields.DENY)
    match = _matchers(table, declared, actions=None, forbids=True)
    if not any(key in table for key in fields.MATCHERS):
        table.wrong((), "matches everything", f"say what it denies, by {', '.join(fields.MATCHERS)}")
    rule = DenyRule(table.name("name") or "", match, table.flag("unless_break_glass"))
    return rule if table.sound else None


def read_allow(value: object, path: Path, top: Table, declared: Declared) -> AllowRule | None:
    """One element of ``[[allow]]``."""
    table = Table(value, path, top.report, fields.ALLOW)
    steps = [_step(top, at, item, declared.roles) for at, item in table.tables("approvals")]
    roles = [step.role for step in steps if step is not None]
    for number, role in enumerate(roles):
        if role in roles[:number]:
            table.wrong(("approvals", number), f'"{role}" already has a step', "raise its count")
    reason = _reason(table, 1)
    rule = _granting(
        table,
        declared,
        steps=tuple(step for step in steps if step is not None),
        reason=reason,
        extend=_extend(table),
        special=None,
    )
    return rule if table.sound else None


def read_break_glass(value: object, path: Path, top: Table, declared: Declared) -> AllowRule | None:
    """One element of ``[[break_glass]]``. It needs no approval, but always a reason and a fresh sign-in."""
    table = Table(value, path, top.report, fields.BREAK_GLASS)
    shortest = model.BREAK_GLASS_REASON
    reason = _reason(table, shortest) or ReasonRule(
        None, f"{_REASON_PROMPT}, in at least {shortest} characters", shortest
    )
    special = BreakGlass(table.names("notify", None, "channel") or (), table.duration("review_within") or 0)
    rule = _granting(table, declared, steps=(), reason=reason, extend=None, special=special)
    return rule if table.sound else None


def _granting(
    table: Table,
    declared: Declared,
    *,
    steps: tuple[Step, ...],
    reason: ReasonRule | None,
    extend: Extend | None,
    special: BreakGlass | None,
) -> AllowRule:
    """A rule that allows; of use only if ``table`` is sound afterwards."""
    fresh = table.duration("fresh_login")
    grant, certificate = table.duration("grant"), table.duration("certificate")
    if grant is not None and certificate is not None and certificate > grant:
        table.wrong(("certificate",), "must not live longer than the grant", "make it shorter than grant")
    use_by = table.duration("use_by")
    if grant is not None and use_by is not None and use_by > grant:
        # The window opens with the approval: somebody who came later would find it over.
        table.wrong(("use_by",), "must not be longer than the grant", "make it shorter than grant")
    return AllowRule(
        name=table.name("name") or "",
        match=_matchers(table, declared, actions=("shell",), forbids=False),
        approvals=steps,
        reason=reason,
        fresh_login=model.DEFAULT_BREAK_GLASS_FRESH_LOGIN if special is not None and fresh is None else fresh,
        mfa=table.flag("mfa"),
        hardware_key=table.flag("hardware_key"),
        pending=table.duration("pending") or model.DEFAULT_PENDING,
        use_by=use_by or min(model.DEFAULT_USE_BY, grant or model.DEFAULT_USE_BY),
        grant=grant or 0,
        certificate=certificate or 0,
        max_hosts=table.count("max_hosts", MOST_HOSTS) or model.DEFAULT_MAX_HOSTS,
        source=_networks(table),
        forwarding=table.names("forwarding", model.FORWARDING, "forwarding", empty="none") or (),
        extend=extend,
        break_glass=special,
        signed_request=table.flag("signed_request"),
        keep_open=table.flag("keep_open"),
    )


def _matchers(table: Table, declared: Declared, *, actions: tuple[str, ...] | None, forbids: bool) -> Matchers:
    """The matchers of a rule; ``actions`` are the ones of a rule that names none, ``forbids``: it is a deny."""
    logins = table.names("logins", None, "login")
    for number, login in enumerate(logins or ()):
        if login != model.OWN:
            table.checked(("logins", number), names.login_name, login)
    known = [model.SHELL, model.COMMAND, *declared.actions]
    return Matchers(
        roles=table.names("roles", declared.roles, "role"),
        hosts=_hosts(table, declared.labels),
        logins=logins,
        actions=table.names("actions", known, "action") if "actions" in table else actions,
        schedule=_schedule(table, forbids=forbids),
    )


def _hosts(table: Table, labels: Mapping[str, Label]) -> tuple[tuple[str, tuple[str, ...]], ...] | None:
    """``{ env = "prod", role = ["db", "cache"] }``."""
    wanted = table.get("hosts", dict)
    if wanted is None:
        return None
    if not wanted:
        table.wrong(("hosts",), "must not be empty: it would match no host")
    hosts = Table(wanted, (*table.path, "hosts"), table.report, dict.fromkeys(wanted, False))
    accepted = []
    for label in wanted:
        if label not in labels:
            hosts.wrong((label,), f'there is no label "{label}"', did_you_mean(label, labels))
            continue
        values = hosts.one_or_more(label, None, "value") or ()
        for value in values:
            problem = check_label(labels, label, value)
            if problem is not None:
                hosts.wrong((label,), *problem)
        accepted.append((label, values))
    return tuple(accepted)


def _schedule(table: Table, *, forbids: bool) -> Schedule | None:
    """``days``, ``hours``, ``zone``."""
    days = table.names("days", DAYS, "day")
    hours = table.get("hours", str)
    clock_times = None if hours is None else _HOURS.fullmatch(hours)
    start, end = (0, DAY)
    if clock_times is not None:
        start, end = (int(clock_times[1]) * 60 + int(clock_times[2]), int(clock_times[3]) * 60 + int(clock_times[4]))
    if hours is not None and (clock_times is None or start >= DAY or end > DAY):
        table.wrong(("hours",), f"{names.show(hours)} is not a range of times of day", _HOURS_HINT)
    elif hours is not None and start == end:
        table.wrong(("hours",), "begin and end at the same time", 'leave hours out, or write "00:00-24:00"')
    zone = table.text("zone")
    if zone is not None and not _is_zone(zone):
        known = available_timezones()
        if known:
            table.wrong(("zone",), f'there is no time zone "{zone}"', did_you_mean(zone, known))
        else:
            table.wrong(("zone",), "cannot be read: this machine has no time zone database", "install tzdata")
    if "days" not in table and "hours" not in table:
        if "zone" in table:
            table.wrong(("zone",), "has no effect without days or hours")
        return None
    if "zone" not in table:
        table.wrong(("zone",), "missing", 'write it like zone = "Europe/Berlin"')
    numbers = range(len(DAYS)) if days is None else (DAYS.index(day) for day in days)
    return Schedule(frozenset(numbers), start, end, zone or "UTC", forbids)


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


def _reason(table: Table, shortest: int) -> ReasonRule | None:
    """``reason = { pattern = "…", prompt = "…" }``."""
    if "reason" not in table:
        return None
    reason = Table(table.any("reason"), (*table.path, "reason"), table.report, fields.REASON)
    text = reason.text("pattern")
    pattern = None
    if text is not None:
        try:
            pattern = re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            reason.wrong(("pattern",), f"is not a regular expression: {error}")
    return ReasonRule(pattern, reason.text("prompt") or _REASON_PROMPT, shortest)


def _extend(table: Table) -> Extend | None:
    """``extend = { count = 2, by = "1h" }``."""
    if "extend" not in table:
        return None
    extend = Table(table.any("extend"), (*table.path, "extend"), table.report, fields.EXTEND)
    return Extend(extend.count("count", MOST_EXTENSIONS) or 0, extend.duration("by") or 0)


def _networks(table: Table) -> tuple[str, ...]:
    """``source = "client"`` or a list of CIDRs."""
    value = table.any("source")
    if value is None:
        return ()
    if not isinstance(value, list):
        if value != model.CLIENT:
            table.wrong(("source",), 'must be "client" or a list of networks', 'write it like ["10.0.0.0/8"]')
        return (model.CLIENT,)
    networks = table.names("source", None, "address") or ()
    for number, network in enumerate(networks):
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            table.wrong(("source", number), f"is not a network: {error}", 'write it like "10.0.0.0/8"')
    return networks


def _step(top: Table, path: Path, value: object, roles: Collection[str]) -> Step | None:
    """``{ from = "sre-lead", count = 1, signed = true }``."""
    table = Table(value, path, top.report, fields.STEP)
    role = table.get("from", str)
    if role is not None and role not in roles:
        table.wrong(("from",), f'there is no role "{role}"', did_you_mean(role, roles))
    step = Step(role or "", table.count("count", MOST_APPROVERS) or 0, table.flag("signed"))
    return step if table.sound else None
