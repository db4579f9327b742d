"""Reads the rules of a policy: ``[[deny]]``, ``[[allow]]``, ``[[break_glass]]``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sshjit import names
from sshjit.approvals import Step
from sshjit.policy import fields, model
from sshjit.policy.model import (
    AllowRule,
    BreakGlass,
    DenyRule,
    Extend,
    HostLabels,
    Label,
    Matchers,
    ReasonRule,
)
from sshjit.policy.networks import Networks, parsed, within
from sshjit.policy.owners import MARK, Owners
from sshjit.policy.problems import Path, did_you_mean
from sshjit.policy.reader import NAME, Table
from sshjit.policy.rule_approvals import check_escalation, read_extend, read_limits, read_steps
from sshjit.policy.schedule import DAY, DAYS, Schedule
from sshjit.policy.sections import check_label
from sshjit.policy.shared_terms import Terms, with_terms
from sshjit.policy.tickets import read_rule_ticket, read_ticket_keys

HOURS = "([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])"
_HOURS = re.compile(HOURS)
_HOURS_HINT = 'write it like "09:00-18:00"'
_REASON_PROMPT = "Say why you need it"
MOST_HOSTS = 256
"""As many principals as one certificate carries."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What rules may name."""

    labels: Mapping[str, Label]
    roles: Collection[str]
    actions: Collection[str]
    calendars: Mapping[str, frozenset[date]]
    terms: Mapping[str, Terms]
    owners: Mapping[str, Owners]
    tickets: Mapping[str, model.Checker]

    @property
    def role_words(self) -> tuple[str, ...]:
        """What may stand where roles do."""
        return (*self.roles, *self.owners)


def read_deny(value: object, path: Path, top: Table, declared: Declared) -> DenyRule | None:
    """One element of ``[[deny]]``."""
    table = Table(value, path, top.report, fields.DENY)
    match = replace(_matchers(table, declared, actions=None, forbids=True), networks=_client_networks(table))
    if not any(key in table for key in fields.DENY_MATCHERS):
        table.wrong((), "matches everything", f"say what it denies, by {', '.join(fields.DENY_MATCHERS)}")
    rule = DenyRule(table.name("name") or "", match, table.flag("unless_break_glass"))
    return rule if table.sound else None


def read_allow(value: object, path: Path, top: Table, declared: Declared) -> AllowRule | None:
    """One element of ``[[allow]]``."""
    table = Table(with_terms(value, path, top, declared.terms, fields.ALLOW), path, top.report, fields.ALLOW)
    steps = read_steps(table, declared.role_words, declared.owners)
    reason = _reason(table, 1)
    rule = _granting(
        table,
        declared,
        steps=steps,
        reason=reason,
        extend=read_extend(table),
        special=None,
    )
    check_escalation(table, rule)
    return rule if table.sound else None


def read_break_glass(value: object, path: Path, top: Table, declared: Declared) -> AllowRule | None:
    """One element of ``[[break_glass]]``. It needs no approval, but always a reason and a fresh sign-in."""
    merged = with_terms(value, path, top, declared.terms, fields.BREAK_GLASS)
    table = Table(merged, path, top.report, fields.BREAK_GLASS)
    shortest = model.BREAK_GLASS_REASON
    reason = _reason(table, shortest) or ReasonRule(
        None, f"{_REASON_PROMPT}, in at least {shortest} characters", shortest
    )
    special = BreakGlass(table.names("notify", None, "channel") or (), table.duration("review_within") or 0)
    rule = _granting(table, declared, steps=(), reason=reason, extend=None, special=special)
    return rule if table.sound else None


def read_terms(
    top: Table, roles: Collection[str], owners: Collection[str], tickets: Collection[str]
) -> dict[str, Terms]:
    """``[terms.<name>]``: the sets of requirements and clocks that rules may take."""
    sets: dict[str, Terms] = {}
    for name, path, value in top.entries("terms"):
        table = Table(value, path, top.report, fields.TERMS)
        if not NAME.fullmatch(name):
            table.wrong((), "is not a name: use lower-case letters, digits, '-' and '_'")
        if value == {}:
            table.wrong((), "says nothing", f"say at least one of {', '.join(fields.TERMS)}")
        for clock in ("fresh_login", "use_by", "grant", "certificate", "pending"):
            table.duration(clock)
        for requirement in ("mfa", "hardware_key", "signed_request", "post_quantum", "post_quantum_key"):
            table.flag(requirement)
        table.count("max_hosts", MOST_HOSTS)
        _cidrs(table, "networks")
        for read in (_forwarding, _source, read_extend, read_limits):
            read(table)
        _reason(table, 1)
        read_ticket_keys(table, tickets)
        read_steps(table, roles, owners)
        sets[name] = value if isinstance(value, dict) else {}
    return sets


def _forwarding(table: Table) -> tuple[str, ...]:
    return table.names("forwarding", model.FORWARDING, "forwarding", empty="none") or ()


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
    ticket, down_allows = read_rule_ticket(table, declared.tickets)
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
        networks=_cidrs(table, "networks"),
        source=_source(table),
        forwarding=_forwarding(table),
        extend=extend,
        break_glass=special,
        signed_request=table.flag("signed_request"),
        keep_open=_keep_open(table),
        limits=read_limits(table),
        ticket=ticket,
        ticket_down_allows=down_allows,
        post_quantum=table.flag("post_quantum") or table.flag("post_quantum_key"),
        post_quantum_key=table.flag("post_quantum_key"),
    )


def _matchers(table: Table, declared: Declared, *, actions: tuple[str, ...] | None, forbids: bool) -> Matchers:
    """The matchers of a rule; ``actions`` are the ones of a rule that names none, ``forbids``: it is a deny."""
    logins = table.names("logins", None, "login")
    for number, login in enumerate(logins or ()):
        if login != model.OWN:
            table.checked(("logins", number), names.login_name, login)
    known = [model.SHELL, model.COMMAND, *declared.actions]
    return Matchers(
        roles=table.names("roles", declared.role_words, "role"),
        not_roles=_not_roles(table, declared),
        hosts=read_hosts(table, declared.labels),
        logins=logins,
        actions=table.names("actions", known, "action") if "actions" in table else actions,
        schedule=_schedule(table, declared.calendars, forbids=forbids),
    )


def _not_roles(table: Table, declared: Declared) -> tuple[str, ...]:
    left_out = table.names("not_roles", declared.role_words, "role") or ()
    named = table.any("roles")
    for number, role in enumerate(left_out):
        if isinstance(named, list) and role in named:
            table.wrong(("not_roles", number), f'"{role}" is among roles too')
    return left_out


def read_hosts(table: Table, labels: Mapping[str, Label]) -> tuple[HostLabels, ...] | None:
    """``{ env = "prod", role = ["db", "cache"] }``, or a list of these, any of which a host must have."""
    if not isinstance(table.any("hosts"), list):
        wanted = table.get("hosts", dict)
        return None if wanted is None else (_host_labels(table, ("hosts",), wanted, labels),)
    alternatives = table.tables("hosts")
    if not alternatives:
        table.wrong(("hosts",), "must not be empty: it would match no host")
    accepted = []
    for number, (_, value) in enumerate(alternatives):
        accepted.append(_host_labels(table, ("hosts", number), value, labels))
        if accepted[-1] in accepted[:-1]:
            table.wrong(("hosts", number), "is listed twice")
    return tuple(accepted)


def _host_labels(table: Table, where: Path, wanted: object, labels: Mapping[str, Label]) -> HostLabels:
    keys = wanted if isinstance(wanted, dict) else ()
    hosts = Table(wanted, (*table.path, *where), table.report, dict.fromkeys(keys, False))
    if isinstance(wanted, dict) and not wanted:
        hosts.wrong((), "must not be empty: it would match no host")
    accepted = []
    for label in keys:
        if label not in labels:
            hosts.wrong((label,), f'there is no label "{label}"', did_you_mean(label, labels))
        elif isinstance(hosts.any(label), dict):
            accepted.append((label, _all_but(hosts, labels[label])))
        else:
            values = hosts.one_or_more(label, None, "value") or ()
            for value in values:
                problem = check_label(labels, label, value)
                if problem is not None:
                    hosts.wrong((label,), *problem)
            accepted.append((label, values))
    return tuple(accepted)


def _all_but(hosts: Table, label: Label) -> tuple[str, ...]:
    """``{ not = ["db"] }``: the other values that the label is declared with."""
    table = Table(hosts.any(label.name), (*hosts.path, label.name), hosts.report, fields.ALL_BUT)
    if label.values is None:
        table.wrong(("not",), f'the label "{label.name}" has no list of values', "declare its values under [labels]")
        return ()
    left_out = table.one_or_more("not", label.values, "value") if "not" in table else ()
    accepted = tuple(sorted(label.values.difference(left_out or ())))
    if not accepted:
        table.wrong(("not",), "leaves no value")
    return accepted


def _schedule(table: Table, calendars: Mapping[str, frozenset[date]], *, forbids: bool) -> Schedule | None:
    """``days``, ``not_days``, ``hours``, ``from``, ``until``, ``zone``."""
    zone, (start, end) = _zone(table), _hours(table)
    first, last = table.date("from"), table.date("until")
    if first is not None and last is not None and last < first:
        table.wrong(("until",), f"is before {first}, when it begins")
    days = table.names("days", [*DAYS, *calendars], "day")
    but = table.names("not_days", [*DAYS, *calendars], "day") or ()
    if not any(key in table for key in fields.TIMES):
        if "zone" in table:
            table.wrong(("zone",), "has no effect without days, hours or dates")
        return None
    if "zone" not in table:
        table.wrong(("zone",), "missing", 'write it like zone = "Europe/Berlin"')
    not_numbers, not_dates = _named_days(but, calendars)
    numbers, dates = _named_days(DAYS if days is None else days, calendars)
    schedule = Schedule(
        numbers - not_numbers,
        start,
        end,
        zone or "UTC",
        forbids,
        frozenset(day for day in dates - not_dates if day.weekday() not in not_numbers),
        frozenset(day for day in not_dates if day.weekday() in numbers - not_numbers),
        first,
        last,
        tuple(name for name in days or () if name in calendars),
        tuple(name for name in but if name in calendars),
    )
    if table.sound and not schedule.days and not schedule.dates:
        table.wrong(("days" if days else "not_days",), "leave no day on which it matches")
    return schedule


def _named_days(
    named: Iterable[str], calendars: Mapping[str, frozenset[date]]
) -> tuple[frozenset[int], frozenset[date]]:
    """The numbers of the weekdays, and the dates of the calendars."""
    weekdays, dates = set[int](), set[date]()
    for name in named:
        if name in calendars:
            dates |= calendars[name]
        elif name in DAYS:
            weekdays.add(DAYS.index(name))
    return frozenset(weekdays), frozenset(dates)


def _hours(table: Table) -> tuple[int, int]:
    """``"09:00-18:00"`` in minutes since midnight; the whole day, if there are no hours."""
    hours = table.get("hours", str)
    clock_times = None if hours is None else _HOURS.fullmatch(hours)
    start, end = (0, DAY)
    if clock_times is not None:
        start, end = (int(clock_times[1]) * 60 + int(clock_times[2]), int(clock_times[3]) * 60 + int(clock_times[4]))
    if hours is not None and (clock_times is None or start >= DAY or end > DAY):
        table.wrong(("hours",), f"{names.show(hours)} is not a range of times of day", _HOURS_HINT)
    elif hours is not None and start == end:
        table.wrong(("hours",), "begin and end at the same time", 'leave hours out, or write "00:00-24:00"')
    return start, end


def _zone(table: Table) -> str | None:
    """The name of a time zone that this machine knows."""
    zone = table.text("zone")
    if zone is not None and not _is_zone(zone):
        known = available_timezones()
        if known:
            table.wrong(("zone",), f'there is no time zone "{zone}"', did_you_mean(zone, known))
        else:
            table.wrong(("zone",), "cannot be read: this machine has no time zone database", "install tzdata")
    return zone


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


def _keep_open(table: Table) -> bool:
    roles = table.any("roles")
    if table.flag("keep_open") and isinstance(roles, list) and any(str(role).startswith(MARK) for role in roles):
        table.wrong(("keep_open",), "cannot stand beside owners: labels that change are what it keeps from counting")
    return table.flag("keep_open")


def _source(table: Table) -> tuple[str, ...]:
    """``source = "client"`` or a list of CIDRs. Where a rule has ``networks``, it is those or a part of them."""
    value, networks = table.any("source"), _cidrs(table, "networks", report=False)
    if value is None:
        return networks
    if not isinstance(value, list):
        if value != model.CLIENT:
            table.wrong(("source",), 'must be "client" or a list of networks', 'write it like ["10.0.0.0/8"]')
        return (model.CLIENT,)
    source = _cidrs(table, "source")
    if networks and source and table.sound and not within(source, networks):
        table.wrong(("source",), "is wider than networks", "make it a part of them, or leave it out")
    return source


def _client_networks(table: Table) -> Networks | None:
    """``networks`` or ``not_networks`` of a deny."""
    if "networks" in table and "not_networks" in table:
        table.wrong(("not_networks",), "cannot stand beside networks", "write a deny for each")
    for key in ("networks", "not_networks"):
        if key in table:
            return Networks(_cidrs(table, key), key == "not_networks")
    return None


def _cidrs(table: Table, key: str, *, report: bool = True) -> tuple[str, ...]:
    """A list of CIDRs; what is wrong with one is reported once."""
    listed = table.any(key)
    if not report:
        good = isinstance(listed, list) and all(isinstance(each, str) and _is_network(each) for each in listed)
        return tuple(listed) if good and isinstance(listed, list) else ()
    networks = table.names(key, None, "address") or ()
    for number, network in enumerate(networks):
        try:
            parsed(network)
        except ValueError as error:
            table.wrong((key, number), f"is not a network: {error}", 'write it like "10.0.0.0/8"')
    return networks


def _is_network(text: str) -> bool:
    try:
        return bool(parsed(text))
    except ValueError:
        return False
