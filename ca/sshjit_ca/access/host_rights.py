"""Who gains and who loses what, where hosts come, go, or get other labels: over a week, as policy of now has it.

People are all who signed in lately. People with the same roles, and hosts that change in the same way, are looked at
once. Reasons, approvals and second factors are terms that anybody could meet; they make no difference here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace

from sshjit.ca_protocol.inventory import HostRight
from sshjit.policy.analysis import Access, Holder, PolicyOverTime, Timeline
from sshjit.policy.model import COMMAND, OWN, SHELL
from sshjit.policy.types import Bastion
from sshjit.policy.types import Host as PolicyHost
from sshjit_ca.context import LATELY, Context
from sshjit_ca.state import locks


@dataclass(frozen=True, slots=True)
class Seen:
    """What policy sees of a host: its labels, and the bastion before it."""

    labels: tuple[tuple[str, str], ...]
    bastion: Bastion | None = None


@dataclass(frozen=True, slots=True)
class HostDifference:
    """A host before and after; ``None``: it is not enrolled."""

    host: str
    before: Seen | None
    after: Seen | None


def compare(context: Context, changes: Iterable[HostDifference]) -> tuple[HostRight, ...]:
    """What people gain and lose by these changes; hosts and people of one kind in one row."""
    alike: dict[tuple[Seen | None, Seen | None], list[str]] = {}
    for change in changes:
        if change.before != change.after:
            alike.setdefault((change.before, change.after), []).append(change.host)
    if not alike:
        return ()
    rules = PolicyOverTime(context.policy, Timeline((context.policy,), context.now))
    merged: dict[HostRight, list[str]] = {}
    for holder, people in _people(context, rules):
        for (before, after), hosts in alike.items():
            for right in _rights(rules, holder, before, after):
                merged.setdefault(replace(right, people=people), []).extend(hosts)
    rights = [replace(right, hosts=tuple(sorted(hosts))) for right, hosts in merged.items()]
    return tuple(sorted(rights, key=lambda each: (not each.gains, each.hosts, each.login, each.action, each.people)))


def _people(context: Context, rules: PolicyOverTime) -> list[tuple[Holder, tuple[str, ...]]]:
    """Everybody who signed in lately and is not locked, those with the same roles and account together."""
    state, alike = context.state, dict[Hashable, tuple[Holder, list[str]]]()
    for subject, login_id in state.newest_login.items():
        login = state.logins[login_id]
        if context.now - login.time >= LATELY or locks.person_locked(state, subject):
            continue
        holder = rules.holder(context.policy_subject(login))
        roles = tuple((era, tuple(sorted(held))) for era, held in holder.roles.items())
        kind = (holder.unix_name, roles, holder.denied_roles, holder.workload)
        alike.setdefault(kind, (holder, []))[1].append(login.opened.email or login.opened.name)
    return [(holder, tuple(sorted(people))) for holder, people in alike.values()]


def _rights(rules: PolicyOverTime, holder: Holder, before: Seen | None, after: Seen | None) -> Iterator[HostRight]:
    hosts = [None if seen is None else PolicyHost("", "", seen.labels, seen.bastion) for seen in (before, after)]
    for break_glass in (False, True):
        for action in (SHELL, COMMAND, *rules.policy.actions):
            there = [host for host in hosts if host is not None]
            logins = frozenset[str]().union(
                *(rules.logins(holder, host, action, break_glass=break_glass) for host in there)
            )
            for login in sorted(logins):
                account = holder.unix_name if login == OWN else login
                if account is not None:
                    yield from _difference(rules, holder, hosts, (account, action), break_glass=break_glass)


def _difference(
    rules: PolicyOverTime,
    holder: Holder,
    hosts: list[PolicyHost | None],
    what: tuple[str, str],
    *,
    break_glass: bool,
) -> Iterator[HostRight]:
    login, action = what
    when, names = [0, 0], [dict[str, None](), dict[str, None]()]
    for side, host in enumerate(hosts):
        if host is None:
            continue
        for rule, stretches in rules.decisions(Access(holder, host, login, action, break_glass)):
            when[side] |= stretches
            names[side][rule.name] = None
    for gains, side in ((True, 1), (False, 0)):
        if when[side] & ~when[1 - side]:
            yield HostRight(gains, (), (), login, action, break_glass, tuple(names[side]))
