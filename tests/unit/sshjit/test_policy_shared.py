"""What rules share: sets of terms that they may only tighten; several host alternatives; all values but some."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sshjit.policy import Allow, Ask, Denied, Host, Outcome, Subject, evaluate, explain, load
from sshjit.policy.model import Extend
from tests.unit.sshjit.policy_texts import ALLOW, BREAK_GLASS, HEAD, problems
from tests.unit.sshjit.policy_world import ALICE, WEDNESDAY

SHORT = """\
[[allow]]
name = "staging"
roles = ["sre"]
hosts = { env = "staging" }
logins = ["deploy"]
terms = ["prod"]
"""
TERMS = """\
[terms.prod]
grant = "1h"
certificate = "5m"
approvals = [{ from = "sre", count = 1 }]
mfa = true
reason = { pattern = "CHG-[0-9]+", prompt = "Change number" }
source = ["10.0.0.0/8", "192.0.2.0/24"]
forwarding = ["port", "agent"]
max_hosts = 4
extend = { count = 2, by = "30m" }
"""
CALM = '[terms.calm]\nfresh_login = "30m"\ngrant = "30m"\npending = "2h"\n'


def only(text: str) -> Any:
    (rule,) = load(text).allows
    return rule


# ------------------------------------------------------------------------------------------------------ shared terms


def test_a_rule_is_what_it_would_be_if_it_said_the_terms_itself() -> None:
    spelled = SHORT.replace('terms = ["prod"]\n', "\n".join(TERMS.splitlines()[1:]) + "\n")
    assert only(HEAD + TERMS + SHORT) == only(HEAD + spelled)
    assert only(HEAD + TERMS + SHORT.replace('["prod"]', '"prod"')) == only(HEAD + spelled)


def test_of_several_sets_the_tightest_counts() -> None:
    rule = only(HEAD + TERMS + CALM + SHORT.replace('["prod"]', '["prod", "calm"]'))
    assert (rule.grant, rule.fresh_login, rule.pending, rule.mfa) == (1800, 1800, 7200, True)
    other = only(HEAD + TERMS + CALM + SHORT.replace('["prod"]', '["calm", "prod"]'))
    assert other == rule


TIGHTER: dict[str, dict[str, Any]] = {
    'grant = "10m"': {"grant": 600, "use_by": 600},
    'certificate = "1m"': {"certificate": 60},
    "max_hosts = 1": {"max_hosts": 1},
    'forwarding = ["port"]': {"forwarding": ("port",)},
    'source = ["10.1.0.0/16"]': {"source": ("10.1.0.0/16",)},
    'extend = { count = 1, by = "30m" }': {"extend": Extend(1, 1800)},
    'fresh_login = "5m"': {"fresh_login": 300},
    "mfa = true": {},
    "hardware_key = true": {"hardware_key": True},
}


@pytest.mark.parametrize("line", TIGHTER)
def test_a_rule_may_ask_for_more_and_give_less(line: str) -> None:
    assert only(HEAD + TERMS + SHORT + line) == replace(only(HEAD + TERMS + SHORT), **TIGHTER[line])


@pytest.mark.parametrize(
    "line",
    [
        'grant = "61m"',
        'certificate = "6m"',
        "approvals = []",
        "mfa = false",
        "reason = {}",
        'reason = { pattern = "[0-9]+" }',
        'source = ["10.0.0.0/8", "203.0.113.0/24"]',
        'source = ["::/0"]',
        'source = "client"',
        'forwarding = ["x11"]',
        "max_hosts = 5",
        'extend = { count = 3, by = "10m" }',
        'extend = { count = 1, by = "31m" }',
    ],
)
def test_a_rule_may_not_loosen_the_terms_that_it_takes(line: str) -> None:
    key = line.partition(" ")[0]
    number = (HEAD + TERMS + SHORT).count("\n") + 1
    wanted = f'{number}: allow[0].{key}: gives more than the terms "prod", which may only be tightened'
    assert wanted in problems(HEAD + TERMS + SHORT + line)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            'terms = ["prod"]',
            'terms = ["prd"]',
            'allow[0].terms[0]: there is no set of terms "prd"; did you mean',
        ),
        ('terms = ["prod"]', "terms = []", "allow[0].terms: must not be empty: it would match no set of terms"),
        ('terms = ["prod"]', "terms = 1", "allow[0].terms: must be a string or a list of strings, is a whole number"),
        ("[terms.prod]", "[terms.Prod]", "terms.Prod: is not a name: use lower-case letters, digits, '-' and '_'"),
        ("max_hosts = 4", "max_host = 4", 'terms.prod.max_host: unknown key; did you mean "max_hosts"?'),
        ("max_hosts = 4", "keep_open = true", "terms.prod.keep_open: unknown key"),
        ('grant = "1h"', 'grant = "an hour"', "terms.prod.grant: 'an hour' is not a duration"),
        ('from = "sre", count', 'from = "sr", count', 'terms.prod.approvals[0].from: there is no role "sr"'),
        ('certificate = "5m"\n', "", "allow[0].certificate: missing"),
    ],
)
def test_what_is_wrong_with_terms(old: str, new: str, problem: str) -> None:
    text = HEAD + TERMS + SHORT
    assert text.count(old) == 1
    said = [line.partition(": ")[2] for line in problems(text.replace(old, new))]
    assert any(line.startswith(problem) for line in said), said


@pytest.mark.parametrize("sets", ['["tickets"]', '["tickets", "down"]'])
def test_a_set_with_a_ticket_means_that_a_checker_which_is_down_refuses(sets: str) -> None:
    """Neither a rule nor another set may say that it allows; a set or a rule that brings the ticket itself may."""
    checked = (
        '[tickets.jira]\nexpect.open = true\n[terms.tickets]\nreason = { pattern = "CHG-[0-9]+" }\nticket = "jira"\n'
    )
    checked += 'grant = "1h"\ncertificate = "5m"\napprovals = []\n[terms.down]\nticket_down = "allow"\n'
    rule = SHORT.replace('["prod"]', sets)
    lax = [line for line in problems(HEAD + checked + rule + 'ticket_down = "allow"\n') if "gives more" in line]
    assert ['terms "tickets"' in line and "allow[0].ticket_down" in line for line in lax] == [True]
    assert not only(HEAD + checked + rule).ticket_down_allows
    assert not only(HEAD + checked + rule + 'ticket_down = "refuse"\n').ticket_down_allows
    open_set = checked.replace('ticket = "jira"', 'ticket = "jira"\nticket_down = "allow"')
    assert only(HEAD + open_set + rule + 'ticket_down = "allow"\n').ticket_down_allows


def test_sets_that_disagree_and_an_empty_one() -> None:
    other = '[terms.other]\nreason = { pattern = "INC" }\n[terms.empty]\n'
    text = HEAD + TERMS + other + SHORT.replace('["prod"]', '["prod", "other"]')
    said = [line.partition(": ")[2] for line in problems(text)]
    assert (
        'allow[0].terms: "prod" and "other" differ in reason, and neither gives less; say reason in one of them alone'
        in said
    )
    empty = "terms.empty: says nothing; say at least one of reason, ticket, ticket_down, fresh_login"
    assert any(line.startswith(empty) for line in said)


def test_an_emergency_takes_no_terms_with_approvals() -> None:
    text = f'{HEAD}{TERMS}{BREAK_GLASS}terms = "prod"\n'.replace('grant = "30m"\ncertificate = "5m"\n', "")
    said = [line.partition(": ")[2] for line in problems(text)]
    assert 'break_glass[0].terms: "prod" says approvals, which such a rule cannot have' in said
    good = f'{HEAD}[terms.fire]\ngrant = "10m"\ncertificate = "1m"\nmfa = true\n{BREAK_GLASS}terms = "fire"\n'
    rule = load(good.replace('grant = "30m"\ncertificate = "5m"\n', "")).break_glass[0]
    assert (rule.grant, rule.certificate, rule.mfa) == (600, 60, True)


# ---------------------------------------------------------------------------------------------------- several hosts

SEVERAL = ALLOW.replace('{ env = "staging" }', '[{ env = "prod", role = "db" }, { env = "staging" }]')
ROLES = HEAD.replace("[roles]", 'role = { values = ["db", "web", "vault"] }\n[roles]')


def host(name: str, **labels: str) -> Host:
    return Host(name, name, tuple(sorted(labels.items())))


DB, WEB, STAGING, BARE = (
    host("db", env="prod", role="db"),
    host("web", env="prod", role="web"),
    host("s", env="staging"),
    host("b"),
)


def decide(text: str, *hosts: Host) -> Outcome:
    policy = load(text)
    outcome = evaluate(policy, ALICE, hosts, Ask("deploy"), WEDNESDAY)
    assert explain(policy, ALICE, hosts, Ask("deploy"), WEDNESDAY).outcome == outcome
    return outcome


def test_one_rule_for_several_kinds_of_hosts_is_one_for_a_request_for_both() -> None:
    assert isinstance(decide(ROLES + SEVERAL, DB, STAGING), Allow)
    refused = decide(ROLES + SEVERAL, DB, WEB)
    assert isinstance(refused, Denied)
    assert refused.code == "no_rule"
    assert refused.hint.endswith('; rule "staging" is about hosts with env=prod and role=db')
    (report,) = explain(load(ROLES + SEVERAL), ALICE, [WEB], Ask("deploy"), WEDNESDAY).rules
    assert [miss.reason for miss in report.misses] == [
        "it is for env=prod and role=db; or env=staging; web has env=prod and role=web"
    ]


def test_a_deny_on_several_kinds_of_hosts_matches_each_and_hosts_without_the_labels() -> None:
    deny = '[[deny]]\nname = "d"\nhosts = [{ env = "prod", role = "db" }, { role = "vault" }]\n'
    text = ROLES + deny + ALLOW.replace('{ env = "staging" }', '{ env = ["prod", "staging"] }')
    codes = {each.name: getattr(decide(text, each), "code", "") for each in (DB, WEB, STAGING)}
    assert codes == {"db": "denied_by_rule", "web": "", "s": "denied_by_rule"}, "s has no role: it may be a vault"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("[]", "hosts: must not be empty: it would match no host"),
        ("[{}]", "hosts[0]: must not be empty: it would match no host"),
        ('[{ env = "prod" }, "x"]', "hosts[1]: must be a table, is a string"),
        ('[{ env = "prod" }, { env = "prod" }]', "hosts[1]: is listed twice"),
        ('[{ env = "prd" }]', 'hosts[0].env: the label "env" has no value "prd"; did you mean "prod"?'),
        ('{ role = { not = "dbs" } }', 'hosts.role.not: there is no value "dbs"; did you mean "db"?'),
        ('{ role = { no = "db" } }', 'hosts.role.no: unknown key; did you mean "not"?'),
        ('{ role = { not = ["db", "web", "vault"] } }', "hosts.role.not: leaves no value"),
        ('{ site = { not = "x" } }', 'hosts.site.not: the label "site" has no list of values; declare its values'),
    ],
)
def test_what_is_wrong_with_hosts(written: str, problem: str) -> None:
    text = ROLES.replace("[roles]", "site = {}\n[roles]") + ALLOW.replace('{ env = "staging" }', written)
    said = [line.partition("allow[0].")[2] for line in problems(text)]
    assert any(line.startswith(problem) for line in said), said


# --------------------------------------------------------------------------------------------------------- all but

BUT = ALLOW.replace('{ env = "staging" }', '{ env = "prod", role = { not = ["db", "vault"] } }')


def test_all_values_but_some() -> None:
    assert load(ROLES + BUT).allows[0].match.hosts == ((("env", ("prod",)), ("role", ("web",))),)
    assert isinstance(decide(ROLES + BUT, WEB), Allow)
    assert isinstance(decide(ROLES + BUT, DB), Denied)
    assert isinstance(decide(ROLES + BUT, host("p", env="prod")), Denied), "without the label it may be a database"


def test_a_deny_on_all_values_but_some_spares_those_alone() -> None:
    deny = '[[deny]]\nname = "d"\nhosts = { role = { not = "web" } }\n'
    text = ROLES + deny + ALLOW.replace('{ env = "staging" }', '{ env = ["prod", "staging"] }')
    assert isinstance(decide(text, WEB), Allow)
    assert isinstance(decide(text, DB), Denied)
    assert isinstance(decide(text, STAGING), Denied)


# --------------------------------------------------------------------------------------------- all people but some

PEOPLE = HEAD.replace(
    'sre = ["acme/group:SRE"]',
    'sre = ["acme/group:SRE"]\ntrainee = ["acme/group:Trainees"]\n'
    'lead = [{ from = "acme/group:Leads", until = 2026-03-04 }]\n',
)
NO_TRAINEES = PEOPLE + ALLOW.replace('roles = ["sre"]', 'roles = ["sre"]\nnot_roles = ["trainee"]')
FREEZE = '[[deny]]\nname = "freeze"\nhosts = { env = "staging" }\nnot_roles = ["lead"]\n'
TRAINEE = replace(ALICE, groups=frozenset({"SRE", "Trainees"}))
LEAD = replace(ALICE, groups=frozenset({"SRE", "Leads"}))
MIDNIGHT_UTC = 1_772_668_800
"""The end of 4 March, when nobody is a lead any more."""


def answer(text: str, who: Subject, now: int = WEDNESDAY) -> Outcome:
    policy, ask = load(text), Ask("deploy")
    outcome = evaluate(policy, who, [STAGING], ask, now)
    assert explain(policy, who, [STAGING], ask, now).outcome == outcome
    return outcome


def test_a_rule_that_allows_leaves_people_out() -> None:
    assert isinstance(answer(NO_TRAINEES, ALICE), Allow)
    refused = answer(NO_TRAINEES, TRAINEE)
    assert isinstance(refused, Denied)
    assert (refused.code, refused.hint) == (
        "no_rule",
        'rule "staging" is not for the role trainee; roles held: sre, trainee',
    )
    (report,) = explain(load(NO_TRAINEES), TRAINEE, [STAGING], Ask("deploy"), WEDNESDAY).rules
    assert [(miss.matcher, miss.reason) for miss in report.misses] == [("not_roles", "it is not for the role trainee")]


def test_whoever_may_be_one_of_them_is_left_out() -> None:
    """By another sign-in, by an address that nobody verified, or by a source that has ended."""
    other = replace(ALICE, denied_groups=frozenset({"SRE", "Trainees"}))
    assert isinstance(answer(NO_TRAINEES, other), Denied)
    dated = NO_TRAINEES.replace('["acme/group:Trainees"]', '[{ from = "acme/group:Trainees", until = 2026-01-01 }]')
    assert isinstance(answer(dated, TRAINEE), Denied)


def test_a_deny_spares_those_who_hold_a_role_until_it_ends() -> None:
    text = PEOPLE + FREEZE + ALLOW
    assert isinstance(answer(text, ALICE), Denied)
    spared = answer(text, LEAD)
    assert isinstance(spared, Allow)
    assert spared.terms.ends_by == MIDNIGHT_UTC
    assert isinstance(answer(text, LEAD, MIDNIGHT_UTC), Denied)
    by_other_sign_in = replace(ALICE, denied_groups=frozenset({"SRE", "Leads"}))
    assert isinstance(answer(text, by_other_sign_in), Denied)


def test_a_deny_with_hours_begins_for_them_with_its_hours() -> None:
    hours = 'hours = "12:00-13:00"\nzone = "UTC"\n'
    spared = answer(PEOPLE + FREEZE + hours + ALLOW, LEAD)
    assert isinstance(spared, Allow)
    assert spared.terms.ends_by == MIDNIGHT_UTC + 12 * 3600


def test_a_role_is_not_among_both() -> None:
    text = PEOPLE + ALLOW.replace('roles = ["sre"]', 'roles = ["sre"]\nnot_roles = ["sre"]')
    assert problems(text)[0].endswith('allow[0].not_roles[0]: "sre" is among roles too')
