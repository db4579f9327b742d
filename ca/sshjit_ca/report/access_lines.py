"""What one policy gives to whom on which hosts, as lines of a table.

A rule is listed if it decides at some time of a week (``sshjit.policy.analysis``) for a request from somewhere. Denies
that hold only at times, or only from some places, are named and do not remove a line. Hosts that no rule can tell apart
are looked at once, and so are people who hold the same roles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from sshjit import durations
from sshjit.names import lowered
from sshjit.policy import Bastion, Host, Policy, words
from sshjit.policy.analysis import WEEK, Access, Holder, PolicyOverTime, Timeline
from sshjit.policy.limits import limits_text
from sshjit.policy.model import CLIENT, COMMAND, NO_LIMITS, OWN, SHELL, AllowRule, DenyRule, Rule
from sshjit.policy.networks import one_of_each
from sshjit.policy.owners import ends_on
from sshjit.policy.query import usable_unix_name
from sshjit.policy.roles import denied_roles, role_ends
from sshjit_ca.report.people import Claims

OTHER = "(another)"
"""Instead of a label's value that no rule names."""
SOMEBODY = "own-name"
"""A Unix name that stands for everybody's, where no rule names one of them."""
_DAY = 24 * 3600
_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule gives, in words. ``window`` is in seconds; ``until`` is when the last role that gives it ends."""

    rule: str
    kind: str
    approvals: tuple[str, ...]
    requirements: tuple[str, ...]
    hours: str
    window: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """What these people (subjects) get on these hosts (ids), as each of these logins, for each of these actions."""

    terms: Terms
    people: frozenset[str]
    hosts: frozenset[str]
    labels: frozenset[str]
    logins: tuple[str, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Profile:
    """All that policy can tell of a person: roles with their ends, those that denies look at, a name that matters."""

    roles: tuple[tuple[str, int | None], ...]
    denied_roles: frozenset[str]
    unix_name: str | None
    workload: bool = False


_Right = tuple[Terms, frozenset[str], tuple[str, ...], tuple[str, ...]]
"""Terms, labels of the hosts, logins and actions."""


def access_lines(
    policy: Policy, people: Mapping[str, Iterable[Claims]], owners: Mapping[str, str], hosts: Iterable[Host], now: int
) -> list[Line]:
    """The lines of a policy that came into force at ``now``. ``owners`` says whose each Unix name is."""
    # A day more than a week: so a span that begins in the week is looked at to its end.
    over_time = PolicyOverTime(policy, Timeline([policy], now, length=WEEK + _DAY, dated=False))
    groups = _host_groups(policy, hosts)
    subjects_of: dict[_Right, set[str]] = defaultdict(set)
    for profile, subjects in _profiles(policy, people, owners, now).items():
        for right in _rights(over_time, profile, groups):
            subjects_of[right].update(subjects)
    return [
        Line(
            terms,
            frozenset(subjects),
            frozenset().union(*(groups[text][1] for text in labels)),
            labels,
            logins,
            actions,
        )
        for (terms, labels, logins, actions), subjects in subjects_of.items()
    ]


def _profiles(
    policy: Policy, people: Mapping[str, Iterable[Claims]], owners: Mapping[str, str], now: int
) -> dict[_Profile, set[str]]:
    rules: tuple[Rule, ...] = (*policy.named.values(), *policy.denies)
    named = {login for rule in rules for login in rule.match.logins or ()}
    profiles: dict[_Profile, set[str]] = defaultdict(set)
    for subject_id, several in people.items():
        for claims in several:
            subject = claims.subject(subject_id)
            roles = tuple(sorted(role_ends(policy, subject, now).items()))
            unix_name = usable_unix_name(policy, subject)
            if unix_name is not None and owners.get(lowered(unix_name)) != subject_id:
                unix_name = None
            if unix_name is not None and unix_name not in named:
                unix_name = SOMEBODY
            if roles:
                workload = subject.claims is not None
                profiles[_Profile(roles, denied_roles(policy, subject), unix_name, workload)].add(subject_id)
    return profiles


def _host_groups(policy: Policy, hosts: Iterable[Host]) -> dict[str, tuple[Host, frozenset[str]]]:
    """Hosts by the labels that rules look at, each group with one host that stands for all."""
    named: dict[str, set[str]] = defaultdict(set)
    every: tuple[Rule, ...] = (*policy.denies, *policy.named.values())
    for rule in every:
        for label, values in chain.from_iterable(rule.match.hosts or ()):
            named[label].update(values)
    for owners in policy.owners.values():
        named[owners.label].update(owners.roles)
    alike: dict[tuple[_Labels, Bastion | None], set[str]] = defaultdict(set)
    for host in hosts:
        seen = [(label, value if value in named[label] else OTHER) for label, value in host.labels if label in named]
        alike[tuple(sorted(seen)), host.bastion].add(host.id)
    return {
        _group_text(labels, bastion): (Host("", "", labels, bastion), frozenset(ids))
        for (labels, bastion), ids in alike.items()
    }


def _group_text(labels: _Labels, bastion: Bastion | None) -> str:
    text = " ".join(f"{label}={value}" for label, value in labels) or "no label that a rule names"
    return text if bastion is None else f"{text}, via {bastion.login}@{bastion.host.name}"


def _rights(
    policy: PolicyOverTime, profile: _Profile, groups: Mapping[str, tuple[Host, frozenset[str]]]
) -> Iterator[_Right]:
    """All rights that these roles give."""
    logins_by_action: dict[tuple[Terms, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for text, (host, _) in groups.items():
        for break_glass in (False, True):
            for action in (SHELL, COMMAND, *policy.policy.actions):
                for terms, login in _allowed(policy, profile, host, action, break_glass=break_glass):
                    logins_by_action[terms, text][action].add(login)
    labels_of: dict[tuple[Terms, tuple[str, ...], tuple[str, ...]], set[str]] = defaultdict(set)
    for (terms, labels_text), by_action in logins_by_action.items():
        by_logins: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for action, logins in by_action.items():
            by_logins[tuple(sorted(logins))].append(action)
        for names, actions in by_logins.items():
            labels_of[terms, names, tuple(actions)].add(labels_text)
    for (terms, names, some_actions), texts in labels_of.items():
        yield terms, frozenset(texts), names, some_actions


def _allowed(
    policy: PolicyOverTime, profile: _Profile, host: Host, action: str, *, break_glass: bool
) -> Iterator[tuple[Terms, str]]:
    """Each rule that decides at some time for the host and action, with each login that it gives."""
    roles = dict(profile.roles)
    eras = dict.fromkeys(policy.timeline.eras, roles)
    holder = Holder(profile.unix_name, eras, profile.denied_roles, workload=profile.workload)
    named = policy.logins(holder, host, action, break_glass=break_glass)
    for written in named:
        login = profile.unix_name if written == OWN else written
        if login is None or (written != OWN and login == profile.unix_name and OWN in named):
            continue
        access = Access(holder, host, login, action, break_glass)
        denies = policy.denies(access)
        for rule in _deciding(policy, access, denies):
            hours = policy.timeline.open_during(rule.match.schedule)
            suspending = [deny for deny in denies if policy.timeline.open_during(deny.match.schedule) & hours]
            there = ends_on(policy.policy.owners, roles, host.by_label)
            yield _terms(rule, there, suspending), OWN if login == profile.unix_name == SOMEBODY else login


def _deciding(policy: PolicyOverTime, access: Access, denies: Iterable[DenyRule]) -> Iterable[AllowRule]:
    """Each rule that decides at some time for a request from somewhere; ``denies`` are those that match from anywhere.

    A deny on networks takes nothing away alone, since there is another place to ask from; several together may leave
    none.
    """
    cidrs = [cidr for deny in denies if deny.match.networks is not None for cidr in deny.match.networks.cidrs]
    places = one_of_each(cidrs) if cidrs else [None]
    return dict.fromkeys(rule for place in places for rule, _ in policy.decisions(replace(access, address=place)))


def _terms(rule: AllowRule, roles: Mapping[str, int | None], suspending: Iterable[DenyRule]) -> Terms:
    ends = [roles[role] for role in rule.match.roles or () if role in roles]
    lasting = [end for end in ends if end is not None]
    return Terms(
        rule.name,
        way(rule),
        approvals(rule),
        tuple(_requirements(rule)),
        _hours(rule, suspending),
        rule.grant,
        max(lasting) if lasting and len(lasting) == len(ends) else None,
    )


def way(rule: AllowRule) -> str:
    """By which way a rule gives access: ``allow`` or ``break-glass``."""
    return "allow" if rule.break_glass is None else "break-glass"


def approvals(rule: AllowRule) -> tuple[str, ...]:
    """Who must approve: ``1 of lead, signed``; ``none: at once``."""
    return tuple(words.step(step) for step in rule.approvals) or ("none: at once",)


def _requirements(rule: AllowRule) -> Iterator[str]:
    """What the rule requires besides approvals."""
    if rule.reason is not None:
        pattern = f" like {rule.reason.pattern.pattern}" if rule.reason.pattern else ""
        yield f"a reason{pattern}"
    if rule.ticket is not None:
        down = ", or that it does not answer" if rule.ticket_down_allows else ""
        yield f"a ticket that {rule.ticket.name} accepts{down}"
    if rule.fresh_login is not None:
        yield f"a sign-in of the last {durations.show(rule.fresh_login)}"
    if rule.mfa:
        yield "a second factor"
    if rule.hardware_key:
        yield "a registered hardware key"
    if rule.signed_request:
        yield "a request signed by the login's key"
    if text := words.post_quantum(rule):
        yield text
    yield from _places(rule)
    yield from _amounts(rule)
    if rule.forwarding:
        yield f"allows {', '.join(rule.forwarding)} forwarding"
    if rule.break_glass is not None:
        yield f"review within {durations.show(rule.break_glass.review_within)}"


def _amounts(rule: AllowRule) -> Iterator[str]:
    """How much the rule gives, how often, and for how long beyond its window."""
    yield f"at most {rule.max_hosts} host{'' if rule.max_hosts == 1 else 's'} at once"
    if rule.limits != NO_LIMITS:
        yield f"grants: {limits_text(rule.limits)}"
    if rule.extend is not None:
        times = f"{rule.extend.count} time{'' if rule.extend.count == 1 else 's'}"
        yield f"may be extended {times} by {durations.show(rule.extend.by)}"
    if rule.keep_open:
        yield "stays open whatever becomes of the rule and of the hosts' labels"


def _places(rule: AllowRule) -> Iterator[str]:
    if rule.networks:
        yield f"requests from {', '.join(rule.networks)}"
    if rule.source == (CLIENT,):
        yield "use from the address that asked"
    elif rule.source:
        yield f"use from {', '.join(rule.source)}"


def _hours(rule: AllowRule, suspending: Iterable[DenyRule]) -> str:
    """When the rule holds, and which denies suspend it at times."""
    always = "at any time" if rule.match.schedule is None else str(rule.match.schedule)
    return "; ".join([always, *(f"not {_when(deny)}, by {deny.name}" for deny in suspending)])


def _when(deny: DenyRule) -> str:
    """When, and from where, a deny suspends a rule."""
    return " ".join(str(each) for each in (deny.match.schedule, deny.match.networks) if each is not None)
