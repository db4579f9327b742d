"""Roles, permissions, and until when a role holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit.policy import (
    Allow,
    Ask,
    Denied,
    Host,
    Subject,
    empty_roles,
    ends_by,
    evaluate,
    explain,
    load,
    permissions_of,
    roles_of,
)
from tests.unit.sshjit.policy_world import (
    ALICE,
    BOB,
    CAROL,
    DANA,
    DB1,
    EVE,
    POLICY,
    TEXT,
    WEB1,
    WEDNESDAY,
    at,
)


@pytest.mark.parametrize(
    ("who", "roles", "permissions"),
    [
        (ALICE, {"sre"}, set()),
        (BOB, {"sre-lead"}, {"lock", "audit"}),
        (CAROL, set(), set()),
        (DANA, {"dba"}, set()),
        (EVE, {"auditor"}, {"audit"}),
        (replace(ALICE, groups=frozenset({"SRE", "SRE Leads"})), {"sre", "sre-lead"}, {"lock", "audit"}),
        (replace(ALICE, groups=frozenset({"sre", "SRE "})), set(), set()),
        (replace(DANA, provider="acme"), set(), set()),
        (replace(DANA, emails=frozenset()), set(), set()),
        (replace(ALICE, groups=frozenset(f"group {number}" for number in range(100_000)) | {"SRE"}), {"sre"}, set()),
    ],
)
def test_roles_and_permissions(who: Subject, roles: set[str], permissions: set[str]) -> None:
    assert roles_of(POLICY, who, WEDNESDAY) == roles
    assert permissions_of(POLICY, who, WEDNESDAY) == permissions


def test_addresses_in_the_policy_are_case_folded() -> None:
    policy = load(TEXT.replace("dana@example.com", "Dana@Example.com"))
    assert roles_of(policy, DANA, WEDNESDAY) == {"dba"}


def test_a_source_ends_with_its_last_day_in_utc() -> None:
    midnight = at("2027-01-01 01:00")
    assert roles_of(POLICY, EVE, midnight - 1) == {"auditor"}
    assert roles_of(POLICY, EVE, midnight) == set()
    assert empty_roles(POLICY, midnight - 1) == set()
    assert empty_roles(POLICY, midnight) == {"auditor"}
    assert empty_roles(load("version = 1\n[roles]\nnobody = []"), midnight) == {"nobody"}


def test_the_end_of_a_role_ends_the_window() -> None:
    passing = TEXT.replace('["acme/group:SRE"]', '[{ from = "acme/group:SRE", until = 2026-03-04 }]')
    window = {"login": "deploy", "action": "shell", "break_glass": False}
    asked = {"subject": ALICE, "hosts": [WEB1], "now": WEDNESDAY, **window}
    assert ends_by(load(passing), **asked) == at("2026-03-05 01:00")  # type: ignore[arg-type]
    both = passing.replace("until = 2026-03-04 }", 'until = 2026-03-04 }, "acme/group:SRE"')
    assert ends_by(load(both), **asked) is None  # type: ignore[arg-type]


def test_a_deny_goes_on_when_the_source_of_its_role_has_ended() -> None:
    text = TEXT.replace(
        '["acme/group:SRE"]', '[{ from = "acme/group:SRE", until = 2026-03-04 }, "acme/group:Database"]'
    )
    deny = '[[deny]]\nname = "never"\nroles = ["sre"]\nhosts = { env = "prod" }\n\n[[allow]]'
    policy, both = load(text.replace("[[allow]]", deny, 1)), replace(ALICE, groups=frozenset({"SRE", "Database"}))
    for now in (WEDNESDAY, at("2026-03-05 12:00")):
        for outcome in (
            evaluate(policy, ALICE, [DB1], Ask("postgres"), now),
            evaluate(policy, both, [DB1], Ask("postgres"), now),
        ):
            assert isinstance(outcome, Denied)
            assert (outcome.code, outcome.rule) == ("denied_by_rule", "never")


def test_the_last_of_several_roles_ends_the_window() -> None:
    text = TEXT.replace('["acme/group:SRE"]', '[{ from = "acme/group:SRE", until = 2026-03-04 }]')
    policy = load(text.replace('"acme/group:Database"', '{ from = "acme/group:Database", until = 2026-03-06 }'))
    both_roles = replace(ALICE, groups=frozenset({"SRE", "Database"}))
    asked = (policy, both_roles, [WEB1], Ask("deploy"), WEDNESDAY)
    for outcome in (evaluate(*asked), explain(*asked).outcome):
        assert isinstance(outcome, Allow)
        assert outcome.terms.ends_by == at("2026-03-07 01:00")


def test_a_window_over_hosts_of_two_rules_ends_with_the_first_to_close() -> None:
    """Two rules give what one gave when it was asked: policy was changed meanwhile."""
    rule = """
[[allow]]
name = "{0}"
roles = ["sre"]
hosts = {{ env = "{0}" }}
logins = ["deploy"]
hours = "08:00-{1}:00"
zone = "UTC"
approvals = []
grant = "8h"
certificate = "5m"
"""
    declared = 'version = 1\n[labels]\nenv = {}\n[roles]\nsre = ["acme/group:SRE"]\n'
    policy = load(declared + rule.format("prod", "18") + rule.format("staging", "14"))
    hosts = [Host("a", "a", (("env", "prod"),)), Host("b", "b", (("env", "staging"),))]
    window = {"login": "deploy", "action": "shell", "break_glass": False}
    assert ends_by(policy, ALICE, hosts, now=WEDNESDAY, **window) == at("2026-03-04 15:00")  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["first", "second", "third"])
def test_a_crowd_of_groups_gives_every_role_that_is_among_them(role: str) -> None:
    sources = "".join(f'{each} = ["acme/group:{each}"]\n' for each in ("first", "second", "third"))
    crowd = frozenset({role, *(f"group {number}" for number in range(100))})
    assert roles_of(load(f"version = 1\n[roles]\n{sources}"), replace(ALICE, groups=crowd), WEDNESDAY) == {role}
