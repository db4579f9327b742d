"""What one policy gives to whom on which hosts, at some time or other.

The policy's own index is asked, as ``evaluate`` asks it, but for the clock: every rule is listed that decides at some
time of a week, and denies that hold only at times are named and do not refuse. Hosts that no rule can tell apart are
asked about once, and so are people who hold the same roles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sshjit.policy import Host, Policy
from sshjit.policy.index import members
from sshjit.policy.model import COMMAND, OWN, SHELL, AllowRule, DenyRule, Rule
from sshjit.policy.query import Query, denies_at_any_time, usable_unix_name
from sshjit.policy.roles import role_ends
from sshjit_ca.report import wording
from sshjit_ca.report.people import Claims
from sshjit_ca.report.week import Week

OTHER = "(another)"
"""Instead of a label's value that no rule names."""
SOMEBODY = "own-name"
"""A Unix name that stands for everybody's own one, where no rule names one of these."""
_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule gives, in words. ``until`` is when the last role that gives it ends."""

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
    """All that policy can tell of a person: roles with their ends, and the Unix name if it matters."""

    held: tuple[tuple[str, int | None], ...]
    own: str | None


def of(
    policy: Policy, people: Mapping[str, Iterable[Claims]], owners: Mapping[str, str], hosts: Iterable[Host], now: int
) -> list[Line]:
    """The lines of a policy that came into force at ``now``. ``owners`` says whose each Unix name is."""
    groups, week = _host_groups(policy, hosts), Week(policy, now)
    found: dict[tuple[Terms, frozenset[str], tuple[str, ...], tuple[str, ...]], set[str]] = defaultdict(set)
    for profile, subjects in _profiles(policy, people, owners, now).items():
        for terms, labels, logins, actions in _of_profile(policy, profile, groups, week):
            found[terms, labels, logins, actions].update(subjects)
    by_label = {_shown(labels): ids for labels, (_, ids) in groups.items()}
    return [
        Line(
            terms, frozenset(subjects), frozenset().union(*(by_label[each] for each in labels)), labels, logins, actions
        )
        for (terms, labels, logins, actions), subjects in found.items()
    ]


def _profiles(
    policy: Policy, people: Mapping[str, Iterable[Claims]], owners: Mapping[str, str], now: int
) -> dict[_Profile, set[str]]:
    named = {login for rule in policy.named.values() for login in rule.match.logins or ()}
    named |= {login for rule in policy.denies for login in rule.match.logins or ()}
    found: dict[_Profile, set[str]] = defaultdict(set)
    for subject, several in people.items():
        for claims in several:
            person = claims.subject(subject)
            held = tuple(sorted(role_ends(policy, person, now).items()))
            own = usable_unix_name(person)
            if own is not None and owners.get(own) != subject:
                own = None
            if held:
                found[_Profile(held, own if own is None or own in named else SOMEBODY)].add(subject)
    return found


def _host_groups(policy: Policy, hosts: Iterable[Host]) -> dict[_Labels, tuple[Host, frozenset[str]]]:
    """Hosts by those labels that rules look at, each group with one that stands for all."""
    named: dict[str, set[str]] = defaultdict(set)
    every: tuple[Rule, ...] = (*policy.denies, *policy.named.values())
    for rule in every:
        for label, values in rule.match.hosts or ():
            named[label].update(values)
    found: dict[_Labels, set[str]] = defaultdict(set)
    for host in hosts:
        seen = [(label, value if value in named[label] else OTHER) for label, value in host.labels if label in named]
        found[tuple(sorted(seen))].add(host.id)
    return {labels: (Host("", "", labels), frozenset(ids)) for labels, ids in found.items()}


def _shown(labels: _Labels) -> str:
    return " ".join(f"{label}={value}" for label, value in labels) or "no label that a rule names"


def _of_profile(
    policy: Policy, profile: _Profile, groups: Mapping[_Labels, tuple[Host, frozenset[str]]], week: Week
) -> Iterator[tuple[Terms, frozenset[str], tuple[str, ...], tuple[str, ...]]]:
    """Terms, labels of the hosts, logins and actions: everything that these roles come to."""
    gives: dict[tuple[Terms, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for labels, (host, _) in groups.items():
        for broken in (False, True):
            for action in (SHELL, COMMAND, *policy.actions):
                query = Query(policy, dict(profile.held), profile.own, [host], None, action, broken, 0)
                for terms, login in _of_query(query, week):
                    gives[terms, _shown(labels)][action].add(login)
    merged: dict[tuple[Terms, tuple[str, ...], tuple[str, ...]], set[str]] = defaultdict(set)
    for (terms, shown), by_action in gives.items():
        by_logins: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for action, logins in by_action.items():
            by_logins[tuple(sorted(logins))].append(action)
        for names, actions in by_logins.items():
            merged[terms, names, tuple(actions)].add(shown)
    for (terms, names, wanted), places in merged.items():
        yield terms, frozenset(places), names, wanted


def _of_query(query: Query, week: Week) -> Iterator[tuple[Terms, str]]:
    """Each rule that may decide for the query's host and action, with each login that it gives."""
    index = query.allow_index
    (host,) = query.hosts
    open_to = index.for_roles(query.roles) & index.for_action(query.action) & index.for_host(host.by_label)
    named = {login for number in members(open_to) for login in query.allows[number].match.logins or ()}
    for shown in named:
        login = query.unix_name if shown == OWN else shown
        if login is None or (shown != OWN and login == query.unix_name and OWN in named):
            continue
        asked = Query(
            query.policy, query.roles, query.unix_name, query.hosts, login, query.action, query.break_glass, 0
        )
        denies = [query.policy.denies[number] for number in members(denies_at_any_time(asked))]
        for rule in _deciding(query, open_to & index.for_login(login, query.unix_name), denies, week):
            suspended = [deny for deny in denies if week.of(deny.match.schedule) & week.of(rule.match.schedule)]
            yield _terms(query, rule, suspended), OWN if login == query.unix_name == SOMEBODY else login


def _deciding(query: Query, rules: int, denies: list[DenyRule], week: Week) -> Iterator[AllowRule]:
    """Those of the rules that decide at some time: that no deny and no earlier rule always comes before."""
    left = week.whole
    for deny in denies:
        left &= ~week.of(deny.match.schedule)
    for number in members(rules):
        rule = query.allows[number]
        if left & week.of(rule.match.schedule):
            yield rule
        left &= ~week.of(rule.match.schedule)


def _terms(query: Query, rule: AllowRule, denies: list[DenyRule]) -> Terms:
    ends = [query.roles[role] for role in rule.match.roles or () if role in query.roles]
    lasting = [end for end in ends if end is not None]
    return Terms(
        rule.name,
        wording.kind(rule),
        wording.approvals(rule),
        wording.requirements(rule),
        wording.hours(rule, denies),
        rule.grant,
        max(lasting) if lasting and len(lasting) == len(ends) else None,
    )
