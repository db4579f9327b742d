"""The counts as rows: per person, host, rule, approver and provider, and what nobody used."""

from __future__ import annotations

from sshjit.policy import roles_of
from sshjit.policy.owners import written_out
from sshjit_ca.report import access_lines
from sshjit_ca.report.access import PolicyAccess
from sshjit_ca.report.columns import FIRST, NORMAL
from sshjit_ca.report.gathering import Gathering
from sshjit_ca.report.spool import Spool


def fill_counts(gathered: Gathering, access: PolicyAccess, spool: Spool) -> None:
    """Fills the tables of counts."""
    _people(gathered, access, spool)
    _hosts(gathered, spool)
    _approvers(gathered, spool)
    _rules(gathered, access, spool)
    _unused(gathered, access, spool)
    for (provider, via), count in sorted(gathered.tallies.sign_ins.items()):
        key = (provider, via)
        people, mfa = len(gathered.tallies.signed_in[key]), gathered.tallies.with_mfa[key]
        spool.add("sign_ins", (provider, via, count, people, mfa), place=f"{provider} {via}")


def _people(gathered: Gathering, access: PolicyAccess, spool: Spool) -> None:
    at = min(gathered.period.until, gathered.state.time)
    for subject in gathered.people.claims:
        person, tally = gathered.people.known[subject], gathered.tallies.people[subject]
        roles = frozenset[str]()
        if access.last is not None:
            roles = roles_of(access.last, person.claims.subject(subject), at)
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
            subject in gathered.locked,
        )
        spool.add("people", row, place=f"{person.name.casefold()} {subject}")


def _hosts(gathered: Gathering, spool: Spool) -> None:
    for record in gathered.changes.hosts.values():
        tally = gathered.tallies.hosts[record.id]
        labels = tuple(f"{label}={value}" for label, value in list(record.labels)[-1])
        people = tuple(sorted(gathered.people.who(subject) for subject in tally.people))
        row = (record.name, record.id, labels, record.enrolled, tally.requests, tally.certificates, people)
        spool.add("hosts", (*row, tally.last), place=f"{10**9 - tally.certificates:010d} {record.name} {record.id}")


def _approvers(gathered: Gathering, spool: Spool) -> None:
    tallies = gathered.tallies
    total = sum(tally.approved for tally in tallies.approvers.values())
    for subject, tally in tallies.approvers.items():
        most = tally.requesters.most_common(1)
        row = (
            gathered.people.who(subject),
            tally.approved,
            tally.denied,
            round(100 * tally.approved / total) if total else 0,
            tally.signed,
            tally.quick,
            len(tally.requesters),
            f"{gathered.people.who(most[0][0])}: {most[0][1]}" if most else "",
            tuple(f"{rule}: {count}" for rule, count in tally.rules.most_common()),
        )
        spool.add("approvers", row, place=f"{10**9 - tally.approved:010d} {subject}")


def _rules(gathered: Gathering, access: PolicyAccess, spool: Spool) -> None:
    able: dict[str, set[str]] = {}
    for line in access.lines:
        able.setdefault(line.terms.rule, set()).update(line.people)
    rules = {rule.name: rule for policy in access.known.values() for rule in policy.named.values()}
    for number, (name, rule) in enumerate(rules.items()):
        tally = gathered.tallies.rules[name]
        row = (
            name,
            access_lines.way(rule),
            access_lines.approvals(rule),
            access.last is not None and name in access.last.named,
            len(able.get(name, ())),
            tally.requests,
            tally.grants,
            tally.certificates,
            tally.approvals,
            gathered.tallies.rule_last_use.get(name),
        )
        spool.add("rules", row, rank=NORMAL if tally.certificates else FIRST, place=number)


def _unused(gathered: Gathering, access: PolicyAccess, spool: Spool) -> None:
    """What the last policy gives and was not used: by person and rule."""
    could: dict[tuple[str, str], set[str]] = {}
    for line in access.lines:
        for subject in line.people:
            could.setdefault((subject, line.terms.rule), set()).update(line.hosts)
    for (subject, rule), hosts in could.items():
        if (subject, rule) in gathered.tallies.used or access.last is None:
            continue
        person, last = gathered.people.known[subject], gathered.tallies.last_use.get((subject, rule))
        roles = set[str]()
        for claims in gathered.people.claims[subject]:
            roles |= roles_of(access.last, claims.subject(subject), gathered.period.first)
        wanted = written_out(access.last.owners, access.last.named[rule].match.roles or ())
        by = tuple(role for role in wanted if role in roles)
        row = (gathered.people.who(subject), person.provider, person.email, rule, by, len(hosts), last)
        place = f"{0 if last is None else 1} {person.name.casefold()} {subject} {rule}"
        spool.add("unused", (*row, person.last_sign_in), place=place)
