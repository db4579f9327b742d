"""Owners: whose a host is. ``@team`` is the role that the label of a host names, by the table ``[owners.team]``.

It stands wherever a rule names roles, and in approval steps, and means another role from host to host. A host without
that label, or with a value that the table does not have, has no owner: nobody is allowed anything there as its owner,
and what is forbidden to its owner is forbidden to everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

MARK = "@"


@dataclass(frozen=True, slots=True, eq=False)
class Owners:
    """The values of ``label``, each with the role whose the hosts are."""

    name: str
    label: str
    roles: Mapping[str, str]

    @property
    def role(self) -> str:
        """As rules write it: ``@team``."""
        return f"{MARK}{self.name}"

    def owner(self, labels: Mapping[str, str]) -> str | None:
        """The role whose a host with these labels is; ``None``: nobody's."""
        return self.roles.get(labels.get(self.label, ""))


Declared = Mapping[str, Owners]
"""``@team`` -> whose hosts are by that table."""


def held_on(owners: Declared, roles: Collection[str], labels: Mapping[str, str]) -> Collection[str]:
    """The roles that somebody with ``roles`` holds on a host with these labels."""
    if not owners:
        return roles
    return {*roles, *(role for role, each in owners.items() if each.owner(labels) in roles)}


def had_on(owners: Declared, roles: Collection[str], labels: Mapping[str, str]) -> Collection[str]:
    """The roles that count against somebody with ``roles`` there: everybody may be the owner of what has none."""
    if not owners:
        return roles
    return {*roles, *(role for role, each in owners.items() if each.owner(labels) in (None, *roles))}


def ends_on(owners: Declared, roles: Mapping[str, int | None], labels: Mapping[str, str]) -> Mapping[str, int | None]:
    """``held_on`` with the end of each role."""
    if not owners:
        return roles
    own = {role: each.owner(labels) for role, each in owners.items()}
    return {**roles, **{role: roles[owner] for role, owner in own.items() if owner is not None and owner in roles}}


def written_out(owners: Declared, roles: Iterable[str]) -> tuple[str, ...]:
    """The roles with every role that ``@team`` may be on some host in place of it."""
    real = (owners[role].roles.values() if role in owners else (role,) for role in roles)
    return tuple(dict.fromkeys(chain.from_iterable(real)))


def there(owners: Declared, role: str, labels: Mapping[str, str]) -> str:
    """The role as it is on one host; ``@team`` of a host without an owner stays what it is."""
    return (owners[role].owner(labels) or role) if role in owners else role
