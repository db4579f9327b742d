"""What the shared policy decides, case by case: by ``evaluate`` and, the same, by ``explain``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit.approvals import Step
from sshjit.policy import (
    Allow,
    Ask,
    Denied,
    Host,
    NeedsApproval,
    Outcome,
    StepUp,
    Subject,
    Terms,
    evaluate,
    explain,
    load,
    step_up,
)
from tests.unit.sshjit import policy_world as world
from tests.unit.sshjit.policy_world import (
    ALICE,
    BARE,
    BOB,
    CACHE1,
    CAROL,
    DANA,
    DB1,
    DB2,
    EVE,
    FIRE,
    FRESH_ALICE,
    LAX,
    MIGRATE,
    WEB1,
    WEB2,
    decide,
)

POLICY = world.POLICY
NOON = world.WEDNESDAY
STALE = replace(DANA, auth_time=NOON - 901)
KEYED = replace(DANA, hardware_key=True)


def terms(outcome: Outcome) -> Terms:
    """The terms of an outcome that has some."""
    assert isinstance(outcome, Allow | NeedsApproval)
    return outcome.terms


@pytest.mark.parametrize(
    ("who", "hosts", "ask", "rule", "login"),
    [
        (ALICE, [WEB1], Ask(None), "staging", "alice"),
        (ALICE, [WEB1], Ask("deploy"), "staging", "deploy"),
        (ALICE, [WEB1], Ask("alice"), "staging", "alice"),
        (ALICE, [WEB1, WEB2], Ask(None), "staging", "alice"),
        (replace(ALICE, unix_name=None), [WEB1], Ask(None), "staging", "deploy"),
        (replace(ALICE, unix_name="root"), [WEB1], Ask(None), "staging", "deploy"),
        (replace(ALICE, unix_name="a,root"), [WEB1], Ask(None), "staging", "deploy"),
        (DANA, [WEB2], Ask("dana"), "staging", "dana"),
        (KEYED, [DB1, DB2], LAX, "lax-database", "postgres"),
        (FRESH_ALICE, [DB1], FIRE, "on-call", "root"),
        (FRESH_ALICE, [DB1, CACHE1], replace(FIRE, login=None), "on-call", "root"),
    ],
)
def test_allowed_at_once(who: Subject, hosts: list[Host], ask: Ask, rule: str, login: str) -> None:
    outcome = decide(who, hosts, ask)
    assert isinstance(outcome, Allow)
    assert (outcome.terms.rule, outcome.terms.login) == (rule, login)
    assert (outcome.terms.break_glass is not None) == ask.break_glass


def test_approval_with_everything_that_the_rule_says() -> None:
    outcome = decide(DANA, [DB1], replace(MIGRATE, duration=7200))
    assert isinstance(outcome, NeedsApproval)
    assert outcome.steps == (Step("dba", 1), Step("sre-lead", 1, signed=True))
    terms = outcome.terms
    assert (terms.rule, terms.login, terms.action, terms.command) == (
        "prod-database",
        "postgres",
        "migrate",
        "/opt/app/bin/migrate",
    )
    assert (terms.duration, terms.capped, terms.grant, terms.certificate) == (3600, True, 3600, 300)
    assert (terms.pending, terms.use_by, terms.max_hosts) == (1800, 1200, 2)
    assert (terms.source, terms.forwarding, terms.verify_required) == (("client",), ("port",), False)
    assert terms.ends_by == world.at("2026-03-04 18:00")
    assert terms.extend is not None
    assert (terms.extend.count, terms.extend.by) == (2, 1800)


@pytest.mark.parametrize(
    ("who", "ask", "needs", "message", "hint"),
    [
        (
            STALE,
            MIGRATE,
            ("fresh_login",),
            'rule "prod-database" needs a sign-in within the last 15 min',
            "sign in again: ssh-jit login --fresh",
        ),
        (
            replace(STALE, mfa=False),
            MIGRATE,
            ("fresh_login", "mfa"),
            'rule "prod-database" needs a sign-in within the last 15 min and a sign-in with a second factor',
            "sign in again: ssh-jit login --fresh; sign in again with a second factor",
        ),
        (
            DANA,
            LAX,
            ("hardware_key",),
            'rule "lax-database" needs a registered hardware key',
            "sign in with --key and a registered sk key",
        ),
        (
            replace(ALICE, auth_time=NOON - 901),
            FIRE,
            ("fresh_login",),
            'rule "on-call" needs a sign-in within the last 15 min',
            "sign in again: ssh-jit login --fresh",
        ),
    ],
)
def test_t62_a_weak_sign_in_steps_up_and_never_falls_through(
    who: Subject, ask: Ask, needs: tuple[str, ...], message: str, hint: str
) -> None:
    assert decide(who, [DB1], ask) == StepUp(message.split('"')[1], needs, message, hint)


@pytest.mark.parametrize(("age", "fresh"), [(0, True), (900, True), (901, False), (-300, True), (-301, False)])
def test_freshness_is_measured_to_the_second(age: int, *, fresh: bool) -> None:
    outcome = decide(replace(DANA, auth_time=NOON - age), [DB1], MIGRATE)
    assert isinstance(outcome, NeedsApproval if fresh else StepUp)
    found = terms(decide(DANA, [DB1], MIGRATE))
    assert (step_up(found, replace(DANA, auth_time=NOON - age), NOON) is None) == fresh


def test_after_hours_the_next_rule_has_its_turn_because_hours_match_and_do_not_require() -> None:
    late = replace(DANA, hardware_key=True)
    shell = replace(LAX, action="shell", command=None)
    assert terms(decide(late, [DB1], shell, world.EVENING)).rule == "lax-database"
    outcome = decide(DANA, [CACHE1], MIGRATE, world.EVENING)
    assert isinstance(outcome, Denied)
    assert outcome.hint == 'rule "prod-database" allows it 09:00-18:00 (Europe/Berlin)'


def test_the_weekend_is_denied_but_not_to_break_glass() -> None:
    outcome = decide(KEYED, [WEB1, DB1], LAX, world.SATURDAY)
    assert isinstance(outcome, Denied)
    assert (outcome.code, outcome.rule) == ("denied_by_rule", "weekend-freeze")
    assert outcome.message == 'rule "weekend-freeze" denies access to db1'
    assert outcome.hint == "it applies Sat, Sun (Europe/Berlin); it does not apply to break-glass access"
    alice = replace(ALICE, auth_time=world.SATURDAY)
    assert isinstance(decide(alice, [DB1], FIRE, world.SATURDAY), Allow)


def test_a_timed_deny_to_come_ends_the_window() -> None:
    friday = world.at("2026-03-06 20:00")
    shell = replace(LAX, action="shell", command=None)
    assert terms(decide(KEYED, [DB1], shell, friday)).ends_by == world.at("2026-03-07 00:00")
    assert terms(decide(ALICE, [WEB1], Ask(None), friday)).ends_by is None


def test_t62_a_deny_on_a_label_does_not_miss_a_host_without_it() -> None:
    outcome = decide(DANA, [CACHE1], replace(MIGRATE))
    assert isinstance(outcome, NeedsApproval)  # role=cache is not role=broken
    outcome = decide(DANA, [WEB1], Ask("deploy", "migrate"))
    assert isinstance(outcome, Denied)
    assert (outcome.code, outcome.rule) == ("denied_by_rule", "quarantine")  # web1 has no role at all
    assert outcome.hint == "the owner of the policy knows why"  # nothing that the person could do is known


def test_a_chosen_login_is_held_against_denies() -> None:
    policy = load(world.TEXT.replace('logins = ["root"]\nunless', 'logins = ["alice"]\nunless'))
    outcome = evaluate(policy, ALICE, [WEB1], Ask(None), NOON)
    assert isinstance(outcome, Denied)
    assert outcome.rule == "no-root"
    assert explain(policy, ALICE, [WEB1], Ask(None), NOON).outcome == outcome


def test_t16_a_group_of_the_same_name_at_another_provider_is_another_group() -> None:
    stranger = Subject("sub-x", "partner", frozenset({"SRE"}), frozenset())
    assert isinstance(decide(stranger, [WEB1], Ask(None)), Denied)


def test_t60_a_group_named_like_an_address_is_no_address() -> None:
    group = Subject("sub-x", "partner", frozenset({"dana@example.com", "email:dana@example.com"}), frozenset())
    assert isinstance(decide(group, [WEB1], Ask(None)), Denied)


@pytest.mark.parametrize("who", [BOB, EVE, CAROL])
@pytest.mark.parametrize("host", [WEB1, DB1, BARE])
def test_t28_no_matching_rule_is_no_access(who: Subject, host: Host) -> None:
    outcome = decide(who, [host], Ask(None))
    assert isinstance(outcome, Denied)
    assert outcome.code == "no_rule"


def test_outcomes_are_neither_true_nor_false() -> None:
    for outcome in (
        decide(ALICE, [WEB1], Ask(None)),
        decide(DANA, [DB1], MIGRATE),
        decide(STALE, [DB1], MIGRATE),
        decide(CAROL, [WEB1], Ask(None)),
    ):
        with pytest.raises(TypeError, match="is neither true nor false"):
            bool(outcome)
