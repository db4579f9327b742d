"""A bastion counts for denies, and is exempt from "all hosts under one rule" and from nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit.policy import Allow, Ask, Bastion, Changed, Denied, Held, Host, evaluate, explain, load, reevaluate
from sshjit.policy.analysis import Access, PolicyOverTime, Timeline
from tests.unit.sshjit import policy_world as world
from tests.unit.sshjit.policy_world import ALICE, SATURDAY, WEB1, WEB2, WEDNESDAY, decide
from tests.unit.sshjit.test_policy_reevaluate import staging

GATE = Host("gate", "gate", (("env", "prod"), ("role", "bastion")))
BEHIND = replace(WEB2, bastion=Bastion(GATE, "jump"))


def denying(deny: str) -> str:
    return world.TEXT.replace("[[allow]]", f'[[deny]]\nname = "here"\n{deny}\n\n[[allow]]', 1)


def test_no_rule_has_to_allow_the_bastion_that_another_rule_would_be_for() -> None:
    assert isinstance(decide(ALICE, [GATE], Ask("deploy")), Denied)
    outcome = decide(ALICE, [BEHIND, replace(WEB1, bastion=BEHIND.bastion)], Ask("deploy"))
    assert isinstance(outcome, Allow)
    assert outcome.terms.rule == "staging"


def test_a_bastion_that_is_asked_for_itself_falls_under_the_rule_like_any_host() -> None:
    assert decide(ALICE, [BEHIND, GATE], Ask("deploy")) == decide(ALICE, [WEB2, GATE], Ask("deploy"))
    assert isinstance(decide(ALICE, [BEHIND, GATE], Ask("deploy")), Denied)


@pytest.mark.parametrize(
    ("deny", "ask"),
    [
        ('hosts = { role = "bastion" }', Ask("deploy")),
        ('hosts = { role = "bastion" }', Ask(None)),
        ('hosts = { role = "bastion" }\nlogins = ["deploy"]', Ask("deploy")),
        ('hosts = { role = "bastion" }\nlogins = ["jump"]', Ask("deploy")),
        ('hosts = { role = "bastion" }\nlogins = ["jump"]', Ask(None)),
        ('hosts = { role = "bastion" }\nactions = ["shell"]', Ask("deploy")),
        ('hosts = { role = "bastion" }\nroles = ["sre"]', Ask("deploy")),
    ],
)
def test_a_deny_on_the_bastion_counts(deny: str, ask: Ask) -> None:
    policy = load(denying(deny))
    assert isinstance(evaluate(policy, ALICE, [WEB2], ask, WEDNESDAY), Allow)
    outcome = evaluate(policy, ALICE, [BEHIND], ask, WEDNESDAY)
    assert isinstance(outcome, Denied)
    assert outcome.message == 'rule "here" denies access to gate, through which web2 is reached'
    explanation = explain(policy, ALICE, [BEHIND], ask, WEDNESDAY)
    assert explanation.outcome == outcome
    assert [rule.hosts for rule in explanation.rules if rule.decides] == [("gate",)]


@pytest.mark.parametrize("deny", ['logins = ["root"]', 'roles = ["dba"]', 'actions = ["migrate"]'])
def test_a_deny_on_the_bastion_that_is_about_something_else_does_not(deny: str) -> None:
    policy = load(denying(f'hosts = {{ role = "bastion" }}\n{deny}'))
    assert isinstance(evaluate(policy, ALICE, [BEHIND], Ask("deploy"), WEDNESDAY), Allow)


def test_a_timed_deny_on_the_bastion_ends_the_window_and_refuses_while_it_lasts() -> None:
    outcome = decide(ALICE, [BEHIND], Ask("deploy"), SATURDAY - 86400)
    assert isinstance(outcome, Allow)
    assert outcome.terms.ends_by == world.at("2026-03-07 00:00")
    assert isinstance(decide(ALICE, [BEHIND], Ask("deploy"), SATURDAY), Denied)
    assert isinstance(decide(ALICE, [WEB2], Ask("deploy"), SATURDAY), Allow)


def test_what_was_granted_is_denied_once_the_bastion_is() -> None:
    granted = staging()
    now, held = WEDNESDAY, Held(WEDNESDAY)
    assert not isinstance(reevaluate(world.POLICY, ALICE, [BEHIND], granted, held, now=now), Denied | Changed)
    policy = load(denying('hosts = { role = "bastion" }'))
    assert isinstance(reevaluate(policy, ALICE, [BEHIND], granted, held, now=now), Denied)
    kept = replace(granted, kept_for=("sre",))
    assert isinstance(reevaluate(policy, ALICE, [BEHIND], kept, held, now=now), Denied)


@pytest.mark.parametrize("deny", ['logins = ["jump"]', 'logins = ["deploy"]', ""])
def test_over_time_a_deny_on_the_bastion_takes_the_host_away_too(deny: str) -> None:
    policy = load(denying(f'hosts = {{ role = "bastion" }}\n{deny}'))
    rules = PolicyOverTime(policy, Timeline((policy,), WEDNESDAY))
    behind, direct = (
        Access(rules.holder(ALICE), host, "deploy", "shell", break_glass=False) for host in (BEHIND, WEB2)
    )
    assert [rule.name for rule, _ in rules.decisions(direct)] == ["staging"]
    assert rules.decisions(behind) == []
    assert "here" in [rule.name for rule in rules.denies(behind)]
    assert "here" not in [rule.name for rule in rules.denies(direct)]
