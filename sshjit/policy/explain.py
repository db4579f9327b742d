"""Compares every rule of a policy with one ask, and says why each matches or does not.

This is a second way to the same outcome: it reads one rule after another and does not use ``index.py``. A property test
holds its outcome equal to that of ``evaluate``, which is the one that counts. Requirements of the chosen rule and the
wording of refusals are shared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sshjit.policy import words
from sshjit.policy.approval_steps import asked_steps
from sshjit.policy.compiled import Policy
from sshjit.policy.model import OWN, AllowRule, DenyRule, HostLabels, Matchers, Rule
from sshjit.policy.owners import there
from sshjit.policy.query import Query, ask_query, choose_login, with_login
from sshjit.policy.refusals import denied_by, different_rules, malformed, no_rule
from sshjit.policy.requirements import apply_requirements
from sshjit.policy.types import NO_FACTS, Ask, Facts, Host, Outcome, Subject

Kind = Literal["deny", "allow", "break_glass"]


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a rule does not match: ``matcher`` is its key, ``host`` the host it is about, if it is about one."""

    matcher: str
    host: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class RuleReport:
    """What one rule says. ``hosts`` are those that it matches; ``decides``: the outcome comes from this rule."""

    kind: Kind
    name: str
    hosts: tuple[str, ...]
    misses: tuple[Miss, ...]
    decides: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """The outcome, the roles held, the login that was looked at, and every rule in file order."""

    outcome: Outcome
    roles: tuple[str, ...]
    login: str | None
    rules: tuple[RuleReport, ...]


def explain(
    policy: Policy, subject: Subject, hosts: Sequence[Host], ask: Ask, now: int, *, facts: Facts = NO_FACTS
) -> Explanation:
    """What ``evaluate`` says to the same question, and why."""
    query = ask_query(policy, subject, hosts, ask, now)
    rule = _common_rule(query)
    if rule is not None:
        query = with_login(query, query.login or choose_login(rule, query.unix_name))
    deny = next((rule for rule in policy.denies if any(_matches(*way, rule) for way in _ways(query, rule))), None)
    refusal = malformed(policy, hosts, ask, now)
    outcome = _outcome(query, subject, ask, rule, deny, facts=facts, now=now) if refusal is None else refusal
    deciding = None if refusal is not None else rule if deny is None else deny
    rules: tuple[Rule, ...] = (*policy.denies, *policy.allows, *policy.break_glass)
    return Explanation(
        outcome,
        tuple(sorted(query.roles)),
        query.login,
        tuple(_report(query, rule, decides=rule is deciding) for rule in rules),
    )


def _outcome(
    query: Query, subject: Subject, ask: Ask, rule: AllowRule | None, deny: DenyRule | None, *, facts: Facts, now: int
) -> Outcome:
    if deny is not None:
        return denied_by(query, query.policy.denies.index(deny))
    firsts = [_first(query, host) for host in query.hosts]
    for host, first in zip(query.hosts, firsts, strict=True):
        if first is None:
            return no_rule(query, host)
    if rule is None or query.login is None:
        return different_rules(query, [first for first in firsts if first is not None])
    ends = _window_end(query, rule)
    steps = asked_steps(query, rule)
    return apply_requirements(
        query.policy, rule, subject, query.hosts, ask, steps=steps, login=query.login, ends=ends, facts=facts, now=now
    )


def _first(query: Query, host: Host) -> AllowRule | None:
    return next((rule for rule in query.allows if _matches(query, host, rule)), None)


def _common_rule(query: Query) -> AllowRule | None:
    """The rule that all hosts fall under."""
    rules = [_first(query, host) for host in query.hosts]
    return rules[0] if rules and all(rule is rules[0] for rule in rules) else None


def _window_end(query: Query, rule: AllowRule) -> int | None:
    ends = [rule.match.schedule.closes(query.now)] if rule.match.schedule else []
    ends += [
        deny.match.schedule.opens(query.now)
        for deny in query.policy.denies
        if deny.match.schedule and any(_but_for(("hours",), *way, deny) for way in _ways(query, deny))
    ]
    ends += [_spared_until(query, host, deny) for deny in query.policy.denies for host in _machines(query)]
    for held in map(query.ends_on, query.hosts):
        roles = [held[role] for role in rule.match.roles or () if role in held]
        ends += [max(end for end in roles if end is not None)] if None not in roles else []
    return min((end for end in ends if end is not None), default=None)


def _machines(query: Query) -> Iterator[Host]:
    """The hosts, and the bastions before them."""
    for host in query.hosts:
        yield host
        if host.bastion is not None:
            yield host.bastion.host


def _spared_until(query: Query, host: Host, deny: DenyRule) -> int | None:
    """When a deny that leaves the person out there begins to match; ``None`` if it never does, or leaves nobody out."""
    match, roles = deny.match, query.ends_on(host)
    held = [roles[role] for role in match.not_roles if role in roles]
    if not held or None in held:
        return None
    ways = (way for way in _ways(query, deny) if way[1] is host)
    if not any(_but_for(("hours", "not_roles"), *way, deny) for way in ways):
        return None
    last = max(end for end in held if end is not None)
    return last if match.schedule is None else match.schedule.begins(last)


def _report(query: Query, rule: Rule, *, decides: bool) -> RuleReport:
    misses: dict[str, tuple[Miss, ...]] = {}
    for asked, host in _ways(query, rule):
        if misses.get(host.name, True):  # of a bastion it is enough if one account matches
            misses[host.name] = tuple(_misses(asked, host, rule))
    return RuleReport(
        _kind(rule),
        rule.name,
        tuple(name for name, missed in misses.items() if not missed),
        tuple(dict.fromkeys(miss for missed in misses.values() for miss in missed)),
        decides,
    )


def _kind(rule: Rule) -> Kind:
    if isinstance(rule, DenyRule):
        return "deny"
    return "allow" if rule.break_glass is None else "break_glass"


def _ways(query: Query, rule: Rule) -> Iterator[tuple[Query, Host]]:
    """What a rule is held against: each host; a deny also each bastion, by the account asked for and by its own."""
    yield from ((query, host) for host in query.hosts)
    for bastion in (host.bastion for host in query.hosts):
        if bastion is not None and isinstance(rule, DenyRule):
            yield query, bastion.host
            yield with_login(query, bastion.login), bastion.host


def _matches(query: Query, host: Host, rule: Rule) -> bool:
    return next(_misses(query, host, rule), None) is None


def _but_for(matchers: Sequence[str], query: Query, host: Host, rule: Rule) -> bool:
    return all(miss.matcher in matchers for miss in _misses(query, host, rule))


def _misses(query: Query, host: Host, rule: Rule) -> Iterator[Miss]:
    """Every matcher of ``rule`` that ``host`` or the query misses."""
    match = rule.match
    yield from _kind_miss(query, rule)
    held, had = query.held_on(host), query.had_on(host)
    if isinstance(rule, DenyRule):
        held, had = had, held
    yield from _role_misses(query, host, rule, held, had)
    if match.networks is not None and not match.networks.matches(query.address):
        yield Miss("networks", None, f"it is for requests {match.networks}")
    yield from _host_misses(match, host, lacking_matches=isinstance(rule, DenyRule))
    yield from _login_miss(query, match, rule)
    if match.actions is not None and query.action not in match.actions:
        yield Miss("actions", None, f"it is for {words.actions(match.actions)}, not {query.action}")
    if match.schedule is not None and not match.schedule.matches(query.now):
        yield Miss("hours", None, f"it is for {match.schedule}")


def _role_misses(
    query: Query, host: Host, rule: Rule, wanted: Collection[str], against: Collection[str]
) -> Iterator[Miss]:
    """``wanted``: the roles that count for ``roles`` of this rule; ``against``: those that count for ``not_roles``."""
    match, owners = rule.match, query.policy.owners

    def real(roles: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(there(owners, role, host.by_label) for role in roles))

    def miss(matcher: str, roles: Sequence[str], text: str) -> Miss:
        return Miss(matcher, None if owners.keys().isdisjoint(roles) else host.name, text)

    if match.roles is not None and not any(role in wanted for role in match.roles):
        yield miss("roles", match.roles, f"it is for {words.roles_not_held(real(match.roles))}")
    left_out = [role for role in match.not_roles if role in against]
    if left_out:
        yield miss("not_roles", left_out, f"it is not for {words.roles(real(left_out))}")


def _kind_miss(query: Query, rule: Rule) -> Iterator[Miss]:
    if isinstance(rule, DenyRule):
        if query.break_glass and rule.unless_break_glass:
            yield Miss("break_glass", None, "it does not apply to break-glass access")
    elif query.break_glass != (rule.break_glass is not None):
        yield Miss("break_glass", None, f"it is for {'normal' if query.break_glass else 'break-glass'} access only")


def _host_misses(match: Matchers, host: Host, *, lacking_matches: bool) -> Iterator[Miss]:
    misses = [tuple(_label_misses(labels, host, lacking_matches=lacking_matches)) for labels in match.hosts or ()]
    if len(misses) == 1:
        yield from misses[0]
    elif misses and all(misses):
        has = f"{host.name} has {words.pairs(host.labels)}"
        yield Miss("hosts", host.name, f"it is for {words.hosts(match.hosts or ())}; {has}")


def _label_misses(labels: HostLabels, host: Host, *, lacking_matches: bool) -> Iterator[Miss]:
    for label, values in labels:
        value = host.by_label.get(label)
        if value is None and not lacking_matches:
            yield Miss("hosts", host.name, f"{host.name} has no label {label}")
        elif value is not None and value not in values:
            yield Miss("hosts", host.name, f"it is for {label}={' or '.join(values)}, {host.name} has {label}={value}")


def _login_miss(query: Query, match: Matchers, rule: Rule) -> Iterator[Miss]:
    if match.logins is None:
        return
    accepted = {query.unix_name if login == OWN else login for login in match.logins} - {None}
    # An open login is chosen by the rule that allows; a deny on logins waits until it is chosen.
    chosen_later = query.login is None and not isinstance(rule, DenyRule) and bool(accepted)
    if not chosen_later and query.login not in accepted:
        unnamed = "and no login is chosen" if isinstance(rule, DenyRule) else "and there is none"
        other = unnamed if query.login is None else f"not {query.login}"
        yield Miss("logins", None, f"it is for {words.logins(match.logins)}, {other}")
