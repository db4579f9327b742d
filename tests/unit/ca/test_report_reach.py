"""Who could reach what: each line is what the policies themselves say, asked by the clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sshjit import policy as policies
from sshjit.policy import Allow, Ask, Host, NeedsApproval
from sshjit_ca.report import answers
from sshjit_ca.report.making import Report
from sshjit_ca.report.people import Claims
from tests.support.installation import Installation
from tests.support.issuer import Issuer
from tests.support.month import DAY, HOUR, START, Month
from tests.support.reporting import made, played_in, rows

DANA = "d-4 (partner)"


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, shared_issuers: dict[str, Issuer]
) -> Iterator[tuple[Installation, Month]]:
    with played_in(tmp_path_factory.mktemp("month"), shared_issuers) as found:
        yield found


@pytest.fixture(scope="module")
def report(played: tuple[Installation, Month]) -> Iterator[Report]:
    with made(played[0]) as found:
        yield found


def test_reach_is_what_the_policies_themselves_say_over_a_fortnight(
    report: Report, played: tuple[Installation, Month]
) -> None:
    """Each host and person by themselves, by the clock: what a rule gives at any time is a line, and nothing else."""
    for digest in {played[1].digests[0], played[1].digests[-1]}:
        policy = policies.load(played[0].store.policy_text(digest))
        people, owners = report.found.people.claims, report.found.state.own_names
        hosts = [host for machine in report.found.estate.machines.values() for host in machine.as_policy_sees()]
        lines = answers.of(policy, people, owners, hosts, START)
        said = {
            (person, host, login, action, line.terms.rule)
            for line in lines
            for person in line.people
            for host in line.hosts
            for login in line.logins
            for action in line.actions
        }
        assert said == set(by_the_clock(policy, people, hosts))


def by_the_clock(policy: policies.Policy, people: Any, hosts: list[Host]) -> Iterator[tuple[str, str, str, str, str]]:
    for subject, several in people.items():
        for host in hosts:
            for login in ("deploy", "postgres", "root", "nobody"):
                for action in ("shell", "command", "migrate"):
                    for broken in (False, True):
                        for rule in deciding(
                            policy,
                            next(iter(several)),
                            subject,
                            host,
                            Ask(
                                login,
                                action,
                                "id" if action == "command" else None,
                                None,
                                "CHG-1 because of it",
                                None,
                                break_glass=broken,
                            ),
                        ):
                            yield subject, host.id, login, action, rule


def deciding(policy: policies.Policy, claims: Claims, subject: str, host: Host, ask: Ask) -> set[str]:
    person = claims.subject(subject)
    found = set()
    for now in range(START, START + 8 * DAY, 3 * HOUR):
        fresh = policies.Subject(
            person.id, person.provider, person.groups, person.emails, person.own, now, mfa=True, hardware_key=True
        )
        outcome = policies.evaluate(policy, fresh, [host], ask, now)
        if isinstance(outcome, Allow | NeedsApproval):
            found.add(outcome.terms.rule)
    return found


def test_hours_and_when_it_held_are_said(report: Report) -> None:
    nightly = next(row for row in rows(report, "reach") if row["rule"] == "nightly")
    assert nightly["hours"] == "22:00-04:00 (Europe/Berlin); not Sun (Europe/Berlin), by sunday-freeze"
    assert (nightly["people"], nightly["hosts"]) == ((DANA,), ("old1", "web1", "web2"))
    signed = [(row["approvals"], row["held"]) for row in rows(report, "reach") if row["rule"] == "database"]
    assert signed == [(("1 of lead",), "until 2027-01-26 11:04"), (("1 of lead, signed",), "since 2027-01-26 11:04")]


def test_ten_thousand_hosts_are_as_many_lines_as_their_labels_differ(report: Report) -> None:
    policy = report.reach.last
    assert policy is not None
    hosts = [Host(f"h{n}", f"h{n}", (("env", "staging"), ("role", f"r{n}"))) for n in range(10_000)]
    lines = answers.of(policy, report.found.people.claims, {}, hosts, START)
    assert sorted((line.terms.rule, len(line.hosts)) for line in lines) == [("nightly", 10_000), ("staging", 10_000)]
