"""A policy that is ready to be asked: its declarations and rules, with the indexes that make answers fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sshjit.names import lowered
from sshjit.policy.index import Index
from sshjit.policy.model import (
    NO_LIMITS,
    OWN,
    WORKLOAD,
    Action,
    AllowRule,
    Checker,
    DenyRule,
    Label,
    Never,
    Rota,
    Source,
)
from sshjit.policy.owners import Owners, written_out


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A policy in order. ``digest`` is the SHA-256 (hex) of its text in UTF-8; rules are in file order.

    ``compile_policy`` makes the fields from ``sources`` on out of the others.
    """

    digest: str
    labels: Mapping[str, Label]
    roles: Mapping[str, tuple[Source, ...]]
    permissions: Mapping[str, tuple[str, ...]]
    actions: Mapping[str, Action]
    calendars: Mapping[str, frozenset[date]]
    owners: Mapping[str, Owners]
    """``@team`` -> whose hosts are by that table."""
    tickets: Mapping[str, Checker]
    rotas: Mapping[str, Rota]
    idle_terms: tuple[str, ...]
    """The sets of terms that no rule takes."""
    denies: tuple[DenyRule, ...]
    allows: tuple[AllowRule, ...]
    break_glass: tuple[AllowRule, ...]
    nevers: tuple[Never, ...]
    sources: Mapping[tuple[str, str], Mapping[str, tuple[tuple[str, int | None], ...]]]
    """(provider, ``group`` or ``email``) -> name -> (role, end) of every source of that name."""
    workload_sources: Mapping[str, tuple[tuple[frozenset[str], str, int | None], ...]]
    """Issuer of workloads -> (claims, role, end) of every source of it."""
    deny_index: Index
    break_glass_deny_index: Index
    """As ``deny_index``, without the rules that do not apply to break-glass; the bits are still those of ``denies``."""
    allow_index: Index
    break_glass_index: Index
    denied_roles: frozenset[str]
    """Roles that some deny is for, or that some rule which allows, or a step of one, leaves out."""
    named: Mapping[str, AllowRule]
    """The allow and break-glass rules by name."""
    barring: bool
    """Whether some approval step is not for everybody who has its role."""
    limited: frozenset[str]
    """The names of the rules that have limits."""
    shared_logins: frozenset[str]
    """Logins that some rule that allows writes out, in lower case: no claim makes one of them somebody's own."""


def compile_policy(
    *,
    digest: str,
    labels: Mapping[str, Label],
    roles: Mapping[str, tuple[Source, ...]],
    permissions: Mapping[str, tuple[str, ...]],
    actions: Mapping[str, Action],
    calendars: Mapping[str, frozenset[date]],
    owners: Mapping[str, Owners],
    tickets: Mapping[str, Checker],
    rotas: Mapping[str, Rota],
    idle_terms: tuple[str, ...],
    denies: tuple[DenyRule, ...],
    allows: tuple[AllowRule, ...],
    break_glass: tuple[AllowRule, ...],
    nevers: tuple[Never, ...],
) -> Policy:
    """The policy of these declarations and rules, with its indexes."""
    sources: dict[tuple[str, str], dict[str, tuple[tuple[str, int | None], ...]]] = {}
    workload_sources: dict[str, tuple[tuple[frozenset[str], str, int | None], ...]] = {}
    for role, role_sources in roles.items():
        for source in role_sources:
            if source.kind == WORKLOAD:
                before = workload_sources.get(source.provider, ())
                workload_sources[source.provider] = (*before, (source.claims, role, source.ends))
                continue
            by_name = sources.setdefault((source.provider, source.kind), {})
            by_name[source.name] = (*by_name.get(source.name, ()), (role, source.ends))
    for_break_glass = [None if rule.unless_break_glass else rule.match for rule in denies]
    return Policy(
        digest=digest,
        labels=labels,
        roles=roles,
        permissions=permissions,
        actions=actions,
        calendars=calendars,
        owners=owners,
        tickets=tickets,
        rotas=rotas,
        idle_terms=idle_terms,
        denies=denies,
        allows=allows,
        break_glass=break_glass,
        nevers=nevers,
        sources=sources,
        workload_sources=workload_sources,
        deny_index=Index([rule.match for rule in denies], lacking_matches=True),
        break_glass_deny_index=Index(for_break_glass, lacking_matches=True),
        allow_index=Index([rule.match for rule in allows], lacking_matches=False),
        break_glass_index=Index([rule.match for rule in break_glass], lacking_matches=False),
        denied_roles=frozenset(
            written_out(
                owners,
                (
                    *(role for rule in denies for role in rule.match.roles or ()),
                    *(role for rule in (*allows, *break_glass) for role in rule.match.not_roles),
                    *(role for rule in allows for step in rule.approvals for role in step.but),
                ),
            )
        ),
        named={rule.name: rule for rule in (*allows, *break_glass)},
        barring=any(step.but for rule in allows for step in rule.approvals),
        limited=frozenset(rule.name for rule in (*allows, *break_glass) if rule.limits != NO_LIMITS),
        shared_logins=frozenset(
            lowered(login) for rule in (*allows, *break_glass) for login in rule.match.logins or () if login != OWN
        ),
    )
