"""Who gains and who loses when one policy replaces another.

The comparison is over what rules give, not over one sign-in: every person of the inventory, every host, every login and
action that either policy names, at every hour of a week and after every date on which a role ends
(``sshjit.policy.analysis``). Reasons, second factors and fresh sign-ins are terms, which anybody could meet; they are
compared, and access never disappears because of them. People with the same roles, and hosts with the same labels, are
looked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from sshjit.policy import Host, Policy, Subject, permissions_of, roles_of
from sshjit.policy.analysis import Access, PolicyOverTime, Stretch, Timeline
from sshjit.policy.model import OWN, AllowRule, Rule
from sshjit.policy.query import usable_unix_name
from sshjit.policy.roles import denied_roles, role_ends
from sshjit_client.policy.inventory import Inventory
from sshjit_client.policy.schedule_text import time_text
from sshjit_client.policy.term_changes import Change, compare_terms

Kind = Literal["gains", "loses", "changes"]
Names = tuple[str, ...]
Rules = tuple[AllowRule | None, ...]
"""For each stretch of time the rule that allows, if one does."""
T = TypeVar("T")
KINDS: tuple[Kind, ...] = ("gains", "loses", "changes")


@dataclass(frozen=True, slots=True)
class Entry:
    """All these people gain, lose or have changed: all these logins and actions on all these hosts, at these times."""

    kind: Kind
    people: Names
    hosts: Names
    logins: Names
    actions: Names
    break_glass: bool
    when: str
    rules: tuple[str | None, str | None]
    """The rule before and after."""
    changed: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A role or a permission that a person gains or loses."""

    kind: Kind
    person: str
    what: str
    name: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is different between two policies, by digest."""

    old: str
    new: str
    entries: tuple[Entry, ...]
    standings: tuple[RoleChange, ...]

    @property
    def same(self) -> bool:
        """Whether nobody would notice the difference."""
        return not self.entries and not self.standings


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two policies, over the same time."""

    old: PolicyOverTime
    new: PolicyOverTime
    timeline: Timeline

    @property
    def both(self) -> tuple[PolicyOverTime, PolicyOverTime]:
        return self.old, self.new

    @property
    def policies(self) -> tuple[Policy, Policy]:
        return self.old.policy, self.new.policy


def compare(old: Policy, new: Policy, inventory: Inventory, start: int) -> Comparison:
    """Compares what two policies give the people of an inventory, from ``start`` (seconds since the epoch) on."""
    timeline = Timeline((old, new), start)
    pair = _Pair(PolicyOverTime(old, timeline), PolicyOverTime(new, timeline), timeline)
    subjects = {name: member.at(start) for name, member in inventory.people.items()}
    people = _alike(subjects, lambda who: _kind_of_person(pair, who))
    hosts = _alike(inventory.hosts, lambda host: host.labels)
    entries = [
        replace(entry, people=names, hosts=tuple(host.name for host in alike))
        for names in people
        for alike in ([inventory.hosts[name] for name in group] for group in hosts)
        for entry in _entries(pair, subjects[names[0]], alike[0])
    ]
    return Comparison(old.digest, new.digest, tuple(_merged(entries)), tuple(_role_changes(pair, subjects, start)))


def _alike(things: Mapping[str, T], key: Callable[[T], Hashable]) -> list[Names]:
    """The names of ``things``, grouped by ``key``."""
    groups: dict[Hashable, list[str]] = {}
    for name, thing in things.items():
        groups.setdefault(key(thing), []).append(name)
    return [tuple(names) for names in groups.values()]


def _kind_of_person(pair: _Pair, who: Subject) -> Hashable:
    """What matters to either policy about a person: roles with their ends, those that denies look at, the Unix name."""
    denied = tuple(denied_roles(policy, who) for policy in pair.policies)
    roles = tuple(tuple(sorted(role_ends(policy, who, 0).items(), key=str)) for policy in pair.policies)
    unix_names = tuple(usable_unix_name(policy, who) for policy in pair.policies)
    named = _named_logins(pair)
    return roles, denied, tuple(name if name in named else name is not None for name in unix_names)


def _granting(pair: _Pair, *, break_glass: bool) -> Iterator[AllowRule]:
    for policy in pair.policies:
        yield from policy.break_glass if break_glass else policy.allows


def _named_logins(pair: _Pair) -> frozenset[str]:
    denies = [deny for policy in pair.policies for deny in policy.denies]
    rules: list[Rule] = [*denies, *_granting(pair, break_glass=False), *_granting(pair, break_glass=True)]
    return frozenset(login for rule in rules for login in rule.match.logins or ()) - {OWN}


def _entries(pair: _Pair, who: Subject, host: Host) -> Iterator[Entry]:
    """What one person gains, loses or has changed on one host."""
    before, after = (policy.holder(who) for policy in pair.both)
    for break_glass in (False, True):
        rules = list(_granting(pair, break_glass=break_glass))
        logins = dict.fromkeys(login for rule in rules for login in rule.match.logins or ())
        actions = dict.fromkeys(action for rule in rules for action in rule.match.actions or ())
        for login in logins:
            name = before.unix_name or after.unix_name if login == OWN else login
            if name is None or (login == OWN and name in logins):
                continue  # there is no such login, or it is looked at under its name
            for action in actions:
                asked = Entry("gains", (), (), (login,), (action,), break_glass, "", (None, None))
                old, new = (
                    policy.deciding_rules(Access(holder, host, name, action, break_glass))
                    for policy, holder in zip(pair.both, (before, after), strict=True)
                )
                yield from _over_time(pair, asked, old, new)


def _over_time(pair: _Pair, asked: Entry, old: Rules, new: Rules) -> Iterator[Entry]:
    """The differences for one login and action, those that are the same at several times together."""
    stretches: dict[Entry, list[Stretch]] = {}
    for stretch, before, after in zip(pair.timeline.stretches, old, new, strict=True):
        entry = _difference(pair, asked, before, after)
        if entry is not None:
            stretches.setdefault(entry, []).append(stretch)
    for entry, when in stretches.items():
        yield replace(entry, when=time_text(when, pair.timeline))


def _difference(pair: _Pair, asked: Entry, before: AllowRule | None, after: AllowRule | None) -> Entry | None:
    rules = (before.name if before else None, after.name if after else None)
    if before is None or after is None:
        if before is after:
            return None
        return replace(asked, kind="gains" if before is None else "loses", rules=rules)
    (action,) = asked.actions
    old, new = (policy.actions[action].command if action in policy.actions else None for policy in pair.policies)
    changed = compare_terms(before, after, (old, new))
    return replace(asked, kind="changes", rules=rules, changed=changed) if changed else None


def _merged(entries: Iterable[Entry]) -> list[Entry]:
    """Fewer entries with the same content: those that differ only in actions, logins, hosts or people become one."""
    listed = list(entries)
    for field in ("actions", "logins", "hosts", "people"):
        groups: dict[Entry, dict[str, None]] = {}
        for entry in listed:
            names = groups.setdefault(_with(entry, field, ()), {})
            names.update(dict.fromkeys(getattr(entry, field)))
        listed = [_with(entry, field, tuple(names)) for entry, names in groups.items()]
    return sorted(listed, key=lambda entry: (KINDS.index(entry.kind), entry.break_glass))


def _with(entry: Entry, field: str, names: Names) -> Entry:
    changed: dict[str, Any] = {field: names}
    return replace(entry, **changed)


def _role_changes(pair: _Pair, subjects: Mapping[str, Subject], now: int) -> Iterator[RoleChange]:
    """Roles and permissions that are gained and lost at ``now``."""
    old, new = pair.policies
    for what, names_of in (("role", roles_of), ("permission", permissions_of)):
        for person, subject in subjects.items():
            before, after = names_of(old, subject, now), names_of(new, subject, now)
            yield from (RoleChange("gains", person, what, name) for name in sorted(after - before))
            yield from (RoleChange("loses", person, what, name) for name in sorted(before - after))
