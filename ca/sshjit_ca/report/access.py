"""Who could reach what: every policy of the period, asked about everybody and every host of the period.

Lines on which several policies agree become one row. What the last policy gives is kept, to find what nobody used.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sshjit import policy as policies
from sshjit.policy import Policy, PolicyError
from sshjit_ca.report.access_lines import Line, access_lines
from sshjit_ca.report.changes import PolicyInForce
from sshjit_ca.report.gathering import Gathering
from sshjit_ca.report.spool import Spool


@dataclass(slots=True)
class PolicyAccess:
    """What the policies of the period gave. ``last`` was in force when it ended, if its text could be read."""

    last: Policy | None = None
    lines: list[Line] = field(default_factory=list)
    """What the last policy gives."""
    known: dict[str, Policy] = field(default_factory=dict)
    """Every policy of the period, by digest, the newest last."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Digest -> why it is not known what that policy gave."""
    groups: int = 0
    """Rows of the table."""


def fill_access(gathered: Gathering, texts: dict[str, str], spool: Spool) -> PolicyAccess:
    """Fills the tables ``reach`` and ``policies``. ``texts`` are the stored policies, by digest."""
    access = PolicyAccess()
    hosts = [host for record in gathered.changes.hosts.values() for host in record.as_policy_sees()]
    digests_of: dict[Line, list[str]] = defaultdict(list)
    for in_force in gathered.changes.policies:
        digest = in_force.digest
        _load(access, digest, texts)
        rules = None
        if digest in access.known:
            policy = access.known[digest]
            rules = len(policy.denies) + len(policy.named)
            access.last = policy
            access.lines = access_lines(policy, gathered.people.claims, gathered.state.own_names, hosts, in_force.start)
            for line in access.lines:
                if digest not in digests_of[line]:
                    digests_of[line].append(digest)
        elif in_force.end is None:
            access.last, access.lines = None, []
        row = (in_force.start, in_force.end, digest, rules, access.unreadable.get(digest, "kept"))
        spool.add("policies", row, place=in_force.start)
    for line, digests in digests_of.items():
        _add_row(gathered, access, spool, line, digests)
    access.groups = len(digests_of)
    return access


def _load(access: PolicyAccess, digest: str, texts: dict[str, str]) -> None:
    if digest in access.unreadable:
        return
    policy = access.known.pop(digest, None)
    if policy is None:
        if digest not in texts:
            access.unreadable[digest] = "gone: what it gave is not known"
            return
        try:
            policy = policies.load(texts[digest])
        except PolicyError:
            access.unreadable[digest] = "cannot be read: what it gave is not known"
            return
        if policy.digest != digest:
            access.unreadable[digest] = "another text is stored under its digest: what it gave is not known"
            return
    access.known[digest] = policy


def _add_row(gathered: Gathering, access: PolicyAccess, spool: Spool, line: Line, digests: list[str]) -> None:
    terms, records = line.terms, gathered.changes.hosts
    people = sorted(gathered.people.who(subject) for subject in line.people)
    hosts = sorted({records[host_id].name for host_id in line.hosts})
    order = _order(access, terms.rule)
    row = (
        tuple(people),
        len(people),
        tuple(hosts),
        len(line.hosts),
        tuple(sorted(line.labels)),
        line.logins,
        line.actions,
        terms.rule,
        terms.kind,
        terms.approvals,
        terms.requirements,
        terms.hours,
        terms.window,
        terms.until,
        tuple(digest[:16] for digest in digests),
        _time_in_force(gathered.changes.policies, digests),
    )
    spool.add("reach", row, place=f"{order:06d} {terms.rule} {' '.join(hosts[:1])} {' '.join(people[:1])}")


def _order(access: PolicyAccess, rule: str) -> int:
    """The position of a rule in the last policy; after all others if it is not in it any more."""
    names = list(access.last.named) if access.last is not None else []
    return names.index(rule) if rule in names else len(names)


def _time_in_force(policies_in_force: list[PolicyInForce], digests: list[str]) -> str:
    """When policies of these digests were in force: ``throughout``, or ``since …``, ``until …``, ``… to …``."""
    if all(in_force.digest in digests for in_force in policies_in_force):
        return "throughout"
    spans: list[list[int | None]] = []
    for in_force in policies_in_force:
        if in_force.digest not in digests:
            continue
        if spans and spans[-1][1] == in_force.start:
            spans[-1][1] = in_force.end
        else:
            spans.append([in_force.start, in_force.end])
    from_the_first = policies_in_force[0].digest in digests
    return ", ".join(
        _span(None if from_the_first and number == 0 else start, end) for number, (start, end) in enumerate(spans)
    )


def _span(start: int | None, end: int | None) -> str:
    since, until = (
        None if time is None else f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}" for time in (start, end)
    )
    if since is None:
        return f"until {until}"
    return f"since {since}" if until is None else f"{since} to {until}"
