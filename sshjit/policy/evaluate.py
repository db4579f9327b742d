"""The decision: may this person have this, on which terms, and if not, why not.

1. Any deny that matches any of the hosts decides.
2. Then, for each host, the first allow that matches in file order; all hosts must fall under the same one.
3. What that rule requires is checked once: what is not met is a refusal or a step-up; the next rule is never tried.

Break-glass asks are decided by the break-glass rules instead of the allow rules, and denies with ``unless_break_glass``
do not apply to them. For access that begins later, the hours, denies and roles at its beginning decide; what the rule
requires of the sign-in is checked now. If the ask names no login, the rule chooses it, and denies look at the chosen
one. A deny on a label matches a host that lacks the label, so that no host escapes it; an allow does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sshjit.policy.approval_steps import asked_steps
from sshjit.policy.compiled import Policy
from sshjit.policy.model import AllowRule
from sshjit.policy.query import (
    Query,
    ask_query,
    choose_login,
    deciding_deny,
    denies_at_any_time,
    denies_to_come,
    first_allows,
    make_query,
    with_login,
)
from sshjit.policy.refusals import denied_by, different_rules, malformed, no_rule
from sshjit.policy.requirements import apply_requirements
from sshjit.policy.types import NO_FACTS, Ask, Denied, Facts, Host, Outcome, Subject


def evaluate(
    policy: Policy, subject: Subject, hosts: Sequence[Host], ask: Ask, now: int, *, facts: Facts = NO_FACTS
) -> Outcome:
    """What the policy says to ``subject`` asking ``ask`` for ``hosts`` at ``now`` (seconds since the epoch)."""
    refusal = malformed(policy, hosts, ask, now)
    if refusal is not None:
        return refusal
    query = ask_query(policy, subject, hosts, ask, now)
    numbers = first_allows(query)
    rule = common_rule(query, numbers)
    if rule is not None:
        query = with_login(query, query.login or choose_login(rule, query.unix_name))
    refusal = unmatched(query, numbers)
    if refusal is not None:
        return refusal
    if rule is None or query.login is None:
        return different_rules(query, [query.allows[number] for number in numbers if number is not None])
    ends = window_end(query, rule)
    steps = asked_steps(query, rule) if policy.owners else rule.approvals
    return apply_requirements(
        policy, rule, subject, hosts, ask, steps=steps, login=query.login, ends=ends, facts=facts, now=now
    )


def ends_by(
    policy: Policy,
    subject: Subject,
    hosts: Sequence[Host],
    *,
    login: str,
    action: str,
    break_glass: bool,
    now: int,
    address: str | None = None,
) -> int | None:
    """When a window that begins at ``now`` must be over: ``Terms.ends_by``, computed again when it begins.

    Seconds since the epoch; ``None`` if nothing ends it, or if no rule matches any more (ask ``reevaluate``).
    """
    query = make_query(
        policy, subject, hosts, login=login, action=action, break_glass=break_glass, now=now, address=address
    )
    numbers = first_allows(query)
    ends = [window_end(query, query.allows[number]) for number in set(numbers) if number is not None]
    return min((end for end in ends if end is not None), default=None)


def common_rule(query: Query, numbers: Sequence[int | None]) -> AllowRule | None:
    """The rule under which all hosts fall, by the numbers of ``first_allows``; ``None`` if there is none."""
    number = numbers[0]
    return query.allows[number] if number is not None and len(set(numbers)) == 1 else None


def unmatched(query: Query, numbers: Sequence[int | None]) -> Denied | None:
    """The refusal by a deny, else for the first host that no rule allows."""
    deny = deciding_deny(query)
    if deny is not None:
        return denied_by(query, deny)
    return next((no_rule(query, host) for host, n in zip(query.hosts, numbers, strict=True) if n is None), None)


def window_end(query: Query, rule: AllowRule) -> int | None:
    """The earliest of: the rule's hours close, a deny's begin, the last of the person's roles in the rule ends."""
    closes = None if rule.match.schedule is None else rule.match.schedule.closes(query.now)
    ends = kept_until(query, rule.match.roles or ())
    return ends if closes is None else closes if ends is None else min(closes, ends)


def kept_until(query: Query, roles: Sequence[str]) -> int | None:
    """The earliest of: a deny begins, the last of those of ``roles`` that the person holds ends; whatever the rule."""
    index = query.deny_index
    opens = index.opens(query.now, denies_at_any_time(query)) if index.timed else None
    if index.spares:
        for begins in denies_to_come(query):
            opens = begins if opens is None else min(opens, begins)
    if query.policy.owners:
        ends = (_held_until(query.ends_on(host), roles) for host in query.hosts)
        last = min((end for end in ends if end is not None), default=None)
    else:
        last = _held_until(query.roles, roles)
    return opens if last is None else last if opens is None else min(opens, last)


def _held_until(held: Mapping[str, int | None], roles: Sequence[str]) -> int | None:
    """When the last of these roles ends that are held; ``None``: never."""
    ends = [held[role] for role in roles if role in held]
    return None if None in ends else max((end for end in ends if end is not None), default=None)
