"""The counts as rows: per person, host, rule, approver and provider, and what nobody used."""

from __future__ import annotations

from sshjit.policy import Policy, roles_of
from sshjit_ca.report import wording
from sshjit_ca.report.columns import FIRST, NORMAL
from sshjit_ca.report.gathering import Gathering
from sshjit_ca.report.people import Claims
from sshjit_ca.report.reach import Reach
from sshjit_ca.report.spool import Spool


def fill(found: Gathering, reach: Reach, spool: Spool) -> None:
    """Fills the tables of counts."""
    _people(found, reach, spool)
    _hosts(found, spool)
    _approvers(found, spool)
    _rules(found, reach, spool)
    _unused(found, reach, spool)
    for (provider, via), count in sorted(found.tallies.sign_ins.items()):
        key = (provider, via)
        people, mfa = len(found.tallies.signed_in[key]), found.tallies.with_mfa[key]
        spool.add("sign_ins", (provider, via, count, people, mfa), place=f"{provider} {via}")


def _people(found: Gathering, reach: Reach, spool: Spool) -> None:
    at = min(found.period.until, found.state.time)
    for subject in found.people.claims:
        person, tally = found.people.known[subject], found.tallies.people[subject]
        roles = frozenset[str]()
        if reach.last is not None:
            roles = roles_of(reach.last, person.claims.subject(subject), at)
        row = (
            person.name,
            person.provider,
            person.email,
            subject,
            tuple(sorted(roles)),
            person.last_sign_in,
            tally.sign_ins,
            tally.requests,
            tally.grants,
            tally.certificates,
            tally.refused,
            tally.glass,
            tally.approvals,
            subject in found.locked,
        )
        spool.add("people", row, place=f"{person.name.casefold()} {subject}")


def _hosts(found: Gathering, spool: Spool) -> None:
    for machine in found.estate.machines.values():
        tally = found.tallies.hosts[machine.id]
        labels = tuple(f"{label}={value}" for label, value in list(machine.labels)[-1])
        people = tuple(sorted(found.people.who(subject) for subject in tally.people))
        row = (machine.name, machine.id, labels, machine.enrolled, tally.requests, tally.certificates, people)
        spool.add("hosts", (*row, tally.last), place=f"{10**9 - tally.certificates:010d} {machine.name} {machine.id}")


def _approvers(found: Gathering, spool: Spool) -> None:
    tallies = found.tallies
    total = sum(tally.approved for tally in tallies.approvers.values())
    for subject, tally in tallies.approvers.items():
        most = tally.requesters.most_common(1)
        row = (
            found.people.who(subject),
            tally.approved,
            tally.denied,
            round(100 * tally.approved / total) if total else 0,
            tally.signed,
            tally.quick,
            len(tally.requesters),
            f"{found.people.who(most[0][0])}: {most[0][1]}" if most else "",
            tuple(f"{rule}: {count}" for rule, count in tally.rules.most_common()),
        )
        spool.add("approvers", row, place=f"{10**9 - tally.approved:010d} {subject}")


def _rules(found: Gathering, reach: Reach, spool: Spool) -> None:
    able: dict[str, set[str]] = {}
    for line in reach.lines:
        able.setdefault(line.terms.rule, set()).update(line.people)
    rules = {rule.name: rule for policy in reach.known.values() for rule in policy.named.values()}
    for number, (name, rule) in enumerate(rules.items()):
        tally = found.tallies.rules[name]
        row = (
            name,
            wording.kind(rule),
            wording.approvals(rule),
            reach.last is not None and name in reach.last.named,
            len(able.get(name, ())),
            tally.requests,
            tally.grants,
            tally.certificates,
            tally.approvals,
            found.tallies.rule_last_use.get(name),
        )
        spool.add("rules", row, rank=NORMAL if tally.certificates else FIRST, place=number)


def _unused(found: Gathering, reach: Reach, spool: Spool) -> None:
    """What the last policy gives and was not used: by person and rule."""
    could: dict[tuple[str, str], set[str]] = {}
    for line in reach.lines:
        for subject in line.people:
            could.setdefault((subject, line.terms.rule), set()).update(line.hosts)
    for (subject, rule), hosts in could.items():
        if (subject, rule) in found.tallies.used or reach.last is None:
            continue
        person, last = found.people.known[subject], found.tallies.last_use.get((subject, rule))
        held = {role for each in found.people.claims[subject] for role in _roles(reach.last, each, subject, found)}
        by = tuple(role for role in reach.last.named[rule].match.roles or () if role in held)
        row = (found.people.who(subject), person.provider, person.email, rule, by, len(hosts), last)
        place = f"{0 if last is None else 1} {person.name.casefold()} {subject} {rule}"
        spool.add("unused", (*row, person.last_sign_in), place=place)


def _roles(policy: Policy, claims: Claims, subject: str, found: Gathering) -> frozenset[str]:
    return roles_of(policy, claims.subject(subject), found.period.first)
