"""Kinds of hosts: of the hosts that no rule tells apart, one is enough to prove something of all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod

from sshjit.policy.compiled import Policy
from sshjit.policy.model import HostLabels, Label, Matchers
from sshjit.policy.owners import Owners
from sshjit.policy.types import Host

MOST = 20_000
"""Kinds of hosts, or of people, that are looked at for one rule; with more the sentence is undecided."""
_OTHER = "other"
Labels = tuple[tuple[str, str], ...]
"""Of one host."""
Wanted = Mapping[str, Sequence[str]]
"""Labels that a host must have, each with the values that it may have."""


class TooMany(Exception):
    """There are more kinds than ``MOST``; the text says of what."""


def hosts_of(
    policy: Policy,
    wanted: Iterable[Wanted],
    relevant: Sequence[Matchers],
    owners: Sequence[Owners],
    enrolled: Iterable[Labels],
) -> Iterator[Host]:
    """One host of each kind that has what is wanted, and those that are ``enrolled``.

    ``relevant`` matchers and ``owners`` tell hosts apart. Raises ``TooMany``.
    """
    seen = set[Labels]()
    for each in wanted:
        for labels in (*_kinds(policy, each, relevant, owners), *(host for host in enrolled if _fits(host, each))):
            if labels not in seen:
                seen.add(labels)
                yield Host("host", "host", labels)


def _kinds(policy: Policy, wanted: Wanted, relevant: Sequence[Matchers], owners: Sequence[Owners]) -> Iterator[Labels]:
    """The labels of one host of each kind: of the values that no rule tells apart each label has one alone."""
    named: dict[str, dict[str, set[object]]] = {label: {} for label in policy.labels}
    free = {label for label in named if len(wanted.get(label, ())) != 1}
    rows = (labels for match in relevant for labels in match.hosts or ()) if free else ()
    for row, labels in enumerate(rows):
        for label, values in labels if meet(labels, wanted) else ():
            for value in values if label in free else ():
                named[label].setdefault(value, set()).add(row)
    for each in owners:
        for value, role in each.roles.items() if each.label in free else ():
            named[each.label].setdefault(value, set()).add((each.name, role))
    choices = [_values(policy.labels[label], wanted.get(label), named[label]) for label in named]
    if prod(map(len, choices)) > MOST:
        raise TooMany("kinds of hosts")
    for chosen in product(*choices):
        pairs = zip(named, chosen, strict=True)
        yield tuple(sorted((label, value) for label, value in pairs if value is not None))


def _values(declared: Label, wanted: Sequence[str] | None, named: Mapping[str, Collection[object]]) -> list[str | None]:
    """Values of a label, one of each kind; ``None``: a host without it."""
    if wanted is None and not named and not declared.required:
        return [None]
    if wanted is not None:
        possible: list[str] = [value for value in wanted if declared.values is None or value in declared.values]
    elif declared.values is not None:
        possible = sorted(declared.values)
    else:
        possible = [*sorted(named), next(text for text in fresh(_OTHER) if text not in named)]
    alike = {frozenset(named.get(value, ())): value for value in reversed(possible)}
    lacking: list[str | None] = [] if wanted is not None or declared.required else [None]
    return [*alike.values(), *lacking]


def both(one: HostLabels, other: HostLabels) -> Wanted | None:
    """The labels that satisfy both; ``None`` if no host does."""
    wanted = dict(one)
    for label, values in other:
        wanted[label] = tuple(value for value in wanted.get(label, values) if value in values)
    return wanted if all(wanted.values()) else None


def meet(labels: HostLabels, wanted: Wanted) -> bool:
    """Whether some host has what is wanted and one of these values of each of these labels."""
    return all(label not in wanted or not set(wanted[label]).isdisjoint(values) for label, values in labels)


def _fits(host: Labels, wanted: Wanted) -> bool:
    labels = dict(host)
    return all(labels.get(label) in values for label, values in wanted.items())


def fresh(word: str) -> Iterator[str]:
    """``word``, ``word2``, ``word3`` and so on."""
    yield word
    number = 2
    while True:
        yield f"{word}{number}"
        number += 1
