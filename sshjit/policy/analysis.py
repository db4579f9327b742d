"""Which rule of a policy decides for whom, over a week and after every date on which something changes.

Rules match by days and hours, and by dates; roles end on dates. Between two such boundaries nothing changes, so a look
at each ``Stretch`` between them sees everything. A set of stretches is a whole number, as a set of rules is in
``index.py``: bit ``i`` is stretch ``i``. So it is exact, and cheap, to ask whether a rule ever decides, although
earlier rules or denies come first at times.

``ssh-jit policy diff`` and the auditors' report both use this. What rules require (a reason, a second factor, a fresh
sign-in) makes no difference here: anybody could meet it.
"""

from __future__ import annotations

import functools
import operator
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sshjit.policy.approval_steps import on_host
from sshjit.policy.compiled import Policy
from sshjit.policy.index import Index, members
from sshjit.policy.model import COMMAND, SHELL, AllowRule, DenyRule, Rule
from sshjit.policy.owners import had_on, held_on
from sshjit.policy.query import choose_login, usable_unix_name
from sshjit.policy.roles import denied_roles, role_ends
from sshjit.policy.schedule import Schedule, clock_changes
from sshjit.policy.types import Host, Subject

WEEK = 7 * 24 * 3600
YEAR = 366 * 24 * 3600 + WEEK
"""Seconds in which each clock change of a year comes."""
_BEFORE = 2 * 24 * 3600
"""How long before a clock change its week begins: before any spell that begins on the day before."""
Stretches = int
"""A set of stretches of a timeline."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From ``begin`` to before ``end`` no rule begins or ceases to match. ``era`` is when its week began.

    All three are in seconds since the epoch.
    """

    begin: int
    end: int
    era: int


class Timeline:
    """Stretches of time in which nothing changes."""

    def __init__(self, policies: Sequence[Policy], start: int, *, length: int = WEEK, dated: bool = True) -> None:
        """``length`` seconds from ``start`` (seconds since the epoch) on, by the schedules of all these policies.

        With ``dated``, as much again follows from each later date: where a source of a role ends, or where the weeks of
        a schedule look otherwise (``Schedule.edges``), also by a clock change in the year after such a date.
        """
        self.schedules = _schedules(policies)
        """Every schedule of every rule."""
        ends = {date for date in changing_dates(policies) if date > start} if dated else set[int]()
        if dated and length < YEAR:  # else the clock changes are in what is looked at
            ends |= weeks_of_clock_changes(policies, [start, *ends])
        spells: dict[Schedule, list[tuple[int, int]]] = {schedule: [] for schedule in self.schedules}
        self.stretches = tuple(_cut(spells, {start, *ends}, length))
        self.eras: Mapping[int, Stretches] = {
            era: _those(stretch.era == era for stretch in self.stretches)
            for era in dict.fromkeys(stretch.era for stretch in self.stretches)
        }
        """When each week begins -> its stretches."""
        begins = [stretch.begin for stretch in self.stretches]
        self._open = {
            schedule: _spans((bisect_left(begins, begin), bisect_left(begins, end)) for begin, end in opened)
            for schedule, opened in spells.items()
        }

    def open_during(self, schedule: Schedule | None) -> Stretches:
        """The stretches in which a rule with this schedule matches."""
        return (1 << len(self.stretches)) - 1 if schedule is None else self._open[schedule]


@dataclass(frozen=True, slots=True)
class Holder:
    """What policy can tell of a person: the Unix name, the roles held in each era, and those that denies look at."""

    unix_name: str | None
    roles: Mapping[int, Collection[str]]
    denied_roles: frozenset[str]
    workload: bool = False
    """No break-glass rule is for it."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who could have what on which host."""

    holder: Holder
    host: Host
    login: str
    action: str
    break_glass: bool
    address: str | None = None
    """Where the request comes from; ``None``: from where no deny on networks is about it."""


class PolicyOverTime:
    """One policy over a timeline, to be asked about many people and hosts."""

    def __init__(self, policy: Policy, timeline: Timeline) -> None:
        self.policy = policy
        self.timeline = timeline
        self._closed_by = [timeline.open_during(rule.match.schedule) for rule in policy.denies]
        self._open = {
            True: [timeline.open_during(rule.match.schedule) for rule in policy.break_glass],
            False: [timeline.open_during(rule.match.schedule) for rule in policy.allows],
        }

    def holder(self, subject: Subject) -> Holder:
        """A person as this policy sees them in each era."""
        eras = self.timeline.eras
        roles = {era: frozenset(role_ends(self.policy, subject, era)) for era in eras}
        unix_name, denied = usable_unix_name(self.policy, subject), denied_roles(self.policy, subject)
        return Holder(unix_name, roles, denied, workload=subject.claims is not None)

    def _by_roles(self, holder: Holder) -> Iterable[tuple[Collection[str], Stretches]]:
        """The stretches in which somebody holds the same roles, with these."""
        alike: dict[frozenset[str], Stretches] = {}
        for era, roles in holder.roles.items():
            held = frozenset(roles)
            alike[held] = alike.get(held, 0) | self.timeline.eras[era]
        return alike.items()

    def logins(self, holder: Holder, host: Host, action: str, *, break_glass: bool) -> frozenset[str]:
        """The logins of the rules that could allow this person something on the host, "@own" as it is written."""
        if holder.workload and break_glass:
            return frozenset()
        rules, index = self._allows(break_glass=break_glass)
        fitting = index.for_action(action) & index.for_host(host.by_label)
        ever = {role for roles in holder.roles.values() for role in roles}
        fitting &= index.for_roles(self._held(ever, host)) & ~index.leaving_out(self._had(holder, host))
        return frozenset(login for number in members(fitting) for login in rules[number].match.logins or ())

    def denies(self, access: Access) -> tuple[DenyRule, ...]:
        """The denies that match this at any time, in file order."""
        index = self._deny_index(break_glass=access.break_glass)
        fitting = 0
        for host, denying in self._denying(index, access):
            spared = (index.leaving_out(self._held(roles, host)) for roles in access.holder.roles.values())
            fitting |= denying & ~functools.reduce(operator.and_, spared)
        fitting &= ~(index.elsewhere(access.address, fitting) if access.address is not None else 0)
        return tuple(self.policy.denies[number] for number in members(fitting))

    def _denying(self, index: Index, access: Access) -> Iterator[tuple[Host, int]]:
        """The denies for this person, of the host and of the bastion before it, but for time and whom they spare."""
        for host, denying in _denying(index, access):
            yield host, denying & index.for_roles(self._had(access.holder, host))

    def _held(self, roles: Collection[str], host: Host) -> Collection[str]:
        return held_on(self.policy.owners, roles, host.by_label)

    def _had(self, holder: Holder, host: Host) -> Collection[str]:
        return had_on(self.policy.owners, holder.denied_roles, host.by_label)

    def decisions(self, access: Access) -> list[tuple[AllowRule, Stretches]]:
        """Each rule that allows this at some time, as it is on this host, in file order, and when it does."""
        if access.action not in (SHELL, COMMAND, *self.policy.actions) or (
            access.holder.workload and access.break_glass
        ):
            return []
        rules, index = self._allows(break_glass=access.break_glass)
        deny_index = self._deny_index(break_glass=access.break_glass)
        allowing = _fitting(index, access) & ~index.leaving_out(self._had(access.holder, access.host))
        by_host = [
            (host, denying & ~_elsewhere(deny_index, access, denying))
            for host, denying in self._denying(deny_index, access)
        ]
        open_during = self._open[access.break_glass]
        decided: dict[int, Stretches] = {}
        for roles, stretches in self._by_roles(access.holder):
            left = stretches
            for host, denying in by_host:
                for number in members(denying & ~deny_index.leaving_out(self._held(roles, host))):
                    left &= ~self._closed_by[number]
            for number in members(allowing & index.for_roles(self._held(roles, access.host))):
                if not left:
                    break
                if left & open_during[number]:
                    decided[number] = decided.get(number, 0) | left & open_during[number]
                left &= ~open_during[number]
        given = sorted(number for number in decided if not (access.holder.workload and for_people(rules[number])))
        on_this = ((on_host(self.policy.owners, rules[number], access.host), number) for number in given)
        return [(rule, decided[number]) for rule, number in on_this if rule is not None]

    def default_logins(
        self, holder: Holder, host: Host, action: str, *, break_glass: bool, address: str | None = None
    ) -> tuple[str | None, ...]:
        """For each stretch the login of somebody who names none; ``None`` where they get nothing."""
        by_stretch: list[str | None] = [None] * len(self.timeline.stretches)
        if holder.workload and break_glass:
            return tuple(by_stretch)
        rules, index = self._allows(break_glass=break_glass)
        fitting = index.for_action(action) & index.for_login(None, holder.unix_name) & index.for_host(host.by_label)
        fitting &= ~index.leaving_out(self._had(holder, host))
        chosen: dict[str, Stretches] = {}
        for roles, left in self._by_roles(holder):
            for number in members(fitting & index.for_roles(self._held(roles, host))):
                login, during = choose_login(rules[number], holder.unix_name), left & self._open[break_glass][number]
                if login is not None and on_host(self.policy.owners, rules[number], host) is not None:
                    chosen[login] = chosen.get(login, 0) | during
                left &= ~during  # noqa: PLW2901  # what the first rule takes is no other's
        for login, during in chosen.items():
            during &= ~self._denied(Access(holder, host, login, action, break_glass, address))  # noqa: PLW2901
            for number in members(during):
                by_stretch[number] = login
        return tuple(by_stretch)

    def _denied(self, access: Access) -> Stretches:
        """When a deny matches this."""
        denied, index = 0, self._deny_index(break_glass=access.break_glass)
        for host, denying in self._denying(index, access):
            denying &= ~_elsewhere(index, access, denying)  # noqa: PLW2901
            for roles, stretches in self._by_roles(access.holder):
                for number in members(denying & ~index.leaving_out(self._held(roles, host))):
                    denied |= stretches & self._closed_by[number]
        return denied

    def deciding_rules(self, access: Access) -> tuple[AllowRule | None, ...]:
        """For each stretch the rule that allows this; ``None`` where nothing does."""
        by_stretch: list[AllowRule | None] = [None] * len(self.timeline.stretches)
        for rule, stretches in self.decisions(access):
            for number in members(stretches):
                by_stretch[number] = rule
        return tuple(by_stretch)

    def _allows(self, *, break_glass: bool) -> tuple[tuple[AllowRule, ...], Index]:
        if break_glass:
            return self.policy.break_glass, self.policy.break_glass_index
        return self.policy.allows, self.policy.allow_index

    def _deny_index(self, *, break_glass: bool) -> Index:
        return self.policy.break_glass_deny_index if break_glass else self.policy.deny_index


def for_people(rule: AllowRule) -> bool:
    """Whether a rule asks for something of a sign-in that no workload's has, so that it gives a workload nothing."""
    return rule.mfa or rule.hardware_key or rule.fresh_login is not None


def _elsewhere(index: Index, access: Access, among: int) -> int:
    """Those of ``among`` that are not about requests from there."""
    return index.by_network & among if access.address is None else index.elsewhere(access.address, among)


def _fitting(index: Index, access: Access) -> int:
    """The rules that match this but for roles and time."""
    login = index.for_login(access.login, access.holder.unix_name)
    return index.for_action(access.action) & login & index.for_host(access.host.by_label)


def _denying(index: Index, access: Access) -> Iterator[tuple[Host, int]]:
    """The denies that match this but for people and time; those that match the bastion before the host too."""
    yield access.host, _fitting(index, access)
    bastion = access.host.bastion
    if bastion is not None:
        logins = (index.for_login(login, access.holder.unix_name) for login in (access.login, bastion.login))
        where = index.for_action(access.action) & index.for_host(bastion.host.by_label)
        yield bastion.host, functools.reduce(operator.or_, logins) & where


def changing_dates(policies: Sequence[Policy]) -> frozenset[int]:
    """When sources of roles end, and when the weeks of schedules begin to look otherwise (seconds since the epoch)."""
    ends = {source.ends for policy in policies for sources in policy.roles.values() for source in sources}
    edges = {edge for schedule in _schedules(policies) for edge in schedule.edges}
    return frozenset(edges | {end for end in ends if end is not None})


def weeks_of_clock_changes(policies: Sequence[Policy], dates: Iterable[int], end: int | None = None) -> set[int]:
    """When the weeks around clock changes begin, up to a year after each of ``dates``, and before ``end``.

    The clocks are those of all zones of rules. For each change there are two weeks: that in which it is, and the next,
    the first one whole by the new clocks. Between them and the next change each week is like the one before.
    """
    zones, weeks, ordered = {schedule.zone for schedule in _schedules(policies)}, set[int](), sorted(dates)
    for date, following in zip(ordered, [*ordered[1:], end], strict=True):
        over = date + YEAR if following is None else min(following, date + YEAR)
        for zone in zones:
            for change in clock_changes(zone, date, over):
                weeks.update(max(date, each) for each in (change - _BEFORE, change - _BEFORE + WEEK) if each < over)
    return weeks


def _schedules(policies: Iterable[Policy]) -> frozenset[Schedule]:
    schedules = set[Schedule]()
    for policy in policies:
        rules: tuple[Rule, ...] = (*policy.denies, *policy.allows, *policy.break_glass)
        schedules.update(rule.match.schedule for rule in rules if rule.match.schedule is not None)
    return frozenset(schedules)


def _cut(spells: Mapping[Schedule, list[tuple[int, int]]], eras: set[int], length: int) -> Iterator[Stretch]:
    """The stretches; on the way the spells of each schedule are found."""
    ordered = sorted(eras)
    for era, following in zip(ordered, [*ordered[1:], ordered[-1] + length], strict=True):
        last, cuts = min(era + length, following), {era}
        for schedule, opened in spells.items():
            found = schedule.during(era, last)
            opened.extend(found)
            cuts.update(edge for spell in found for edge in spell)
        yield from (Stretch(begin, end, era) for begin, end in pairwise(sorted({*cuts, last})))


def _spans(spans: Iterable[tuple[int, int]]) -> Stretches:
    """The set of these spans of stretches, each without its last number."""
    return functools.reduce(operator.or_, ((1 << end) - (1 << begin) for begin, end in spans), 0)


def _those(wanted: Iterable[bool]) -> Stretches:
    return sum(1 << number for number, is_wanted in enumerate(wanted) if is_wanted)
