"""Who gains and who loses when one policy replaces another.

Looked at is what rules give, not one sign-in: every person of the inventory, every host, every login and action that
either policy names, at every hour of a week and after every date that ends a role. Reasons, second factors and fresh
sign-ins are terms here, which somebody can meet; they are compared, and never make access disappear. People of the same
roles and hosts of the same labels are looked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from sshjit.policy import Host, Policy, Subject, permissions_of, roles_of
from sshjit.policy.model import OWN, AllowRule
from sshjit.policy.query import usable_unix_name
from sshjit.policy.roles import role_ends
from sshjit.policy.schedule import Schedule
from sshjit_client.policy import weeks
from sshjit_client.policy.inventory import Inventory
from sshjit_client.policy.reach import Reach
from sshjit_client.policy.terms import Change, changes
from sshjit_client.policy.weeks import Stretch

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
class Standing:
    """A role or a permission that somebody gains or loses."""

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
    standings: tuple[Standing, ...]

    @property
    def same(self) -> bool:
        """Whether nobody notices."""
        return not self.entries and not self.standings


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two policies, and the stretches of time to look at."""

    old: Policy
    new: Policy
    stretches: tuple[Stretch, ...]
    reaches: tuple[Reach, Reach]
    listed: frozenset[Schedule]

    @property
    def both(self) -> tuple[Policy, Policy]:
        return self.old, self.new


def compare(old: Policy, new: Policy, inventory: Inventory, start: int) -> Comparison:
    """Compares what two policies give the people of an inventory, from ``start`` (seconds since the epoch) on."""
    stretches = weeks.stretches((old, new), start)
    reaches = (Reach(old, stretches), Reach(new, stretches))
    pair = _Pair(old, new, stretches, reaches, weeks.schedules((old, new)))
    subjects = {name: member.at(start) for name, member in inventory.people.items()}
    people = _alike(subjects, lambda who: _kind_of_person(pair, who))
    hosts = _alike(inventory.hosts, lambda host: host.labels)
    found = [
        replace(entry, people=names, hosts=tuple(each.name for each in alike))
        for names in people
        for alike in ([inventory.hosts[name] for name in group] for group in hosts)
        for entry in _entries(pair, subjects[names[0]], alike[0])
    ]
    return Comparison(old.digest, new.digest, tuple(_merged(found)), tuple(_standings(pair, subjects, start)))


def _alike(things: Mapping[str, T], key: Callable[[T], Hashable]) -> list[Names]:
    """The names of ``things``, those together that are alike by ``key``."""
    groups: dict[Hashable, list[str]] = {}
    for name, thing in things.items():
        groups.setdefault(key(thing), []).append(name)
    return [tuple(names) for names in groups.values()]


def _kind_of_person(pair: _Pair, who: Subject) -> Hashable:
    """What of a person matters to either policy: roles with their ends, and which login is their own."""
    held = tuple(tuple(sorted(role_ends(policy, who, 0).items(), key=str)) for policy in pair.both)
    own = usable_unix_name(who)
    return held, own if own in _named_logins(pair) else own is not None


def _granting(pair: _Pair, *, break_glass: bool) -> Iterator[AllowRule]:
    for policy in pair.both:
        yield from policy.break_glass if break_glass else policy.allows


def _named_logins(pair: _Pair) -> frozenset[str]:
    rules = [*_granting(pair, break_glass=False), *_granting(pair, break_glass=True)]
    return frozenset(login for rule in rules for login in rule.match.logins or ()) - {OWN}


def _entries(pair: _Pair, who: Subject, host: Host) -> Iterator[Entry]:
    """What one person gains, loses or has changed on one host."""
    before, after = (reach.person(who) for reach in pair.reaches)
    for break_glass in (False, True):
        rules = list(_granting(pair, break_glass=break_glass))
        logins = dict.fromkeys(login for rule in rules for login in rule.match.logins or ())
        actions = dict.fromkeys(action for rule in rules for action in rule.match.actions or ())
        for login in logins:
            name = before.own if login == OWN else login
            if name is None or (login == OWN and name in logins):
                continue  # there is no such login, or it is looked at under its name
            for action in actions:
                asked = Entry("gains", (), (), (login,), (action,), break_glass, "", (None, None))
                old, new = (
                    reach.rules(person, host, name, action, break_glass=break_glass)
                    for reach, person in zip(pair.reaches, (before, after), strict=True)
                )
                yield from _over_time(pair, asked, old, new)


def _over_time(pair: _Pair, asked: Entry, old: Rules, new: Rules) -> Iterator[Entry]:
    """The differences for one login and action, those that are the same at several times together."""
    found: dict[Entry, list[Stretch]] = {}
    for stretch, before, after in zip(pair.stretches, old, new, strict=True):
        entry = _difference(pair, asked, before, after)
        if entry is not None:
            found.setdefault(entry, []).append(stretch)
    for entry, when in found.items():
        yield replace(entry, when=weeks.in_words(when, pair.stretches, pair.listed))


def _difference(pair: _Pair, asked: Entry, before: AllowRule | None, after: AllowRule | None) -> Entry | None:
    rules = (before.name if before else None, after.name if after else None)
    if before is None or after is None:
        if before is after:
            return None
        return replace(asked, kind="gains" if before is None else "loses", rules=rules)
    (action,) = asked.actions
    old, new = (policy.actions[action].command if action in policy.actions else None for policy in pair.both)
    changed = changes(before, after, (old, new))
    return replace(asked, kind="changes", rules=rules, changed=changed) if changed else None


def _merged(entries: Iterable[Entry]) -> list[Entry]:
    """Fewer entries that say the same: those that differ in one of actions, logins, hosts and people become one."""
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


def _standings(pair: _Pair, subjects: Mapping[str, Subject], now: int) -> Iterator[Standing]:
    """Roles and permissions that are gained and lost at ``now``."""
    for what, held in (("role", roles_of), ("permission", permissions_of)):
        for name, who in subjects.items():
            before, after = held(pair.old, who, now), held(pair.new, who, now)
            yield from (Standing("gains", name, what, each) for each in sorted(after - before))
            yield from (Standing("loses", name, what, each) for each in sorted(before - after))
