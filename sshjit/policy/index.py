"""Finds the rules that match, at a cost that hardly depends on how many there are.

A set of rules is a whole number: bit ``i`` stands for rule ``i`` of the file, so the first rule of a set is its lowest
bit. For each matcher the index holds which rules accept each value; the rules that match an ask are the intersection
over the matchers, a few ``&`` on numbers with one bit for each rule. Nothing is scanned, and the result is exact:
``explain.py`` gets the same result by reading every rule, and a test holds the two equal.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sshjit.policy.model import OWN, HostLabels, Matchers
from sshjit.policy.networks import Networks
from sshjit.policy.schedule import Schedule


@dataclass(slots=True)
class _Values:
    """For one matcher: the rules that accept each value, and those that accept every value."""

    by_value: dict[str, int] = field(default_factory=dict)
    free: int = 0

    def add(self, bit: int, values: Iterable[str] | None) -> None:
        if values is None:
            self.free |= bit
        else:
            for value in values:
                self.by_value[value] = self.by_value.get(value, 0) | bit

    def accepting(self, value: str) -> int:
        return self.by_value.get(value, 0) | self.free


class Index:
    """The rules of one kind. Bits of ``every`` are the rules that take part.

    ``lacking_matches`` says whether a matcher on a label matches a host without that label: in denies it does, so that
    no host escapes a deny because a label is missing; in allows it does not.
    """

    __slots__ = (
        *("_actions", "_count", "_labels", "_logins", "_more", "_named", "_networks", "_not_roles", "_roles", "_rows"),
        *("_schedules", "every", "lacking_matches", "spares"),
    )

    def __init__(self, rules: Sequence[Matchers | None], *, lacking_matches: bool) -> None:
        """``rules[i]`` is bit ``i``; ``None`` keeps the place of a rule that takes no part."""
        self.lacking_matches = lacking_matches
        self.every = self._named = 0
        self._count, self._more = len(rules), list[int]()
        self._roles, self._logins, self._actions, self._not_roles = _Values(), _Values(), _Values(), _Values()
        self._labels: dict[str, _Values] = {}
        self._schedules: dict[Schedule, int] = {}
        self._networks: dict[Networks, int] = {}
        taking_part = [(1 << number, match) for number, match in enumerate(rules) if match is not None]
        for _, match in taking_part:
            self._labels.update((label, _Values()) for labels in match.hosts or () for label, _ in labels)
        for bit, match in taking_part:
            self._add(bit, match)
        self.spares = bool(self._not_roles.by_value)
        """Whether some rule leaves somebody out."""
        self._rows = self.every | ((1 << len(self._more)) - 1) << self._count

    def _add(self, bit: int, match: Matchers) -> None:
        self.every |= bit
        self._roles.add(bit, match.roles)
        self._not_roles.add(bit, match.not_roles)
        self._logins.add(bit, match.logins)
        self._actions.add(bit, match.actions)
        if any(login != OWN for login in match.logins or ()):
            self._named |= bit
        first, *more = match.hosts or ((),)
        self._add_labels(bit, first)
        for labels in more:
            self._add_labels(1 << self._count + len(self._more), labels)
            self._more.append(bit)
        if match.schedule is not None:
            self._schedules[match.schedule] = self._schedules.get(match.schedule, 0) | bit

        if match.networks is not None:
            self._networks[match.networks] = self._networks.get(match.networks, 0) | bit

    def _add_labels(self, row: int, labels: HostLabels) -> None:
        """A row is one alternative of a rule: the first has the rule's bit, the others have bits after all rules."""
        restricted = dict(labels)
        for label, values in self._labels.items():
            values.add(row, restricted.get(label))

    @property
    def timed(self) -> bool:
        """Whether some rule has days or hours."""
        return bool(self._schedules)

    def for_roles(self, roles: Iterable[str]) -> int:
        """The rules that accept somebody who holds these roles."""
        rules = self._roles.free
        for role in roles:
            rules |= self._roles.by_value.get(role, 0)
        return rules

    def leaving_out(self, roles: Iterable[str]) -> int:
        """The rules that leave out somebody who has these roles."""
        by_role = self._not_roles.by_value
        if not by_role:
            return 0
        rules = 0
        for role in roles:
            rules |= by_role.get(role, 0)
        return rules

    def for_login(self, login: str | None, unix_name: str | None) -> int:
        """The rules that accept this login, or, for ``None``, that leave any login to choose from.

        ``unix_name`` is what ``@own`` stands for. A rule on logins none of which can be chosen is not among the latter.
        """
        rules = self._named | self._logins.free if login is None else self._logins.accepting(login)
        if unix_name is not None and login in (None, unix_name):
            rules |= self._logins.by_value.get(OWN, 0)
        return rules

    def for_any_login(self) -> int:
        """The rules that do not look at the login."""
        return self._logins.free

    def for_action(self, action: str) -> int:
        """The rules that accept this action."""
        return self._actions.accepting(action)

    def for_host(self, labels: Mapping[str, str]) -> int:
        """The rules that accept a host with these labels."""
        rows = self._rows
        for label, values in self._labels.items():
            if label in labels:
                rows &= values.accepting(labels[label])
            elif not self.lacking_matches:
                rows &= values.free
        rules = rows & self.every
        for row in members(rows >> self._count) if self._more else ():
            rules |= self._more[row]
        return rules

    def closed(self, now: int, among: int) -> int:
        """Those of ``among`` whose days or hours exclude ``now``."""
        closed = 0
        for schedule, rules in self._schedules.items():
            if rules & among and not schedule.matches(now):
                closed |= rules & among
        return closed

    def elsewhere(self, address: str | None, among: int) -> int:
        """Those of ``among`` that are not about requests from ``address``."""
        excluded = 0
        for networks, rules in self._networks.items():
            if rules & among and not networks.matches(address):
                excluded |= rules & among
        return excluded

    @property
    def by_network(self) -> int:
        """The rules that look at where a request comes from."""
        return functools.reduce(operator.or_, self._networks.values(), 0)

    def opens(self, now: int, among: int) -> int | None:
        """The next time after ``now`` at which a rule of ``among`` begins to match by its days and hours."""
        times = (schedule.opens(now) for schedule, rules in self._schedules.items() if rules & among)
        return min((time for time in times if time is not None), default=None)


def first(rules: int) -> int | None:
    """The number of the first rule of a set; ``None`` if it is empty."""
    return (rules & -rules).bit_length() - 1 if rules else None


def members(rules: int) -> Iterator[int]:
    """The numbers of the rules of a set, in file order."""
    while rules:
        yield (rules & -rules).bit_length() - 1
        rules &= rules - 1
