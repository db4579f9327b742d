"""Groups that are almost those that a role names: what an explanation says, and nothing that permits.

Groups are compared letter by letter. Keycloak's mapper writes whole paths (``/SRE``, ``/Ops/SRE``) as shipped, and
directories differ in capital letters: who wrote ``SRE`` into the policy holds no role, and sees no reason why.
"""

from __future__ import annotations

from collections.abc import Iterator

from sshjit import names
from sshjit.policy.compiled import Policy
from sshjit.policy.types import Subject

MOST = 5
"""Sentences about one person; more of the same would not help."""


def near_groups(policy: Policy, subject: Subject) -> tuple[str, ...]:
    """A sentence for each group that a role names otherwise, in the policy's order, without capital and full stop."""
    return tuple(sentence for sentence, _ in zip(_sentences(policy, subject), range(MOST), strict=False))


def _sentences(policy: Policy, subject: Subject) -> Iterator[str]:
    paths = {_end(group): group for group in sorted(subject.groups, reverse=True)}
    cases = {group.casefold(): group for group in sorted(subject.groups, reverse=True)}
    for role, sources in policy.roles.items():
        for source in sources:
            if (source.provider, source.kind) != (subject.provider, "group") or source.name in subject.groups:
                continue
            group = paths.get(_end(source.name))
            if group is not None and "/" in group + source.name:
                yield (
                    f"the sign-in has the group {names.show(group, 200)}, and the role {role} names "
                    f"{names.show(source.name, 200)}: groups count letter by letter, and Keycloak writes whole paths "
                    f'unless "Full group path" is off'
                )
            elif (group := cases.get(source.name.casefold())) is not None:
                yield (
                    f"the sign-in has the group {names.show(group, 200)}, and the role {role} names "
                    f"{names.show(source.name, 200)}: groups count letter by letter"
                )


def _end(name: str) -> str:
    """The last part of a path."""
    return name.rstrip("/").rpartition("/")[2]
