"""What organisations of different kinds need to say, said in the language, and what it then answers.

Each is a policy of its own with a few questions. The lines that the language saves are counted against the same policy
without its additions, which answers the same.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit.policy import (
    ASSUMED,
    Ask,
    Count,
    Denied,
    Facts,
    Host,
    NeedsApproval,
    Outcome,
    StepUp,
    Subject,
    Turn,
    Used,
    evaluate,
    explain,
    load,
    with_files,
)
from sshjit.policy.proof import prove
from sshjit.policy.types import FOREVER, TicketAnswer
from tests.unit.sshjit import policy_expansion
from tests.unit.sshjit.organisation_policies import (
    BANK,
    FILM,
    HOSPITAL,
    ISP,
    LAB,
    ORGANISATIONS,
    SAAS,
    STARTUP,
    STUDIO,
    UNIVERSITY,
    UTILITY,
)
from tests.unit.sshjit.policy_world import at

DOCS = Path(__file__).resolve().parents[3] / "docs" / "policy.md"


def person(provider: str, *groups: str, had: tuple[str, ...] = ()) -> Subject:
    signed_in, names = at("2026-12-01 12:00"), frozenset(groups)
    return Subject("x", provider, names, frozenset(), "xenia", signed_in, mfa=True, denied_groups=frozenset(had))


OPS, TRAINEE = person("acme", "ops"), person("acme", "ops", "trainees")
DEV, LIVE = person("acme", "dev"), person("acme", "live-ops")
STUDENT, TUTOR = person("acme", "students"), person("acme", "students", had=("staff",))
CENTRAL, RADIOLOGY = person("acme", "central-it"), person("acme", "radiology")
CLINIC, VENDOR = person("acme", "clinic-it"), person("partner", "scanner")
NORTH, NOC = person("acme", "field-north"), person("acme", "noc")
BILLING, WEB = person("acme", "billing"), person("acme", "web")
DRAGON, EFFECTS = person("acme", "dragon"), person("partner", "effects")
LASER, PUPIL = person("acme", "laser"), person("acme", "students", "laser")
ENGINEER, EAST = replace(person("acme", "engineers"), hardware_key=True), person("acme", "plant-east")
DEVELOPER, BEGINNER = person("acme", "dev"), person("acme", "dev", "first-month")
WATCH = replace(person("acme"), on_call=(Turn("noc", 0, FOREVER), Turn("week", 0, FOREVER), Turn("grid", 0, FOREVER)))
NIGHT = "2026-12-02 03:00"
FILES = {"holidays.toml": "dates = [2026-12-08, 2026-12-25]\n"}


def host(env: str, role: str = "", **more: str) -> Host:
    labels = {"env": env, **({"role": role} if role else {}), **more}
    name = "-".join(labels.values())
    return Host(name, name, tuple(sorted(labels.items())))


def code(outcome: Outcome) -> str:
    return outcome.code if isinstance(outcome, Denied) else "step_up" if isinstance(outcome, StepUp) else ""


Question = tuple[str, Subject, list[Host], str, str, str]
QUESTIONS: list[Question] = [
    (BANK, OPS, [host("prod", "core"), host("prod", "card")], "2026-12-01 12:00", "", "one ask for both kinds"),
    (BANK, TRAINEE, [host("prod", "core")], "2026-12-01 12:00", "no_rule", "trainees are left out"),
    (BANK, OPS, [host("prod", "core")], "2026-12-08 12:00", "no_rule", "a holiday from the file"),
    (BANK, OPS, [host("prod", "core")], "2026-12-01 21:00", "no_rule", "in the evening"),
    (BANK, OPS, [host("prod", "web")], "2026-12-29 12:00", "denied_by_rule", "at the year's end"),
    (BANK, OPS, [host("prod", "web")], "2027-01-06 12:00", "step_up", "after it, with an old sign-in"),
    (HOSPITAL, CLINIC, [host("prod", dept="shared")], "2026-12-01 12:00", "", "from inside"),
    (
        HOSPITAL,
        VENDOR,
        [host("lab", dept="radiology")],
        "2026-12-01 19:00",
        "wrong_network",
        "only from the vendor",
    ),
    (HOSPITAL, VENDOR, [host("prod", dept="radiology")], "2026-12-01 19:00", "no_rule", "and go no further"),
    (HOSPITAL, VENDOR, [host("lab", dept="radiology")], "2027-01-01 19:00", "no_rule", "until their contract ends"),
    (HOSPITAL, RADIOLOGY, [host("prod", dept="radiology")], "2026-12-01 12:00", "", "a department's own systems"),
    (HOSPITAL, RADIOLOGY, [host("prod", dept="pharmacy")], "2026-12-01 12:00", "no_rule", "and not the pharmacy's"),
    (STUDIO, DEV, [host("test"), host("lab")], "2026-11-22 12:00", "", "builds go on"),
    (STUDIO, DEV, [host("prod")], "2026-11-22 12:00", "denied_by_rule", "a launch is for live operations"),
    (STUDIO, LIVE, [host("prod")], "2026-11-22 12:00", "", "who are there"),
    (STUDIO, DEV, [host("prod")], "2026-11-20 08:59", "", "by the clocks of the studio"),
    (UNIVERSITY, STUDENT, [host("lab")], "2026-12-01 12:00", "wrong_network", "only from the pool"),
    (UNIVERSITY, STUDENT, [host("lab")], "2027-02-06 00:00", "no_rule", "until the term ends"),
    (UNIVERSITY, TUTOR, [host("lab")], "2026-12-01 12:00", "no_rule", "who may be staff is no student"),
    (UNIVERSITY, TUTOR, [host("prod")], "2026-12-01 12:00", "no_rule", "production is not for teaching"),
    (UNIVERSITY, CENTRAL, [host("prod")], "2026-12-01 12:00", "", "it is for central IT"),
    (ISP, NORTH, [host("prod", region="north", kind="edge")], NIGHT, "", "one's own region"),
    (ISP, NORTH, [host("prod", region="south", kind="edge")], NIGHT, "no_rule", "and no other"),
    (ISP, NORTH, [host("prod", region="north", kind="core")], NIGHT, "no_rule", "all but the core"),
    (ISP, NOC, [host("prod", region="north", kind="core")], NIGHT, "", "the core in a window"),
    (ISP, NOC, [host("prod", region="north", kind="core")], "2026-12-02 12:00", "no_rule", "and not by day"),
    (ISP, NOC, [host("prod", region="lab", kind="core")], NIGHT, "no_owner", "a region that nobody owns"),
    (
        SAAS,
        BILLING,
        [host("test", service="billing"), host("lab", service="billing")],
        NIGHT,
        "",
        "tests and lab together",
    ),
    (SAAS, WEB, [host("test", service="billing")], NIGHT, "no_rule", "not of another team"),
    (SAAS, WEB, [host("prod", service="billing")], "2026-12-01 12:30", "", "its production with two yes"),
    (SAAS, WEB, [host("prod", service="shared")], "2026-12-01 12:30", "no_rule", "what is of nobody"),
    (FILM, DRAGON, [host("prod", show="dragon", kind="editing")], NIGHT, "wrong_network", "only from the studio"),
    (FILM, DRAGON, [host("prod", show="heist", kind="editing")], NIGHT, "no_rule", "one's own show"),
    (FILM, DRAGON, [host("prod", show="dragon", kind="vault")], NIGHT, "no_rule", "nobody enters the vault"),
    (FILM, EFFECTS, [host("prod", show="heist", kind="render")], NIGHT, "", "vendors render"),
    (
        FILM,
        EFFECTS,
        [host("prod", show="heist", kind="render")],
        "2026-12-08 12:00",
        "denied_by_rule",
        "not at delivery",
    ),
    (
        FILM,
        EFFECTS,
        [host("prod", show="heist", kind="render")],
        "2026-12-22 12:00",
        "no_rule",
        "until the contract ends",
    ),
    (LAB, LASER, [host("prod", group="laser")], NIGHT, "", "the group at beam time"),
    (LAB, LASER, [host("prod", group="cryo")], "2026-12-07 12:00", "", "a guest of another group"),
    (LAB, PUPIL, [host("prod", group="laser")], "2026-12-07 12:00", "", "a student asks as a guest"),
    (LAB, person("acme", "cryo"), [host("prod", group="laser")], NIGHT, "denied_by_rule", "nobody else at beam time"),
    (UTILITY, ENGINEER, [host("prod", plant="east", kind="scada")], NIGHT, "wrong_network", "from the control network"),
    (
        UTILITY,
        ENGINEER,
        [host("prod", plant="east", kind="scada")],
        "2026-12-15 12:00",
        "denied_by_rule",
        "not in a storm",
    ),
    (UTILITY, EAST, [host("prod", plant="east", kind="historian")], NIGHT, "", "records of one's own plant"),
    (UTILITY, EAST, [host("prod", plant="west", kind="historian")], NIGHT, "no_rule", "not of the other"),
    (
        UTILITY,
        WATCH,
        [host("prod", plant="east", kind="scada")],
        "2026-12-15 12:00",
        "wrong_network",
        "but who is on call",
    ),
    (STARTUP, DEVELOPER, [host("test"), host("lab")], NIGHT, "", "everything but production"),
    (STARTUP, DEVELOPER, [host("prod")], NIGHT, "", "production with a second person"),
    (STARTUP, BEGINNER, [host("prod")], NIGHT, "no_rule", "not in the first month"),
    (STARTUP, DEVELOPER, [host("prod")], "2026-12-25 12:00", "denied_by_rule", "not over the holidays"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=[question[-1] for question in QUESTIONS])
def test_what_they_need_to_say_can_be_said(question: Question) -> None:
    text, who, hosts, when, answer, _ = question
    policy, ask = (
        load(with_files(text, FILES.__getitem__)),
        Ask(None, reason="CHG-12", address="10.1.2.3", ticket=ASSUMED),
    )
    outcome = evaluate(policy, who, hosts, ask, at(when))
    assert explain(policy, who, hosts, ask, at(when)).outcome == outcome
    assert code(outcome) == answer


def steps(text: str, who: Subject, *hosts: Host, address: str = "10.20.1.1") -> list[tuple[str, bool, str]]:
    policy, ask = load(text), Ask(None, reason="CHG-12", address=address, ticket=ASSUMED)
    outcome = evaluate(policy, replace(who, auth_time=at(NIGHT)), hosts, ask, at(NIGHT))
    assert isinstance(outcome, NeedsApproval), outcome
    return [(step.role, step.signed, step.instead) for step in outcome.steps]


def test_who_has_to_approve_is_said() -> None:
    core = host("prod", region="north", kind="core")
    assert steps(ISP, NOC, core) == [("north", False, "manager")]
    assert steps(SAAS, WEB, host("prod", service="billing")) == [("billing", False, ""), ("security", True, "")]
    scanner = host("lab", dept="radiology")
    assert steps(HOSPITAL, VENDOR, scanner, address="192.0.2.7") == [("radiology", False, "")]
    assert steps(LAB, LASER, host("prod", group="cryo")) == [("cryo", False, "head")]
    control = host("prod", plant="west", kind="scada")
    assert steps(UTILITY, ENGINEER, control) == [("west", True, ""), ("west", False, "")]
    assert steps(STARTUP, DEVELOPER, host("prod")) == [("dev", False, "founder")]


def test_a_change_must_be_accepted() -> None:
    says = TicketAnswer("changes", "CHG-12", "answered", (("status", '"open"'),))
    where = host("prod", region="south", kind="edge")
    ask = Ask(None, reason="CHG-12", address="10.1.2.3", ticket=says)
    assert code(evaluate(load(ISP), person("acme", "field-south"), [where], ask, at(NIGHT))) == "ticket_refused"


@pytest.mark.parametrize(
    ("text", "who", "where", "rule", "used"),
    [
        (ISP, NOC, host("prod", region="north", kind="core"), "core", Used(Count(1, 1), Count(1, 1))),
        (ISP, NOC, host("prod", region="north", kind="core"), "core", Used(Count(0, 0), Count(0, 6))),
        (FILM, EFFECTS, host("prod", show="heist", kind="render"), "vendors", Used(Count(1, 1), Count(1, 1))),
        (LAB, LASER, host("prod", group="laser"), "own-instruments", Used(Count(0, 0), Count(3, 3))),
        (UTILITY, ENGINEER, host("prod", plant="east", kind="scada"), "control", Used(Count(0, 0), Count(1, 1))),
        (STARTUP, DEVELOPER, host("prod"), "prod", Used(Count(0, 5), Count(0, 9))),
    ],
)
def test_how_much_there_may_be_is_said(text: str, who: Subject, where: Host, rule: str, used: Used) -> None:
    ask = Ask(None, reason="CHG-12", address="10.20.1.1", ticket=ASSUMED)
    outcome = evaluate(load(text), who, [where], ask, at(NIGHT), facts=Facts({rule: used}))
    assert (code(outcome), outcome.rule if isinstance(outcome, Denied) else "") == ("limit_reached", rule)


@pytest.mark.parametrize("name", [name for name, text in ORGANISATIONS.items() if "[[never]]" in text])
def test_what_must_never_be_is_proved(name: str) -> None:
    policy = load(with_files(ORGANISATIONS[name], FILES.__getitem__))
    broken = [answer.never.name for answer in prove(policy, policy.nevers, at("2026-11-01 12:00"))]
    assert broken == []


# ------------------------------------------------------------------------------------------- how many need each

AT_LEAST = {
    "dates": 8,
    "shared terms": 7,
    "on call": 7,
    "hosts of one's owner": 6,
    "approvers by owner": 6,
    "tickets": 5,
    "where from": 4,
    "limits": 3,
    "all but": 3,
    "escalation": 2,
}


def needs(text: str) -> set[str]:
    """Say what of the language one policy uses in its rules and denies; a declaration that no rule uses is none."""
    policy = tomllib.loads(text)
    rules = [rule for kind in ("allow", "deny", "break_glass") for rule in policy.get(kind, ())]
    terms = list(policy.get("terms", {}).values())
    steps = [step for has in (*rules, *terms) for step in has.get("approvals", ())]
    named = {role for rule in rules for key in ("roles", "not_roles") for role in rule.get(key, ())}
    by_rota = {role for role in named for source in policy["roles"].get(role, ()) if str(source).startswith("rota:")}
    kinds = [kind for rule in rules for kind in _tables(rule.get("hosts", []))]
    used = {
        "dates": any(_has_dates(rule, policy) for rule in rules),
        "shared terms": any("terms" in rule for rule in rules),
        "on call": bool(by_rota),
        "hosts of one's owner": any(role.startswith("@") for rule in policy["allow"] for role in rule["roles"]),
        "approvers by owner": any(step["from"].startswith("@") or "not_own" in step for step in steps),
        "tickets": any("ticket" in has for has in (*rules, *terms)),
        "where from": any({"networks", "not_networks"} & has.keys() for has in (*rules, *terms)),
        "limits": any("limits" in has for has in (*rules, *terms)),
        "all but": any("not_roles" in rule for rule in rules)
        or any(isinstance(value, dict) for kind in kinds for value in kind.values()),
        "escalation": any("escalate" in step for step in steps),
    }
    assert used.keys() == AT_LEAST.keys()
    return {need for need, is_used in used.items() if is_used}


def _tables(hosts: dict[str, Any] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return hosts if isinstance(hosts, list) else [hosts]


def _has_dates(rule: dict[str, Any], policy: dict[str, Any]) -> bool:
    days = {*rule.get("days", ()), *rule.get("not_days", ())}
    return bool({"from", "until"} & rule.keys() or days & policy.get("calendars", {}).keys())


@pytest.mark.parametrize("need", AT_LEAST)
def test_each_need_is_that_of_as_many_organisations_as_were_asked_about(need: str) -> None:
    who = [name for name, text in ORGANISATIONS.items() if need in needs(text)]
    assert len(ORGANISATIONS) == 10
    assert len(who) >= AT_LEAST[need], who


# ----------------------------------------------------------------------------------------------------- lines saved


def counted() -> list[tuple[str, int, int]]:
    """Lines of each policy, and of the same without what saves lines."""
    return [
        (name, policy_expansion.lines(policy_expansion.parsed(text)), policy_expansion.lines(without))
        for name, text in ORGANISATIONS.items()
        for without in (policy_expansion.without_additions(text),)
    ]


def test_the_lines_saved_are_those_of_the_documentation() -> None:
    table = "".join(f"| {name} | {here} | {without} |\n" for name, here, without in counted())
    table += f"| all | {sum(here for _, here, _ in counted())} | {sum(without for *_, without in counted())} |\n"
    assert table in DOCS.read_text(encoding="utf-8"), table


@pytest.mark.parametrize("question", QUESTIONS, ids=[question[-1] for question in QUESTIONS])
def test_the_longer_policy_says_the_same_of_each_host(question: Question) -> None:
    """Not of several hosts together: that one request can be for them is what it could not say."""
    text, who, hosts, when, _, _ = question
    here = load(with_files(text, FILES.__getitem__))
    longer = load(with_files(policy_expansion.written(policy_expansion.without_additions(text)), FILES.__getitem__))
    ask = Ask(None, reason="CHG-12", address="10.1.2.3", ticket=ASSUMED)
    for each in hosts:
        ours, theirs = (code(evaluate(policy, who, [each], ask, at(when))) for policy in (here, longer))
        assert ours == theirs or (ours, theirs) == ("no_owner", "no_rule")
