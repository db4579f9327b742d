"""Owners of hosts, limits, and approval steps for other teams and after a while: what they say, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit.approvals import Approver, Person, Step, able, complete, covers, fits, lacking, unfillable
from sshjit.policy import (
    Allow,
    Ask,
    Bastion,
    Count,
    Denied,
    Facts,
    Host,
    NeedsApproval,
    Outcome,
    Subject,
    Used,
    evaluate,
    explain,
    load,
)
from sshjit.policy.analysis import Access, PolicyOverTime, Timeline
from sshjit.policy.proof import Counterexample, prove
from tests.unit.sshjit.policy_texts import problems
from tests.unit.sshjit.policy_world import at

NOW = at("2026-03-04 12:00")
HEAD = """\
version = 1
[labels]
env = { values = ["prod", "test"], required = true }
team = {}
[roles]
payments = ["acme/group:Payments", { from = "acme/group:Guests", until = 2026-03-05 }]
search = ["acme/group:Search"]
lead = ["acme/group:Leads"]
[owners.team]
label = "team"
roles = { pay = "payments", pay-db = "payments", find = "search" }
"""
PLAIN = 'grant = "1h"\ncertificate = "5m"\n'
OWN = f"""\
[[allow]]
name = "own"
roles = ["@team"]
hosts = {{ env = "prod" }}
logins = ["deploy"]
approvals = []
{PLAIN}"""
LEFT = OWN.replace('roles = ["@team"]', 'roles = ["payments", "search", "lead"]\nnot_roles = ["@team"]')
ASK = Ask("deploy", reason="why not", address="192.0.2.1")


def person(*groups: str, had: tuple[str, ...] = ()) -> Subject:
    return Subject("x", "acme", frozenset(groups), frozenset(), denied_groups=frozenset(had))


def host(team: str | None, name: str = "h") -> Host:
    return Host(name, name, (("env", "prod"), *((("team", team),) if team else ())))


def asked(text: str, who: Subject, *hosts: Host, facts: Facts | None = None) -> Outcome:
    policy, known = load(HEAD + text), facts or Facts()
    outcome = evaluate(policy, who, hosts, ASK, NOW, facts=known)
    assert explain(policy, who, hosts, ASK, NOW, facts=known).outcome == outcome
    return outcome


def code(outcome: Outcome) -> str:
    return outcome.code if isinstance(outcome, Denied) else ""


# ------------------------------------------------------------------------------------------------------------ matching


@pytest.mark.parametrize(
    ("team", "answer"), [("pay", ""), ("pay-db", ""), ("find", "no_rule"), ("gone", "no_rule"), (None, "no_rule")]
)
def test_a_rule_for_owners_is_about_their_hosts_alone(team: str | None, answer: str) -> None:
    assert code(asked(OWN, person("Payments"), host(team))) == answer


def test_one_ask_is_for_the_hosts_of_two_teams_of_ones_own_and_no_others() -> None:
    both = person("Payments", "Search")
    assert isinstance(asked(OWN, both, host("pay", "a"), host("find", "b")), Allow)
    assert code(asked(OWN, person("Search"), host("pay", "a"), host("find", "b"))) == "no_rule"


@pytest.mark.parametrize(("team", "answer"), [("pay", "no_rule"), ("find", ""), ("gone", "no_rule"), (None, "no_rule")])
def test_a_rule_that_leaves_out_owners_is_not_for_hosts_of_nobody(team: str | None, answer: str) -> None:
    assert code(asked(LEFT, person("Payments"), host(team))) == answer
    assert code(asked(LEFT, person("Leads", had=("Payments",)), host(team))) == answer, "who may be of the team"


DENY_FOREIGN = '[[deny]]\nname = "foreign"\nhosts = { env = "prod" }\nnot_roles = ["@team"]\n'
DENY_OWN = '[[deny]]\nname = "own"\nroles = ["@team"]\n'
ANY = LEFT.replace('\nnot_roles = ["@team"]', "").replace('"own"', '"any"')


@pytest.mark.parametrize(("team", "foreign", "own"), [("pay", "", "d"), ("find", "d", ""), ("gone", "d", "d")])
def test_denies_take_a_host_of_nobody_for_everybodys(team: str, foreign: str, own: str) -> None:
    for rule, denied in ((DENY_FOREIGN, foreign), (DENY_OWN, own)):
        assert code(asked(rule + ANY, person("Payments"), host(team))) == ("denied_by_rule" if denied else "")
    assert code(asked(DENY_OWN + ANY, person("Leads", had=("Payments",)), host("pay"))) == "denied_by_rule"
    assert code(asked(DENY_FOREIGN + ANY, person("Leads", had=("Payments",)), host("pay"))) == "denied_by_rule"


def test_a_deny_looks_at_the_owner_of_the_bastion_too() -> None:
    behind = replace(host("pay", "db"), bastion=Bastion(host("find", "gate"), "jump"))
    outcome = asked(DENY_FOREIGN + ANY, person("Payments"), behind)
    assert isinstance(outcome, Denied)
    assert outcome.message == 'rule "foreign" denies access to gate, through which db is reached'


def test_access_ends_with_the_role_of_the_owner() -> None:
    """Of each host: the guest's role of payments ends on the day after tomorrow, that of search does not."""
    ends = at("2026-03-06 01:00")
    for text in (OWN, DENY_FOREIGN + ANY):
        for hosts, until in (
            ([host("pay", "a")], ends),
            ([host("find", "b")], None),
            ([host("find"), host("pay")], ends),
        ):
            outcome = asked(text, person("Guests", "Search", "Leads"), *hosts)
            assert isinstance(outcome, Allow)
            assert outcome.terms.ends_by == until


def test_over_time_it_is_the_same() -> None:
    """What diff, report and proof look at: the guest owns payments' hosts until the end of the fifth."""
    for text in (OWN, DENY_FOREIGN + ANY):
        policy = load(HEAD + text)
        rules = PolicyOverTime(policy, Timeline([policy], NOW))
        for team, eras in (("pay", [True, False]), ("find", [False, False]), ("gone", [False, False])):
            access = Access(rules.holder(person("Guests")), host(team), "deploy", "shell", break_glass=False)
            by_era = [rule is not None for rule in rules.deciding_rules(access)]
            assert by_era == eras, (text, team)


def test_explain_names_the_owner() -> None:
    policy = load(HEAD + OWN)
    explained = explain(policy, person("Search"), [host("pay", "db1"), host("gone", "db2")], ASK, NOW)
    (report,) = explained.rules
    assert [(miss.host, miss.reason) for miss in report.misses] == [
        ("db1", "it is for the role payments, which is not held"),
        ("db2", "it is for the role @team, which is not held"),
    ]
    outcome = evaluate(policy, person("Search"), [host("pay", "db1")], ASK, NOW)
    assert isinstance(outcome, Denied)
    assert outcome.hint == "deploy on db1 needs the role payments (rule own); roles held: search"


# ----------------------------------------------------------------------------------------------------------- approvals


def with_steps(steps: str) -> str:
    return ANY.replace("approvals = []", f"approvals = [{steps}]")


def test_approvers_are_the_owners_of_each_host() -> None:
    outcome = asked(with_steps('{ from = "@team", count = 1 }'), person("Leads"), host("pay", "a"), host("find", "b"))
    assert isinstance(outcome, NeedsApproval)
    assert outcome.steps == (Step("payments", 1), Step("search", 1))
    outcome = asked(with_steps('{ from = "@team", count = 1 }'), person("Leads"), host("pay", "a"), host("pay-db", "b"))
    assert isinstance(outcome, NeedsApproval)
    assert outcome.steps == (Step("payments", 1),), "one owner of both approves once"
    two = with_steps('{ from = "@team", count = 1 }, { from = "payments", count = 1 }')
    outcome = asked(two, person("Leads"), host("pay", "a"))
    assert isinstance(outcome, NeedsApproval)
    assert outcome.steps == (Step("payments", 1), Step("payments", 1)), "two steps are two people"


def test_a_host_without_an_owner_has_nobody_to_approve_it() -> None:
    outcome = asked(with_steps('{ from = "@team", count = 1 }'), person("Leads"), host("pay", "a"), host("gone", "b"))
    assert isinstance(outcome, Denied)
    assert (outcome.code, outcome.message, outcome.hint) == (
        "no_owner",
        'rule "any" needs an approval by the owner of b, which has none',
        "its label team must name one of [owners.team]",
    )
    later = with_steps('{ from = "lead", count = 1, escalate = { to = "@team", after = "20m" } }')
    assert code(asked(later, person("Leads"), host(None))) == "no_owner"


def test_not_ones_own_team_is_every_team_that_somebody_may_be_of() -> None:
    text = with_steps('{ from = "lead", count = 1, not_own = "team" }')
    outcome = asked(text, person("Payments", had=("Search",)), host("pay"))
    assert isinstance(outcome, NeedsApproval)
    assert outcome.steps == (Step("lead", 1, but=("payments", "search")),)
    outcome = asked(text, person("Leads"), host("pay"))
    assert isinstance(outcome, NeedsApproval)
    assert outcome.steps == (Step("lead", 1),)


def somebody(name: str, *roles: str, had: tuple[str, ...] = (), email: str = "") -> Approver:
    return Approver(name, frozenset({email} - {""}), frozenset(roles), signed=True, had=frozenset(had))


REQUESTER = Person("me", frozenset(), frozenset())
OTHERS = Step("lead", 1, but=("payments",))


def test_who_may_be_of_a_team_does_not_count_by_any_account() -> None:
    ann, ben = somebody("ann", "lead", had=("payments",)), somebody("ben", "lead")
    assert not complete([OTHERS], REQUESTER, [ann])
    assert complete([OTHERS], REQUESTER, [ann, ben])
    assert able([OTHERS], REQUESTER, [ann, ben]) == ((ben,),)
    assert [fits(one, OTHERS) for one in (ann, ben)] == [False, True]
    again, team = somebody("cid", "lead", email="c@x"), somebody("cid2", had=("payments",), email="c@x")
    assert complete([OTHERS], REQUESTER, [again])
    assert not complete([OTHERS], REQUESTER, [again], others=[again, team])
    assert not fits(again, OTHERS, [again, team])
    assert able([OTHERS], REQUESTER, [again, team]) == ((),)
    assert unfillable([OTHERS], REQUESTER, [ann], frozenset()) == OTHERS
    assert unfillable([OTHERS], REQUESTER, [ann, ben], frozenset()) is None


LATER = Step("dba", 1, instead="lead", after=1200)


def test_another_role_may_answer_after_a_while() -> None:
    lead = somebody("lea", "lead")
    assert not complete([LATER.at(1199)], REQUESTER, [lead])
    assert complete([LATER.at(1200)], REQUESTER, [lead])
    assert complete([LATER.at(0)], REQUESTER, [somebody("dan", "dba")])
    assert unfillable([LATER], REQUESTER, [], frozenset({"dba"})) is None, "somebody can, after a while"
    assert unfillable([LATER], REQUESTER, [], frozenset({"dba", "lead"})) == LATER
    assert lacking([LATER], REQUESTER, [lead]) == (0,)


def test_two_steps_of_one_role_of_which_one_is_signed() -> None:
    steps = [Step("lead", 1), Step("lead", 1, signed=True)]
    signs, says = somebody("ann", "lead"), replace(somebody("ben", "lead"), signed=False)
    assert not complete(steps, REQUESTER, [signs])
    assert complete(steps, REQUESTER, [signs, says])
    assert complete(steps, REQUESTER, [says, signs])
    assert not complete(steps, REQUESTER, [says, replace(says, subject_id="cid")])
    text = with_steps('{ from = "lead", count = 1 }, { from = "lead", count = 1, signed = true }')
    outcome = asked(text, person("Payments"), host("pay"))
    assert isinstance(outcome, NeedsApproval)
    assert outcome.steps == tuple(steps)


@pytest.mark.parametrize(
    ("given", "wanted", "enough"),
    [
        ([Step("a", 2, signed=True)], [Step("a", 1), Step("a", 1, signed=True)], True),
        ([Step("a", 2)], [Step("a", 1), Step("a", 1, signed=True)], False),
        ([Step("a", 1), Step("a", 1, signed=True)], [Step("a", 2)], True),
        ([Step("a", 1, signed=True)], [Step("a", 1), Step("a", 1, signed=True)], False),
        ([LATER], [Step("dba", 1)], False),
        ([Step("dba", 1)], [LATER], True),
        ([LATER], [replace(LATER, after=600)], True),
        ([replace(LATER, after=600)], [LATER], False),
        ([Step("lead", 1)], [LATER], False),
        ([replace(LATER, after=0)], [Step("lead", 1)], False),
        ([OTHERS], [Step("lead", 1)], True),
        ([Step("lead", 1)], [OTHERS], False),
        ([replace(OTHERS, but=("payments", "search"))], [OTHERS], True),
        ([Step("a", 1), Step("b", 1)], [Step("b", 1), Step("a", 1)], True),
        ([], [], True),
        ([], [Step("a", 1)], False),
    ],
)
def test_what_covers_what(given: list[Step], wanted: list[Step], enough: bool) -> None:  # noqa: FBT001
    assert covers(given, wanted) is enough


# -------------------------------------------------------------------------------------------------------------- limits

LIMITED = ANY + "limits = { person = { open = 1, week = 2 }, rule = { open = 3, week = 4 } }\n"


@pytest.mark.parametrize(
    ("person_count", "rule_count", "text"),
    [
        (Count(0, 1), Count(2, 3), ""),
        (Count(1, 1), Count(), "one person 1 grant at once, and 1 is open"),
        (Count(0, 2), Count(), "one person 2 grants in 7 days, and there were 2"),
        (Count(), Count(3, 3), "all 3 grants at once, and 3 are open"),
        (Count(), Count(0, 5), "all 4 grants in 7 days, and there were 5"),
    ],
)
def test_limits_count_what_the_caller_says(person_count: Count, rule_count: Count, text: str) -> None:
    known = Facts({"any": Used(person_count, rule_count), "other": Used(Count(9, 9), Count(9, 9))})
    outcome = asked(LIMITED, person("Leads"), host("pay"), facts=known)
    if not text:
        assert isinstance(outcome, Allow)
        return
    assert isinstance(outcome, Denied)
    assert (outcome.code, outcome.rule, outcome.message) == ("limit_reached", "any", f'rule "any" allows {text}')


def test_a_limit_is_no_matcher_the_next_rule_is_not_tried() -> None:
    known = Facts({"any": Used(Count(1, 1), Count(1, 1))})
    later = ANY.replace('"any"', '"later"')
    assert code(asked(LIMITED + later, person("Leads"), host("pay"), facts=known)) == "limit_reached"


# ------------------------------------------------------------------------------------------------------- wrong policies


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('["@team"]', '["@taem"]', 'allow[0].roles[0]: there is no role "@taem"; did you mean "@team"?'),
        ('label = "team"', 'label = "taem"', 'owners.team.label: there is no label "taem"; did you mean "team"?'),
        ('label = "team"', 'lable = "team"', 'owners.team.lable: unknown key; did you mean "label"?'),
        (
            'find = "search"',
            'find = "serach"',
            'owners.team.roles.find: there is no role "serach"; did you mean "search"?',
        ),
        ("roles = { pay = ", "roles = {}\n#", "owners.team.roles: must not be empty: nobody would own a host"),
        (
            "[owners.team]",
            "[owners.own]",
            "owners.own: is not a name for owners: use lower-case letters, digits, '-' and",
        ),
        (
            'search = ["acme/group:Search"]',
            'search = ["rota:first"]\n[rotas.first]\nlifetime = "8d"\n[roles.x]\n#',
            'owners.team.roles.find: "search" comes from a rota, which names nobody once it is stale',
        ),
        ("approvals = []", 'approvals = [{ from = "@x", count = 1 }]', 'approvals[0].from: there is no role "@x"'),
        (
            "approvals = []",
            'approvals = [{ from = "lead", count = 1, not_own = "taem" }]',
            "approvals[0].not_own: there are no owners 'taem'; did you mean \"team\"?",
        ),
        (
            "approvals = []",
            'approvals = [{ from = "lead", count = 1, escalate = { to = "lead", after = "5m" } }]',
            'approvals[0].escalate.to: "lead" may answer from the beginning',
        ),
        (
            "approvals = []",
            'approvals = [{ from = "lead", count = 1, escalate = { to = "search", after = "60m" } }]',
            "approvals[0].escalate.after: must be shorter than pending, after which nobody may answer",
        ),
        (
            "approvals = []",
            'approvals = [{ from = "lead", count = 1 }, { from = "lead", count = 2 }]',
            'approvals[1]: "lead" already has a step; raise its count',
        ),
        ("approvals = []", "approvals = []\nkeep_open = true", "keep_open: cannot stand beside owners: labels that"),
        ("approvals = []", "approvals = []\nlimits = {}", "limits: says nothing; say at least one of person, rule"),
        ("approvals = []", "approvals = []\nlimits = { rule = {} }", "limits.rule: says nothing; say at least one of"),
        (
            "approvals = []",
            "approvals = []\nlimits = { rule = { weak = 1 } }",
            "limits.rule.weak: unknown key; did you",
        ),
        (
            "approvals = []",
            "approvals = []\nlimits = { rule = { week = 0 } }",
            "limits.rule.week: must be from 1 to 10000",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, problem: str) -> None:
    text = HEAD + OWN
    assert text.count(old) == 1
    said = problems(text.replace(old, new))
    assert any(problem in line for line in said), said


@pytest.mark.parametrize(
    ("key", "terms", "rule", "tighter"),
    [
        ("limits", "{ person = { open = 2 } }", "{ person = { open = 1 } }", True),
        ("limits", "{ person = { open = 2 } }", "{ person = { open = 3 } }", False),
        ("limits", "{ person = { open = 2 } }", "{ rule = { open = 1 } }", False),
        ("limits", "{ rule = { week = 5 } }", "{ rule = { week = 5, open = 1 } }", True),
        (
            "approvals",
            '[{ from = "lead", count = 1 }]',
            '[{ from = "lead", count = 1, escalate = { to = "search", after = "5m" } }]',
            False,
        ),
        ("approvals", '[{ from = "lead", count = 1 }]', '[{ from = "lead", count = 1, not_own = "team" }]', True),
        ("approvals", '[{ from = "lead", count = 1, not_own = "team" }]', '[{ from = "lead", count = 1 }]', False),
    ],
)
def test_a_rule_may_only_tighten_its_terms(key: str, terms: str, rule: str, tighter: bool) -> None:  # noqa: FBT001
    first = "approvals = []\n" if key == "limits" else ""
    text = f'{HEAD}[terms.t]\n{key} = {terms}\n{ANY.replace("approvals = []", first)}terms = "t"\n{key} = {rule}\n'
    if tighter:
        assert load(text)
    else:
        assert any(f'{key}: gives more than the terms "t"' in line for line in problems(text))


# --------------------------------------------------------------------------------------------------------------- proof


def broken(text: str, never: str) -> list[Counterexample]:
    policy = load(HEAD + f"[[never]]\n{never}\n" + text)
    found = prove(policy, policy.nevers, NOW)
    assert all(isinstance(each, Counterexample) for each in found)
    return [each for each in found if isinstance(each, Counterexample)]


def test_owners_are_proved_host_by_host() -> None:
    assert broken(OWN, 'hosts = { team = "pay" }\nunless_role = "payments"') == []
    (example,) = broken(OWN, 'hosts = { env = "prod" }\nunless_role = "payments"')
    assert example.host.by_label["team"] == "find"
    assert broken(OWN, 'hosts = { team = "gone" }') == []
    assert broken(DENY_FOREIGN + ANY, 'hosts = { team = "pay" }\nunless_role = "payments"') == []
    (example,) = broken(ANY, 'hosts = { team = "pay" }\nunless_role = "payments"')
    assert example.rule == "any"
    assert broken(LEFT, 'hosts = { team = "pay" }\nunless_role = ["search", "lead"]') == []


def test_who_slips_past_an_earlier_rule_by_owning_the_host() -> None:
    """Who owns it is left out of the rule that asks for approval, and gets it by the next."""
    strict = LEFT.replace("approvals = []", 'approvals = [{ from = "lead", count = 1 }]')
    (example,) = broken(strict + ANY, 'hosts = { team = "find" }\nunless_role = "payments"\nwithout = "approval"')
    assert example.rule == "any"
    assert "Search" in example.subject.groups | example.subject.denied_groups


def test_limits_and_escalation_do_not_make_a_sentence_hold() -> None:
    assert [each.rule for each in broken(LIMITED, 'hosts = { env = "prod" }')] == ["any"]
    assert broken(with_steps('{ from = "@team", count = 1 }'), 'hosts = { team = "gone" }') == [], (
        "nobody could approve"
    )
    assert broken(with_steps('{ from = "@team", count = 1 }'), 'hosts = { env = "prod" }\nwithout = "approval"') == []


def test_denies_on_other_hosts_do_not_make_a_sentence_undecided() -> None:
    """Each team's hosts are denied to the others, by twelve denies: on one host one of them counts."""
    teams = range(12)
    roles = "".join(f'r{i} = ["acme/group:G{i}"]\n' for i in teams)
    denies = "".join(
        f'[[deny]]\nname = "d{i}"\nhosts = {{ env = "prod", team = "t{i}" }}\nnot_roles = ["r{i}"]\n' for i in teams
    )
    every = ", ".join(f'"r{i}"' for i in teams)
    sentences = ('{ env = "prod" }', '{ team = "t0" }')
    never = "".join(f'[[never]]\nhosts = {hosts}\nunless_role = "r0"\n' for hosts in sentences)
    values = ", ".join(f'"t{i}"' for i in teams)
    head = (
        f"version = 1\n[labels]\nenv = {{}}\nteam = {{ values = [{values}], required = true }}\n[roles]\n{roles}{never}"
    )
    allow = (
        f'[[allow]]\nname = "all"\nroles = [{every}]\nhosts = {{ env = "prod" }}\nlogins = ["deploy"]\napprovals = []\n'
    )
    policy = load(f"{head}{denies}{allow}{PLAIN}")
    (example,) = prove(policy, policy.nevers, NOW)
    assert isinstance(example, Counterexample)
    assert f"G{example.host.by_label['team'][1:]}" in example.subject.groups
    assert example.host.by_label["team"] != "t0"
