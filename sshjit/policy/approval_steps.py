"""The approval steps of a rule, for certain hosts and a certain person: ``@team`` is the owner of each host."""

from __future__ import annotations

from dataclasses import replace

from sshjit.approvals import Step
from sshjit.policy.model import AllowRule
from sshjit.policy.owners import Declared, Owners, there, written_out
from sshjit.policy.query import Query
from sshjit.policy.types import Denied, Host


def asked_steps(query: Query, rule: AllowRule) -> tuple[Step, ...] | Denied:
    """The steps of a rule for these hosts and this person: ``@team`` is the owner of each host.

    Who may be of the person's own team is the word of everything that counts against them, by any account of theirs.
    """
    owners = query.policy.owners
    if not owners:
        return rule.approvals
    steps: list[Step] = []
    own = query.denied_roles | query.had_elsewhere | query.roles.keys()
    for step in rule.approvals:
        but = tuple(sorted(own.intersection(written_out(owners, step.but))))
        of_hosts: dict[Step, None] = {}
        for host in query.hosts:
            role, instead = (there(owners, each, host.by_label) for each in (step.role, step.instead))
            if role in owners or instead in owners:
                return _no_owner(rule, host, owners[role if role in owners else instead])
            of_hosts[replace(step, role=role, instead=instead, but=but)] = None
        steps += of_hosts
    return tuple(steps)


def on_host(owners: Declared, rule: AllowRule, host: Host) -> AllowRule | None:
    """The rule as it is on one host, with the owner's role in its steps; ``None``: nobody owns it who must approve."""
    if not any(role in owners for step in rule.approvals for role in (step.role, step.instead, *step.but)):
        return rule
    steps = []
    for step in rule.approvals:
        role, instead = (there(owners, each, host.by_label) for each in (step.role, step.instead))
        if role in owners or instead in owners:
            return None
        steps.append(replace(step, role=role, instead=instead, but=tuple(sorted(written_out(owners, step.but)))))
    return replace(rule, approvals=tuple(steps))


def _no_owner(rule: AllowRule, host: Host, owners: Owners) -> Denied:
    message = f'rule "{rule.name}" needs an approval by the owner of {host.name}, which has none'
    return Denied("no_owner", rule.name, message, f"its label {owners.label} must name one of [owners.{owners.name}]")
