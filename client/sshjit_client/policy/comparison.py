"""Who gains and who loses when one policy replaces another.

The comparison is over what rules give, not over one sign-in: every person of the inventory, every host, every login
and action that either policy names, at every hour of a week, after every date on which a role ends, and around every
clock change (``sshjit.policy.analysis``), the account that is chosen for who names none, and which hosts one request
can be for.
Reasons, second factors and fresh sign-ins are terms, which anybody could meet; they are compared, and access never
disappears because of them. People with the same roles, and hosts with the same labels and bastion, are looked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any, Literal, TypeVar

from sshjit.policy import Host, Policy, Subject, permissions_of, roles_of
from sshjit.policy.analysis import Access, Holder, PolicyOverTime, Stretch, Timeline
from sshjit.policy.model import OWN, AllowRule, Rule
from sshjit.policy.networks import client_address, one_of_each, parsed
from sshjit.policy.owners import written_out
from sshjit.policy.query import usable_unix_name
from sshjit.policy.roles import denied_roles, role_ends
from sshjit.policy.types import FOREVER, Turn
from sshjit_client.policy.declaration_changes import Declared, declared
from sshjit_client.policy.inventory import Inventory
from sshjit_client.policy.schedule_text import time_text
from sshjit_client.policy.term_changes import Change, compare_terms

Kind = Literal["gains", "loses", "changes"]
Names = tuple[str, ...]
Holders = tuple[Holder, Holder]
"""A person as the old and the new policy see them."""
Rules = tuple[AllowRule | None, ...]
"""For each stretch of time the rule that allows, if one does."""
Decided = Mapping["Entry", Sequence[tuple[Rules, Rules]]]
"""For each ask the rules before and after, for one host of each kind."""
T = TypeVar("T")
KINDS: tuple[Kind, ...] = ("gains", "loses", "changes")
ROTAS = 6
"""Of so many rotas people are looked at whom any of them name together; of more: any one, any two, and all."""


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
    places: Names = ()
    """Where the request comes from; empty: from anywhere."""
    together: bool = False
    """What is gained or lost is that one request can be for all of these hosts: they come under one rule."""


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A role or a permission that a person gains or loses; ``not_own``: a role whose owners a step leaves out."""

    kind: Kind
    person: str
    what: str
    name: str
    when: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is different between two policies, by digest."""

    old: str
    new: str
    entries: tuple[Entry, ...]
    standings: tuple[RoleChange, ...]
    not_looked_at: Names = ()
    """What there may be besides, and was not looked at."""
    declared: tuple[Declared, ...] = ()

    @property
    def same(self) -> bool:
        """Whether it is certain that nobody would notice the difference."""
        differences = (*self.entries, *self.standings, *self.declared)
        return not differences and (not self.not_looked_at or self.old == self.new)


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two policies, over the same time."""

    old: PolicyOverTime
    new: PolicyOverTime
    timeline: Timeline
    address: str | None = None
    """Where requests come from; ``None``: no deny looks at it."""

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
    subjects = _and_on_call(pair, {name: member.at(start) for name, member in inventory.people.items()})
    people = _alike(subjects, lambda who: _kind_of_person(pair, who))
    hosts = _alike(inventory.hosts, lambda host: (host.labels, host.bastion))
    of_each = [inventory.hosts[group[0]] for group in hosts]
    alone, together = list[Entry](), list[Entry]()
    places = _places(pair)
    for names, (place, address) in product(people, places.items()):
        there, holders = replace(pair, address=address), _holders(pair, subjects[names[0]])
        decided = _decided(there, holders, of_each)
        for number, group in enumerate(hosts):
            of_host = {asked: rules[number] for asked, rules in decided.items()}
            found = _entries(there, holders, of_each[number], of_host)
            alone += (replace(entry, people=names, hosts=group, places=(place,)) for entry in found)
        together += (replace(entry, people=names, places=(place,)) for entry in _together(there, decided, hosts))
    entries = _merged([*alone, *together], everywhere=tuple(places))
    standings = (*_role_changes(pair, subjects), *_barred(pair, {name: subjects[name] for name in inventory.people}))
    unseen = _not_looked_at(pair.policies)
    return Comparison(old.digest, new.digest, tuple(entries), standings, unseen, tuple(declared(old, new)))


def _and_on_call(pair: _Pair, people: Mapping[str, Subject]) -> dict[str, Subject]:
    """Everybody as they are, and as if rotas named them, any of these together. A rota may name anybody."""
    rotas = _rotas(pair.policies)
    counts = range(1, len(rotas) + 1) if len(rotas) <= ROTAS else (1, 2, len(rotas))
    sets = [some for count in counts for some in combinations(rotas, count)]
    every = dict(people)
    for some, (name, who) in product(sets, people.items()):
        on_call = replace(who, on_call=(*who.on_call, *(Turn(rota, 0, FOREVER) for rota in some)))
        if _kind_of_person(pair, on_call) != _kind_of_person(pair, who):
            every[f"{name} (on call: {', '.join(some)})"] = on_call
    return every


def _rotas(policies: Iterable[Policy]) -> list[str]:
    return sorted({name for policy in policies for name in policy.rotas})


def _not_looked_at(policies: Iterable[Policy]) -> Names:
    many = len(_rotas(policies))
    return (f"people whom more than 2 and fewer than all of {many} rotas name at once",) if many > ROTAS else ()


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
    own = tuple(name if name in named else name is not None for name in unix_names)
    return roles, denied, own, who.claims is not None


def _granting(pair: _Pair, *, break_glass: bool) -> Iterator[AllowRule]:
    for policy in pair.policies:
        yield from policy.break_glass if break_glass else policy.allows


def _named_logins(pair: _Pair) -> frozenset[str]:
    denies = [deny for policy in pair.policies for deny in policy.denies]
    rules: list[Rule] = [*denies, *_granting(pair, break_glass=False), *_granting(pair, break_glass=True)]
    return frozenset(login for rule in rules for login in rule.match.logins or ()) - {OWN}


def _entries(
    pair: _Pair, holders: Holders, host: Host, decided: Mapping[Entry, tuple[Rules, Rules]]
) -> Iterator[Entry]:
    """What one person gains, loses or has changed on one host."""
    for asked, (old, new) in decided.items():
        yield from _over_time(pair, asked, old, new)
    for break_glass in (False, True):
        for action in _actions(pair, break_glass=break_glass):
            asked = Entry("changes", (), (), (), (action,), break_glass, "", (None, None))
            yield from _defaults(pair, holders, host, asked)


def _holders(pair: _Pair, who: Subject) -> Holders:
    before, after = (policy.holder(who) for policy in pair.both)
    return before, after


def _decided(pair: _Pair, holders: Holders, hosts: Sequence[Host]) -> Decided:
    return {asked: [_rules(pair, holders, host, asked, name) for host in hosts] for asked, name in _asks(pair, holders)}


def _actions(pair: _Pair, *, break_glass: bool) -> Iterable[str]:
    rules = _granting(pair, break_glass=break_glass)
    return dict.fromkeys(action for rule in rules for action in rule.match.actions or ())


def _asks(pair: _Pair, holders: Holders) -> Iterator[tuple[Entry, str]]:
    """What somebody could ask for by either policy, and the login that it means to them."""
    for break_glass in (False, True):
        rules = _granting(pair, break_glass=break_glass)
        logins = dict.fromkeys(login for rule in rules for login in rule.match.logins or ())
        for login in logins:
            name = holders[0].unix_name or holders[1].unix_name if login == OWN else login
            if name is None or (login == OWN and name in logins):
                continue  # there is no such login, or it is looked at under its name
            for action in _actions(pair, break_glass=break_glass):
                yield Entry("gains", (), (), (login,), (action,), break_glass, "", (None, None)), name


def _rules(pair: _Pair, holders: Holders, host: Host, asked: Entry, name: str) -> tuple[Rules, Rules]:
    """The rules that decide before and after, for each stretch of time."""
    (action,) = asked.actions
    old, new = (
        policy.deciding_rules(Access(holder, host, name, action, asked.break_glass, pair.address))
        for policy, holder in zip(pair.both, holders, strict=True)
    )
    return old, new


def _defaults(pair: _Pair, holders: Holders, host: Host, asked: Entry) -> Iterator[Entry]:
    """Where somebody who names no account gets another one."""
    old, new = (
        [
            OWN if login is not None and login == holder.unix_name else login
            for login in _defaults_of(policy, holder, host, asked, pair.address)
        ]
        for policy, holder in zip(pair.both, holders, strict=True)
    )
    stretches: dict[tuple[str, str], list[Stretch]] = {}
    for stretch, before, after in zip(pair.timeline.stretches, old, new, strict=True):
        if before is not None and after is not None and before != after:
            stretches.setdefault((before, after), []).append(stretch)
    for (before, after), when in stretches.items():
        change = Change("account", before, after, "other")
        yield replace(asked, changed=(change,), when=time_text(when, pair.timeline))


def _together(pair: _Pair, decided: Decided, groups: Sequence[Names]) -> Iterator[Entry]:
    """Hosts that one request could be for, and cannot any more, or the other way round; each of them goes on alone."""
    for asked, columns in decided.items():
        stretches: dict[tuple[Kind, frozenset[int]], list[Stretch]] = {}
        for number, stretch in enumerate(pair.timeline.stretches):
            for kind, some in _regrouped([(old[number], new[number]) for old, new in columns]):
                stretches.setdefault((kind, some), []).append(stretch)
        for (kind, some), when in stretches.items():
            names = tuple(host for group in sorted(some) for host in groups[group])
            yield replace(asked, kind=kind, hosts=names, together=True, when=time_text(when, pair.timeline))


def _regrouped(decided: Sequence[tuple[AllowRule | None, AllowRule | None]]) -> Iterator[tuple[Kind, frozenset[int]]]:
    """Groups of hosts (by number) that one rule allows on one side, and several rules on the other."""
    sides: tuple[tuple[Kind, int, int], ...] = (("loses", 0, 1), ("gains", 1, 0))
    for kind, here, there in sides:
        groups: dict[str, dict[str, set[int]]] = {}
        for number, rules in enumerate(decided):
            one, other = rules[here], rules[there]
            if one is not None and other is not None:
                groups.setdefault(one.name, {}).setdefault(other.name, set()).add(number)
        for parts in groups.values():
            if len(parts) > 1:
                yield kind, frozenset().union(*parts.values())


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


def _places(pair: _Pair) -> dict[str, str | None]:
    """Each place that some deny of either policy tells apart, with an address there."""
    looked_at = (deny.match.networks for policy in pair.policies for deny in policy.denies)
    named = dict.fromkeys(cidr for networks in looked_at if networks is not None for cidr in networks.cidrs)
    if not named:
        return {"": None}
    places: dict[str, str | None] = {}
    for address in one_of_each(tuple(named)):
        known = client_address(address)
        networks = [cidr for cidr in named if known is not None and known in parsed(cidr)]
        places.setdefault(" and ".join(networks) or "elsewhere", address)
    return places


def _defaults_of(
    policy: PolicyOverTime, holder: Holder, host: Host, asked: Entry, address: str | None
) -> tuple[str | None, ...]:
    (action,) = asked.actions
    return policy.default_logins(holder, host, action, break_glass=asked.break_glass, address=address)


def _merged(entries: Iterable[Entry], *, everywhere: Names) -> list[Entry]:
    """Fewer entries with the same content: those that differ only in one of these fields become one."""
    listed = list(entries)
    for field in ("places", "actions", "logins", "hosts", "people"):
        groups: dict[Entry, dict[str, None]] = {}
        for entry in listed:
            kept = field == "hosts" and entry.together  # these hosts and no others go together
            names = groups.setdefault(entry if kept else _with(entry, field, ()), {})
            names.update(dict.fromkeys(getattr(entry, field)))
        listed = [_with(entry, field, tuple(names)) for entry, names in groups.items()]
        if field == "places":
            listed = [_with(entry, field, () if entry.places == everywhere else entry.places) for entry in listed]
    return sorted(listed, key=lambda entry: (KINDS.index(entry.kind), entry.break_glass))


def _with(entry: Entry, field: str, names: Names) -> Entry:
    changed: dict[str, Any] = {field: names}
    return replace(entry, **changed)


def _role_changes(pair: _Pair, subjects: Mapping[str, Subject]) -> Iterator[RoleChange]:
    """Roles and permissions that are gained and lost: now, or from the end of some role's source on."""
    old, new = pair.policies
    for what, names_of in (("role", roles_of), ("permission", permissions_of)):
        for person, subject in subjects.items():
            eras: dict[tuple[Kind, str], list[int]] = {}
            for era in pair.timeline.eras:
                before, after = names_of(old, subject, era), names_of(new, subject, era)
                changes: tuple[tuple[Kind, frozenset[str]], ...] = (
                    ("gains", after - before),
                    ("loses", before - after),
                )
                for kind, some in changes:
                    for name in sorted(some):
                        eras.setdefault((kind, name), []).append(era)
            for (kind, name), when in sorted(eras.items()):
                during = [stretch for stretch in pair.timeline.stretches if stretch.era in when]
                yield RoleChange(kind, person, what, name, time_text(during, pair.timeline))


def _barred(pair: _Pair, subjects: Mapping[str, Subject]) -> Iterator[RoleChange]:
    """Who may have, or may not have any more, a role whose owners ``not_own`` leaves out: who has it or had it."""
    old, new = pair.policies
    left_out = _left_out(old) & _left_out(new)
    for person, subject in subjects.items() if left_out else ():
        before, after = denied_roles(old, subject) & left_out, denied_roles(new, subject) & left_out
        sides: tuple[tuple[Kind, frozenset[str]], ...] = (("gains", after - before), ("loses", before - after))
        for kind, some in sides:
            for name in sorted(some):
                yield RoleChange(kind, person, "not_own", name, "always")


def _left_out(policy: Policy) -> frozenset[str]:
    steps = (step for rule in policy.allows for step in rule.approvals)
    return frozenset(written_out(policy.owners, [role for step in steps for role in step.but]))
