"""Issuers of workloads in ``providers.toml``, and workloads in a policy: which roles they have, and what never."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from sshjit import workloads
from sshjit.errors import Invalid
from sshjit.policy import (
    Allow,
    Ask,
    Denied,
    Host,
    PolicyError,
    StepUp,
    Subject,
    evaluate,
    explain,
    load,
    permissions_of,
    roles_of,
    roles_without_people,
)
from sshjit.policy.analysis import PolicyOverTime, Timeline
from sshjit.policy.proof import Counterexample, prove
from tests.unit.sshjit.policy_world import at

NOW = at("2026-03-04 12:00")
PEOPLE = """version = 1
[providers.acme]
title = "Acme"
issuer = "https://gitlab.example.com"
algorithms = ["RS256"]
native = { client_id = "cli", scopes = ["openid"] }
web = { client_id = "web", client_secret_file = "secret", scopes = ["openid"] }
"""
JOBS = {
    "title": '"Jobs"',
    "issuer": '"https://gitlab.example.com"',
    "algorithms": '["RS256"]',
    "required_claims": '{ namespace_id = "7" }',
    "claims": '["project_path", "ref"]',
}


def issuers(name: str = "jobs", **changed: str | None) -> dict[str, workloads.WorkloadIssuer]:
    table = {key: value for key, value in {**JOBS, **changed}.items() if value is not None}
    lines = "".join(f"{key} = {value}\n" for key, value in table.items())
    return workloads.load(f"{PEOPLE}[workloads.{name}]\n{lines}")


def test_an_issuer_may_serve_people_too_under_another_id() -> None:
    (jobs,) = issuers().values()
    assert (jobs.lifetime_seconds, jobs.max_age_seconds, jobs.unbound) == (3600, 300, False)
    assert jobs.trusted_claims == ("project_path", "ref", "sub")
    assert workloads.load(PEOPLE) == {}


def test_the_audience_is_the_hash_of_the_key() -> None:
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"blob").digest()).decode().rstrip("=")
    assert workloads.audience_of(b"blob") == f"ssh-jit:{digest}"
    assert len(workloads.audience_of(b"blob")) == len("ssh-jit:") + 43


def test_a_workload_is_its_subject_and_all_its_claims() -> None:
    one = workloads.identity("repo", ("ref=main", "sub=repo"))
    assert one.startswith("repo#")
    assert one == workloads.identity("repo", ("sub=repo", "ref=main"))
    assert (
        len({one, workloads.identity("repo", ("ref=topic", "sub=repo")), workloads.identity("other", ("ref=main",))})
        == 3
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"required_claims": None}, "'workloads.jobs.required_claims' is missing"),
        (
            {"issuer": '"https://token.actions.githubusercontent.com"', "required_claims": "{}"},
            "this issuer signs for everybody in the world",
        ),
        ({"issuer": '"http://gitlab.example.com"'}, "must begin with https://"),
        ({"algorithms": '["HS256"]'}, "algorithms must be some of"),
        ({"algorithms": '["none"]'}, "algorithms must be some of"),
        ({"algorithms": "[]"}, "algorithms must be some of"),
        ({"claims": '["a=b"]'}, "is not the name of a claim"),
        ({"required_claims": '{ "a b" = "c" }'}, "is not the name of a claim"),
        ({"audience": '"https://access.example.com"'}, "an audience that is fixed names no key"),
        ({"unbound": "true"}, "'audience' says what the tokens are for"),
        ({"unbound": "true", "audience": '"ssh-jit:x"'}, "names a key, and is not fixed"),
        ({"unbound": "true", "audience": '"web"'}, "the audience is a client of people"),
        ({"unbound": "true", "audience": '"cli"'}, "the audience is a client of people"),
        ({"lifetime": '"8h1s"'}, "lifetime must be at most 8 h"),
        ({"lifetime": '"0s"'}, "is not a duration"),
        ({"max_age": '"51m"'}, "max_age must be at most 50 min"),
        ({"max_age": '"0s"'}, "is not a duration"),
        ({"unknown": "1"}, "unknown key"),
    ],
)
def test_an_entry_that_would_let_in_anybody_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as error:
        issuers(**changed)
    assert error.value.code == "bad_config"
    assert words in error.value.message


def test_an_id_or_an_issuer_is_there_once() -> None:
    with pytest.raises(Invalid, match="is a provider of people already"):
        issuers("acme")
    lines = "".join(f"{key} = {value}\n" for key, value in JOBS.items())
    with pytest.raises(Invalid, match="have the same issuer"):
        workloads.load(f"{PEOPLE}[workloads.one]\n{lines}[workloads.two]\n{lines}")
    for text in ("workloads = 1\n", "[workloads]\njobs = 1\n"):
        with pytest.raises(Invalid):
            workloads.load(PEOPLE.replace("version = 1\n", f"version = 1\n{text}", 1))


POLICY = """version = 1
[labels]
env = { values = ["prod", "staging"] }
[roles]
deployer = [{ from = "jobs/workload", claims = { project = "app", ref = "main" } }]
tester   = [{ from = "jobs/workload", claims = { project = "app" }, until = 2026-03-05 }]
topic    = [{ from = "jobs/workload", claims = { ref = "topic" } }]
mixed    = ["acme/group:SRE", { from = "jobs/workload", claims = { project = "app" } }]
[permissions]
lock = ["deployer"]
[[deny]]
name = "no-topic"
roles = ["topic"]
logins = ["deploy"]
[[allow]]
name = "strict"
roles = ["deployer"]
hosts = { env = "prod" }
logins = ["deploy"]
mfa = true
approvals = []
grant = "1h"
certificate = "5m"
[[allow]]
name = "staging"
roles = ["deployer", "mixed"]
hosts = { env = "staging" }
logins = ["deploy"]
approvals = []
grant = "1h"
certificate = "5m"
[[break_glass]]
name = "glass"
roles = ["deployer"]
hosts = { env = "prod" }
logins = ["root"]
grant = "1h"
certificate = "5m"
review_within = "1d"
"""
RULES = load(POLICY)
PROD, STAGING = (Host(name, name, (("env", name),)) for name in ("prod", "staging"))


def job(*claims: str, issuer: str = "jobs") -> Subject:
    return Subject("sub-1", issuer, frozenset(), frozenset(), claims=frozenset(claims))


MAIN = job("project=app", "ref=main", "sub=x")


def test_all_claims_of_a_source_must_be_there_letter_by_letter() -> None:
    assert roles_of(RULES, MAIN, NOW) == {"deployer", "tester", "mixed"}
    assert roles_of(RULES, MAIN, at("2026-03-06 12:00")) == {"deployer", "mixed"}
    assert roles_of(RULES, job("project=app", "ref=topic"), NOW) == {"tester", "topic", "mixed"}
    for other in (
        job("project=App", "ref=main"),
        job("project=app2", "ref=main"),
        job("ref=main"),
        job(),
        job("project=app", "ref=main", issuer="other"),
    ):
        assert roles_of(RULES, other, NOW) == set()


def test_t60_a_group_is_no_claim_and_a_claim_is_no_group() -> None:
    person = Subject("sub-1", "jobs", frozenset({"project=app", "ref=main"}), frozenset())
    assert roles_of(RULES, person, NOW) == set()
    sre = Subject("sub-1", "acme", frozenset({"SRE"}), frozenset(), claims=frozenset({"group=SRE"}))
    assert roles_of(RULES, sre, NOW) == set()


def test_a_workload_has_no_permission_and_fills_no_step() -> None:
    assert permissions_of(RULES, MAIN, NOW) == set()
    assert roles_without_people(RULES, NOW) == {"deployer", "tester", "topic"}


def test_a_deny_is_about_workloads_too() -> None:
    topic = job("project=app", "ref=topic")
    outcome = evaluate(RULES, topic, [STAGING], Ask("deploy"), NOW)
    assert isinstance(outcome, Denied)
    assert outcome.code == "denied_by_rule"


def test_what_only_people_can_meet_gives_a_workload_nothing() -> None:
    outcome = evaluate(RULES, MAIN, [PROD], Ask("deploy"), NOW)
    assert isinstance(outcome, StepUp)
    assert (outcome.needs, "which no workload has" in outcome.message) == (("mfa",), True)
    assert "ssh-jit login" not in outcome.hint
    assert isinstance(evaluate(RULES, MAIN, [STAGING], Ask("deploy"), NOW), Allow)


def test_no_break_glass_rule_is_for_a_workload_in_any_of_the_readings() -> None:
    ask = Ask("root", break_glass=True, reason="everything is on fire")
    outcome = evaluate(RULES, MAIN, [PROD], ask, NOW)
    assert isinstance(outcome, Denied)
    assert explain(RULES, MAIN, [PROD], ask, NOW).outcome == outcome
    over_time = PolicyOverTime(RULES, Timeline([RULES], NOW))
    holder = over_time.holder(MAIN)
    assert not over_time.logins(holder, PROD, "shell", break_glass=True)
    assert over_time.logins(holder, PROD, "shell", break_glass=False)
    assert set(over_time.default_logins(holder, PROD, "shell", break_glass=True)) == {None}


def proved(sentence: str, text: str = POLICY) -> list[str]:
    """The rules by which a sentence is broken."""
    rules = load(f'{text}[[never]]\nname = "s"\n{sentence}\n')
    answers = prove(rules, rules.nevers, NOW)
    assert all(isinstance(answer, Counterexample) for answer in answers)
    return [answer.rule for answer in answers if isinstance(answer, Counterexample)]


def test_proofs_know_workloads() -> None:
    assert proved('hosts = { env = "staging" }\nunless_role = "mixed"') == []
    assert proved('hosts = { env = "staging" }\nunless_role = "deployer"') == ["staging"]
    assert proved('hosts = { env = "prod" }') == []  # one rule asks for a second factor, the other one breaks the glass
    people = POLICY.replace('roles = ["deployer"]', 'roles = ["deployer", "mixed"]')
    assert proved('hosts = { env = "prod" }', people) == ["strict"]


def test_a_proof_invents_no_workload_with_two_values_of_a_claim() -> None:
    slipped = POLICY.replace('name = "no-topic"\nroles = ["topic"]', 'name = "but-topic"\nnot_roles = ["topic"]')
    main_alone = slipped.replace('roles = ["deployer", "mixed"]', 'roles = ["deployer"]')
    assert proved('hosts = { env = "staging" }', main_alone) == []
    assert proved('hosts = { env = "staging" }', slipped) == ["staging"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('"jobs/workload"', "says no claims"),
        ('{ from = "jobs/workload" }', "at least one claim must be there"),
        ('{ from = "jobs/workload", claims = {} }', "at least one claim must be there"),
        ('{ from = "jobs/workload", claims = { ref = "refs/heads/*" } }', "compared letter by letter"),
        ('{ from = "jobs/workload", claims = { ref = ["main"] } }', "must be the whole text"),
        ('{ from = "jobs/workload", claims = { ref = "" } }', "must be the whole text"),
        ('{ from = "jobs/workload", claims = { "a=b" = "c" } }', "is not the name of a claim"),
        ('{ from = "Jobs/workload", claims = { ref = "main" } }', "provider"),
        ('{ from = "acme/group:SRE", claims = { ref = "main" } }', "only workloads have claims"),
    ],
)
def test_a_source_that_would_be_everybody_or_a_pattern_is_refused(source: str, words: str) -> None:
    with pytest.raises(PolicyError) as error:
        load(POLICY.replace('"acme/group:SRE"', source))
    assert words in str(error.value)
