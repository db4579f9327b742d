"""Rotas: what a text says, for how long it counts, and what comes of a turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit.policy import Allow, Ask, Denied, Host, PolicyError, Subject, Turn, evaluate, explain, load, role_ends
from sshjit.policy.model import Rota
from sshjit.policy.rota import LARGEST, parse_rota, turns_of
from tests.unit.sshjit.policy_texts import ALLOW, HEAD, problems
from tests.unit.sshjit.policy_world import at

ROTA = """\
version = 1
rota    = "primary"
issued  = 2026-03-02T08:00:00Z

[[span]]
from   = 2026-03-02T08:00:00Z
until  = 2026-03-04T08:00:00Z
people = ["acme/email:ann@example.com", "acme/group:Night"]

[[span]]
from   = 2026-03-04T08:00:00Z
until  = 2026-03-06T08:00:00Z
people = ["acme/email:ann@example.com"]

[[span]]
from   = 2026-03-08T08:00:00Z
until  = 2026-03-20T08:00:00Z
people = ["acme/email:ann@example.com"]
"""
ISSUED = at("2026-03-02 09:00")
DAY = 86400
WEEK = Rota("primary", 7 * DAY)
ANN = Subject("sub-1", "acme", frozenset(), frozenset({"ann@example.com"}))
POLICY = HEAD + '[rotas.primary]\nlifetime = "7d"\n' + ALLOW.replace('["sre"]', '["on-call"]')
POLICY = POLICY.replace("[rotas.primary]", 'on-call = ["rota:primary"]\n[rotas.primary]')
STAGE = [Host("web1", "web1", (("env", "staging"),))]


def turns(who: Subject, rota: Rota = WEEK, text: str = ROTA) -> list[tuple[float, float]]:
    """When somebody is on call, in days since the text was issued."""
    found = turns_of(who, [(rota, parse_rota(text))])
    assert all(turn.rota == rota.name for turn in found)
    return [((turn.begin - ISSUED) / DAY, (turn.end - ISSUED) / DAY) for turn in found]


def test_turns_that_meet_are_one_and_none_goes_on_when_the_text_is_stale() -> None:
    assert turns(ANN) == [(0, 4), (6, 7)]
    assert turns(ANN, replace(WEEK, lifetime=2 * DAY)) == [(0, 2)]
    assert turns(ANN, replace(WEEK, lifetime=30 * DAY)) == [(0, 4), (6, 18)]


def test_people_are_those_whom_the_policy_would_mean() -> None:
    assert turns(replace(ANN, emails=frozenset(), groups=frozenset({"Night"}))) == [(0, 2)]
    assert turns(replace(ANN, provider="other")) == []
    assert turns(replace(ANN, emails=frozenset(), groups=frozenset({"ann@example.com"}))) == []
    assert turns(replace(ANN, emails=frozenset(), denied_emails=frozenset({"ann@example.com"}))) == []


def test_a_turn_gives_its_role_until_it_ends_and_the_window_too() -> None:
    policy = load(POLICY)
    begin, end = at("2026-03-04 10:00"), at("2026-03-04 12:00")
    who = replace(ANN, on_call=(Turn("primary", begin, end), Turn("other", 0, end * 2)))
    for now, held in ((begin - 1, False), (begin, True), (end - 1, True), (end, False)):
        assert role_ends(policy, who, now) == ({"on-call": end} if held else {})
        outcome = evaluate(policy, who, STAGE, Ask("deploy"), now)
        assert outcome == explain(policy, who, STAGE, Ask("deploy"), now).outcome
        assert isinstance(outcome, Allow if held else Denied)
        if isinstance(outcome, Allow):
            assert outcome.terms.ends_by == end
    assert isinstance(evaluate(policy, who, STAGE, Ask("deploy", start=begin), begin - 60), Allow)
    assert isinstance(evaluate(policy, who, STAGE, Ask("deploy", start=end), begin), Denied)


def test_a_source_that_ends_ends_the_turn_too() -> None:
    policy = load(POLICY.replace('["rota:primary"]', '[{ from = "rota:primary", until = 2026-03-04 }]'))
    end_of_day = at("2026-03-05 01:00")
    who = replace(ANN, on_call=(Turn("primary", 0, end_of_day + DAY),))
    assert role_ends(policy, who, end_of_day - 1) == {"on-call": end_of_day}
    assert role_ends(policy, who, end_of_day) == {}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("version = 1", "version = 2", "1: version: must be 1, is 2"),
        ('rota    = "primary"', 'rota = "Primary!"', "2: rota: must be made of lower-case letters"),
        ("issued  = 2026-03-02T08:00:00Z\n", "", "1: issued: missing"),
        (
            "2026-03-02T08:00:00Z\n\n",
            "2026-03-02T08:00:00\n\n",
            "3: issued: '2026-03-02 08:00:00' is no time with a zone",
        ),
        ("2026-03-02T08:00:00Z\n\n", "2026-03-02\n\n", "3: issued: '2026-03-02' is no time with a zone"),
        ('["acme/email:ann@example.com", "acme/group:Night"]', "[]", "8: span[0].people: must not be empty"),
        ('"acme/group:Night"]', '"Night"]', "8: span[0].people[1]: 'Night' is not a source of a role"),
        ('"acme/group:Night"]', '"rota:other"]', "8: span[0].people[1]: 'rota:other' is not a source of a role"),
        (
            '"acme/group:Night"]',
            '"acme/email:ünal@example.com"]',
            "is not ASCII, so it gives nobody a role",
        ),
        ("until  = 2026-03-04T08:00:00Z", "until = 2026-03-02T08:00:00Z", "7: span[0].until: is not after from"),
        ("from   = 2026-03-08", "form   = 2026-03-08", '16: span[2].form: unknown key; did you mean "from"?'),
    ],
)
def test_what_is_wrong_with_a_rota(old: str, new: str, problem: str) -> None:
    assert ROTA.count(old) == 1
    with pytest.raises(PolicyError) as caught:
        parse_rota(ROTA.replace(old, new), file="rota.toml")
    assert problem in str(caught.value)


def test_a_rota_that_names_nobody_or_is_huge_is_refused() -> None:
    head = ROTA.partition("[[span]]")[0]
    for text, problem in (
        (head + "span = []\n", "span: names nobody; to end a rota, take it out of the policy"),
        (head, "span: missing"),
        (ROTA + "#" * LARGEST, f"has more than {LARGEST} bytes"),
        (head + "[[span]]\n" * 1001, "span: has 1001 elements; 1000 are the most"),
    ):
        with pytest.raises(PolicyError) as caught:
            parse_rota(text)
        assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("rota:primary", "rota:primry", "roles.on-call[0]: there is no rota 'primry'; did you mean \"primary\"?"),
        ('lifetime = "7d"', 'lifetime = "7x"', "rotas.primary.lifetime: "),
        ('lifetime = "7d"', "", "rotas.primary.lifetime: missing"),
        ('lifetime = "7d"', 'lifetime = "99999999d"', "'99999999d' is not a duration from 1 second to 366 d"),
        ('lifetime = "7d"', 'lifetime = "7d"\nurl = "https://x"', "rotas.primary.url: unknown key"),
    ],
)
def test_what_is_wrong_with_a_rota_of_a_policy(old: str, new: str, problem: str) -> None:
    assert problem in problems(POLICY.replace(old, new))[0]


def test_by_a_rota_nothing_is_forbidden() -> None:
    """It names nobody once it is stale, and then would open what it had closed."""
    deny = '[[deny]]\nname = "no"\nhosts = { env = "prod" }\nroles = ["on-call"]\n'
    message = '"on-call" comes from a rota, which names nobody once it is stale'
    assert f"deny[0].roles[0]: {message}" in problems(POLICY + deny)[0]
    left_out = POLICY.replace('roles = ["on-call"]', 'roles = ["sre"]\nnot_roles = ["on-call"]')
    assert f"allow[0].not_roles[0]: {message}" in problems(left_out)[0]
    load(POLICY + deny.replace("roles", "not_roles"))


def test_a_deny_that_spares_who_is_on_call_begins_when_the_turn_ends() -> None:
    deny = '[[deny]]\nname = "no"\nhosts = { env = "staging" }\nnot_roles = ["on-call"]\n'
    policy = load(POLICY.replace('roles = ["on-call"]', 'roles = ["sre"]') + deny)
    now, end = at("2026-03-04 10:00"), at("2026-03-04 12:00")
    who = replace(ANN, groups=frozenset({"SRE"}), on_call=(Turn("primary", 0, end),))
    outcome = evaluate(policy, who, STAGE, Ask("deploy"), now)
    assert isinstance(outcome, Allow)
    assert outcome.terms.ends_by == end
    assert explain(policy, who, STAGE, Ask("deploy"), now).outcome == outcome
    assert isinstance(evaluate(policy, who, STAGE, Ask("deploy"), end), Denied)
