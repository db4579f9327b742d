"""Which rule of a policy somebody comes under, over all of a stretch of time at once.

The same sets of rules as ``evaluate`` intersects (``sshjit.policy.index``), with hours looked at once for each stretch
and roles once for each person, because a comparison asks for everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sshjit.policy import Host, Policy, Subject
from sshjit.policy.index import Index, first
from sshjit.policy.model import COMMAND, SHELL, AllowRule
from sshjit.policy.query import usable_unix_name
from sshjit.policy.roles import role_ends
from sshjit_client.policy.weeks import Stretch


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's own login, and the roles that they hold in each era."""

    own: str | None
    roles: Mapping[int, frozenset[str]]


class Reach:
    """One policy over some stretches of time."""

    def __init__(self, policy: Policy, stretches: Sequence[Stretch]) -> None:
        self.policy = policy
        self._stretches = stretches
        self._closed = {break_glass: self._hours(break_glass=break_glass) for break_glass in (False, True)}

    def _indexes(self, *, break_glass: bool) -> tuple[Index, Index]:
        """Of the rules that allow, and of the denies."""
        if break_glass:
            return self.policy.break_glass_index, self.policy.break_glass_deny_index
        return self.policy.allow_index, self.policy.deny_index

    def _hours(self, *, break_glass: bool) -> list[tuple[int, int]]:
        """For each stretch the allows and the denies whose hours exclude it."""
        allows, denies = self._indexes(break_glass=break_glass)
        return [(allows.closed(s.begin, allows.every), denies.closed(s.begin, denies.every)) for s in self._stretches]

    def person(self, who: Subject) -> Person:
        """Somebody as this policy sees them, to be asked about many times."""
        eras = {each.era for each in self._stretches}
        return Person(usable_unix_name(who), {era: frozenset(role_ends(self.policy, who, era)) for era in eras})

    def rules(
        self, person: Person, host: Host, login: str, action: str, *, break_glass: bool
    ) -> tuple[AllowRule | None, ...]:
        """For each stretch the rule that gives ``login`` and ``action`` on ``host``; ``None``: nothing does."""
        if action not in (SHELL, COMMAND, *self.policy.actions):
            return (None,) * len(self._stretches)
        allows, denies = self._indexes(break_glass=break_glass)
        granted, denied = (
            {
                era: each.for_roles(roles) & _asked(each, person, host, login, action)
                for era, roles in person.roles.items()
            }
            for each in (allows, denies)
        )
        listed = self.policy.break_glass if break_glass else self.policy.allows
        found: list[AllowRule | None] = []
        for stretch, (shut, sleeping) in zip(self._stretches, self._closed[break_glass], strict=True):
            number = first(granted[stretch.era] & ~shut)
            refused = number is None or denied[stretch.era] & ~sleeping
            found.append(None if refused or number is None else listed[number])
        return tuple(found)


def _asked(index: Index, person: Person, host: Host, login: str, action: str) -> int:
    return index.for_action(action) & index.for_login(login, person.own) & index.for_host(host.by_label)
