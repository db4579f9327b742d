"""Warnings about rules beside which a laxer one decides: outside their hours, or for a host without a label.

That is how the first match works, and rarely what was meant. Only what is certain is a warning: the laxer rule matches
everything that the other one would, at any time; no rule between them comes into it; and there is a time that neither
the other rule nor a deny which may come into it takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

from sshjit.approvals import covers as approvals_cover
from sshjit.policy import Policy, words
from sshjit.policy.analysis import Timeline
from sshjit.policy.limits import no_more
from sshjit.policy.model import CLIENT, OWN, AllowRule, DenyRule, HostLabels, Matchers
from sshjit.policy.networks import within
from sshjit.policy.owners import MARK, written_out
from sshjit.policy.schedule import Schedule
from sshjit_client.policy.covering import covers, is_always

Laxer = tuple[int, str, str]
"""The number of a rule, the key that is to be looked at, and the warning."""


def fall_through(policy: Policy, rules: Sequence[AllowRule], now: int) -> Iterator[Laxer]:
    """The warnings about the rules of one kind, in file order; ``now`` is in seconds since the epoch."""
    by_role, by_login = _numbers(policy, rules, "roles"), _numbers(policy, rules, "logins")
    times = _Times(policy, now)
    for number, rule in enumerate(rules):
        roles = rule.match.roles or ()
        people = written_out(policy.owners, roles)
        near = [_sharing(by_role, (*people, *roles)), _sharing(by_login, (*(rule.match.logins or ()), OWN))]
        some = near[0] if OWN in (rule.match.logins or ()) else min(near, key=len)
        later = sorted(each for each in some if each > number)
        for key, where, match in _left_over(policy, rule, people) if later else ():
            asks = _laxer(rule, match, rules, later)
            if asks:
                closed = [deny.match.schedule for deny in policy.denies if _may_forbid(deny, rule, match)]
                if key == "hours":
                    closed.append(rule.match.schedule)
                if times.are_left_by(closed):
                    yield number, key, f"{where} {asks}"


def _left_over(policy: Policy, rule: AllowRule, people: tuple[str, ...]) -> Iterator[tuple[str, str, Matchers]]:
    """What the rule may leave to a later one: the key that does, the words for it, and the matchers without that key.

    ``people`` are the roles of the rule, those of the owners one by one.
    """
    if rule.match.schedule is not None:
        yield "hours", "outside its time", rule.match
    if _of_some(policy, rule):
        yield "roles", "for a host that is not theirs", replace(rule.match, roles=people)
    for label in _optional_labels(policy, rule):
        where = f'for a host without the label "{label}", which is not required,'
        yield "hosts", where, replace(rule.match, hosts=_without(label, rule.match.hosts or ()))


class _Times:
    """When rules and denies match, from ``now`` on (seconds since the epoch); looked at only if a warning needs it."""

    def __init__(self, policy: Policy, now: int) -> None:
        self._policy = policy
        self._now = now

    @cached_property
    def _timeline(self) -> Timeline:
        return Timeline([self._policy], self._now)

    def are_left_by(self, closed: Sequence[Schedule | None]) -> bool:
        """Whether there is a time at which nothing of these schedules matches; ``None`` matches always."""
        if not closed:
            return True
        taken = 0
        for schedule in closed:
            taken |= self._timeline.open_during(schedule)
        return taken != self._timeline.open_during(None)


def _may_forbid(deny: DenyRule, rule: AllowRule, match: Matchers) -> bool:
    """Whether a deny may forbid all that ``rule`` leaves, in its time: not if it is about some networks alone."""
    spared = deny.unless_break_glass and rule.break_glass is not None
    return not spared and deny.match.networks is None and _overlap(deny.match, match)


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
        "post_quantum": other.post_quantum or not rule.post_quantum,
        "post_quantum_key": other.post_quantum_key or not rule.post_quantum_key,
        "limits": no_more(rule.limits.person, other.limits.person) and no_more(rule.limits.rule, other.limits.rule),
        "networks": _within(other.networks, rule.networks),
        "source": _sources_as_much(rule, other),
    }
    return [key for key, as_much in compared.items() if not as_much]


def _reasons_as_much(rule: AllowRule, other: AllowRule) -> bool:
    """Whether the other rule also wants a reason, and one of a certain form if this one does.

    Two patterns that differ count as the same: which of them more reasons meet cannot be decided.
    """
    if rule.reason is None or other.reason is None:
        return rule.reason is None
    return rule.reason.pattern is None or other.reason.pattern is not None


def _within(inner: Sequence[str], outer: Sequence[str]) -> bool:
    """Whether the networks are part of the others, of which none means anywhere."""
    return not outer or (bool(inner) and within(inner, outer))


def _sources_as_much(rule: AllowRule, other: AllowRule) -> bool:
    """Whether certificates of the other rule hold from no more addresses.

    ``client`` is one address, of the rule's networks. A source that is the rule's networks says nothing beside them.
    """
    if rule.source in (other.source, rule.networks):
        return True
    if rule.source == (CLIENT,):
        return False
    return _within(other.networks if other.source == (CLIENT,) else other.source, rule.source)


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
