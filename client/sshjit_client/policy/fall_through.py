"""Warnings about rules beside which a laxer one decides: outside their hours, or for a host without a label.

That is how the first match works, and rarely what was meant. Only what is certain is a warning: the laxer rule matches
everything that the other one would, at any time, and no rule between them and no deny comes into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from sshjit.approvals import covers as approvals_cover
from sshjit.policy import Policy, words
from sshjit.policy.limits import no_more
from sshjit.policy.model import OWN, AllowRule, HostLabels, Matchers
from sshjit.policy.owners import MARK, written_out
from sshjit_client.policy.covering import covers, is_always

Laxer = tuple[int, str, str]
"""The number of a rule, the key that is to be looked at, and the warning."""


def fall_through(policy: Policy, rules: Sequence[AllowRule]) -> Iterator[Laxer]:
    """The warnings about the rules of one kind, in file order."""
    by_role, by_login = _numbers(policy, rules, "roles"), _numbers(policy, rules, "logins")
    for number, rule in enumerate(rules):
        roles = rule.match.roles or ()
        people = written_out(policy.owners, roles)
        near = [_sharing(by_role, (*people, *roles)), _sharing(by_login, (*(rule.match.logins or ()), OWN))]
        some = near[0] if OWN in (rule.match.logins or ()) else min(near, key=len)
        later = sorted(each for each in some if each > number)
        if not later or any(_may_cover(deny.match) and _overlap(deny.match, rule.match) for deny in policy.denies):
            continue
        if rule.match.schedule is not None:
            asks = _laxer(rule, rule.match, rules, later)
            if asks:
                yield number, "hours", f"outside its time {asks}"
        if _of_some(policy, rule):
            asks = _laxer(rule, replace(rule.match, roles=people), rules, later)
            if asks:
                yield number, "roles", f"for a host that is not theirs {asks}"
        for label in _optional_labels(policy, rule):
            asks = _laxer(rule, replace(rule.match, hosts=_without(label, rule.match.hosts or ())), rules, later)
            if asks:
                yield number, "hosts", f'for a host without the label "{label}", which is not required, {asks}'


def _may_cover(deny: Matchers) -> bool:
    """Whether a deny may forbid all that is left: not if it passes, or is about some networks alone."""
    passes = deny.schedule is not None and deny.schedule.last is not None
    return not passes and deny.networks is None


def _of_some(policy: Policy, rule: AllowRule) -> bool:
    """Whether the rule is about owners, and about hosts of more than one of them."""
    tables = [policy.owners[role] for role in rule.match.roles or () if role in policy.owners]
    named = {label for labels in rule.match.hosts or () for label, _ in labels}
    return any(len(set(owners.roles.values())) > 1 and owners.label not in named for owners in tables)


def _numbers(policy: Policy, rules: Sequence[AllowRule], matcher: Literal["roles", "logins"]) -> dict[str, list[int]]:
    """The rules by what their matcher accepts; by roles, those of all owners are among them."""
    numbers: dict[str, list[int]] = {}
    for number, rule in enumerate(rules):
        values = getattr(rule.match, matcher) or ()
        for value in dict.fromkeys((*values, *written_out(policy.owners, values))):
            numbers.setdefault(value, []).append(number)
    return numbers


def _sharing(numbers: Mapping[str, list[int]], values: Iterable[str]) -> set[int]:
    return {number for value in values for number in numbers.get(value, ())}


def _laxer(rule: AllowRule, match: Matchers, rules: Sequence[AllowRule], later: Sequence[int]) -> str:
    """That the next rule which matches all of this asks for less; empty if it does not, or if that is not certain."""
    for number in later:
        other = rules[number]
        if covers(other.match, replace(match, schedule=None)) and (
            other.match.schedule is None or is_always(other.match.schedule)
        ):
            less = _less(rule, other)
            return f'rule "{other.name}" decides, which asks for less: {words.listed(less)}' if less else ""
        if _overlap(other.match, match):
            return ""
    return ""


def _less(rule: AllowRule, other: AllowRule) -> list[str]:
    """What ``rule`` requires and ``other`` does not, or not so much of."""
    fresh, others = rule.fresh_login, other.fresh_login
    compared = {
        "approvals": approvals_cover(other.approvals, rule.approvals),
        "reason": _reasons_as_much(rule, other),
        "ticket": rule.ticket is None
        or (
            other.ticket is not None
            and other.ticket.name == rule.ticket.name
            and (rule.ticket_down_allows or not other.ticket_down_allows)
        ),
        "fresh_login": fresh is None or (others is not None and others <= fresh),
        "mfa": other.mfa or not rule.mfa,
        "hardware_key": other.hardware_key or not rule.hardware_key,
        "signed_request": other.signed_request or not rule.signed_request,
        "limits": no_more(rule.limits.person, other.limits.person) and no_more(rule.limits.rule, other.limits.rule),
        "networks": not rule.networks or bool(other.networks),
    }
    return [key for key, as_much in compared.items() if not as_much]


def _reasons_as_much(rule: AllowRule, other: AllowRule) -> bool:
    """Whether the other rule also wants a reason, and one of a certain form if this one does."""
    if rule.reason is None or other.reason is None:
        return rule.reason is None
    return rule.reason.pattern is None or other.reason.pattern is not None


def _optional_labels(policy: Policy, rule: AllowRule) -> list[str]:
    """The labels that every alternative of the rule looks at, and that a host need not have."""
    alternatives = [dict(labels).keys() for labels in rule.match.hosts or ()]
    shared = set(alternatives[0]).intersection(*alternatives) if alternatives else set[str]()
    return sorted(label for label in shared if not policy.labels[label].required)


def _without(label: str, hosts: Sequence[HostLabels]) -> tuple[HostLabels, ...]:
    return tuple(tuple(each for each in labels if each[0] != label) for labels in hosts)


def _overlap(one: Matchers, other: Matchers) -> bool:
    """Whether the two may match one ask, whatever the time."""
    return (
        _roles_meet(one.roles, other.roles)
        and _meet(one.logins, other.logins)
        and _meet(one.actions, other.actions)
        and any(_hosts_meet(a, b) for a in one.hosts or ((),) for b in other.hosts or ((),))
    )


def _roles_meet(one: Sequence[str] | None, other: Sequence[str] | None) -> bool:
    """Owners may have any role."""
    return _meet(one, other) or any(role.startswith(MARK) for role in (*(one or ()), *(other or ())))


def _meet(one: Sequence[str] | None, other: Sequence[str] | None) -> bool:
    """Logins that differ may be one all the same: somebody's own name may be any."""
    return one is None or other is None or not {*one}.isdisjoint(other) or OWN in one or OWN in other


def _hosts_meet(one: HostLabels, other: HostLabels) -> bool:
    values = dict(one)
    return all(label not in values or not set(values[label]).isdisjoint(some) for label, some in other)
