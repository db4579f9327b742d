"""Which roles and permissions somebody holds, and until when.

Sources are typed and belong to one provider, so a group of another provider, or one that is named like an e-mail
address, does not match. A role never comes from an unverified address: such an address is not among
``Subject.emails``. A workload has roles by claims alone, and a person never by claims. No role of a workload's gives it
a permission.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sshjit.addresses import mailbox
from sshjit.policy.compiled import Policy
from sshjit.policy.model import ROTA, WORKLOAD, Source
from sshjit.policy.types import FOREVER, Subject


def role_ends(policy: Policy, subject: Subject, now: int) -> dict[str, int | None]:
    """The roles held now, and when each ends (seconds since the epoch; ``None``: no end is written down)."""
    roles: dict[str, int | None] = {}
    if subject.claims is not None:
        for claims, role, ends in policy.workload_sources.get(subject.provider, ()):
            if claims <= subject.claims and (ends is None or now < ends):
                roles[role] = _later(roles[role], ends) if role in roles else ends
        return roles
    for kind, names in (("group", subject.groups), ("email", subject.emails)):
        sources = policy.sources.get((subject.provider, kind))
        for name in _common(names, sources) if sources else ():
            for role, ends in sources[name] if sources else ():
                if ends is None or now < ends:
                    roles[role] = _later(roles[role], ends) if role in roles else ends
    for role, ends in _by_turn(policy, subject, now) if subject.on_call else ():
        roles[role] = _later(roles[role], ends) if role in roles else ends
    return roles


def _by_turn(policy: Policy, subject: Subject, now: int) -> Iterator[tuple[str, int | None]]:
    """The roles that rotas give now, and until when each does; ``None``: who asks knows of no end."""
    by_rota = policy.sources.get(("", ROTA), {})
    for turn in subject.on_call:
        if turn.begin <= now < turn.end:
            over = turn.end if turn.end < FOREVER else None
            for role, ends in by_rota.get(turn.rota, ()):
                if ends is None or now < ends:
                    yield role, over if ends is None else ends if over is None else min(ends, over)


def denied_roles(policy: Policy, subject: Subject) -> frozenset[str]:
    """The roles for which denies apply to ``subject``.

    To forbid, any group and any address counts: those of other sign-ins, and addresses that nobody verified or that are
    spelled otherwise. A source counts after its ``until`` too: the end of a right must not be the end of a ban.
    """
    if not policy.denied_roles:
        return frozenset()
    if subject.claims is not None:
        given = policy.workload_sources.get(subject.provider, ())
        return policy.denied_roles & {role for claims, role, _ in given if claims <= subject.claims}
    groups = subject.groups | subject.denied_groups
    boxes = frozenset(map(mailbox, subject.emails | subject.denied_emails))
    return frozenset(
        role
        for role in policy.denied_roles
        for source in policy.roles[role]
        if source.provider == subject.provider
        and source.kind != WORKLOAD
        and (source.name in groups if source.kind == "group" else mailbox(source.name) in boxes)
    )


def roles_of(policy: Policy, subject: Subject, now: int) -> frozenset[str]:
    """The roles that ``subject`` holds at ``now``."""
    return frozenset(role_ends(policy, subject, now))


def permissions_of(policy: Policy, subject: Subject, now: int) -> frozenset[str]:
    """What ``subject`` may do besides asking for access, of ``PERMISSIONS``. None is implied by another.

    A workload may nothing of it: permissions are for people, who can be asked why.
    """
    if subject.claims is not None:
        return frozenset()
    roles = role_ends(policy, subject, now)
    return frozenset(name for name, given in policy.permissions.items() if any(role in roles for role in given))


def empty_roles(policy: Policy, now: int) -> frozenset[str]:
    """The roles that nobody can hold at ``now``: without a source, or all of whose sources have ended."""
    return frozenset(
        role
        for role, sources in policy.roles.items()
        if not any(source.ends is None or now < source.ends for source in sources)
    )


def roles_without_people(policy: Policy, now: int) -> frozenset[str]:
    """The roles that no person can hold at ``now``: nobody can approve for them, whatever workloads hold them."""
    return frozenset(
        role
        for role, sources in policy.roles.items()
        if not any(source.kind != WORKLOAD and (source.ends is None or now < source.ends) for source in sources)
    )


def of_one_subject(source: Source, held: Sequence[Source], had: Sequence[Source]) -> bool:
    """Whether one can have all these: a person no claims of workloads, a workload one value of each and none before.

    What a workload's claims are says which workload it is, so it has no other sign-in with others.
    """
    if source.kind != WORKLOAD:
        return all(other.kind != WORKLOAD for other in (*held, *had))
    claims = frozenset().union(*(held_source.claims for held_source in (source, *held)))
    one_value = len({claim.partition("=")[0] for claim in claims}) == len(claims)
    return one_value and not had and all(other.kind == WORKLOAD for other in held)


def _common(names: frozenset[str], sources: Mapping[str, object]) -> Iterable[str]:
    """The names that are sources; the shorter of the two is walked, since a token may carry 100,000 groups."""
    if len(names) <= len(sources):
        return (name for name in names if name in sources)
    return (name for name in sources if name in names)


def _later(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else max(a, b)
