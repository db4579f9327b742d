"""Tickets: what goes to a checker, which answer is a yes, and what a rule says where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit.policy import ASSUMED, Allow, Ask, Denied, Host, Subject, TicketAnswer, evaluate, explain, load
from sshjit.policy.tickets import read_answer
from tests.unit.sshjit.policy_texts import BREAK_GLASS, HEAD, problems

CHECKER = """\
[tickets.jira]
title = "Jira"
expect.fields.status.name = ["Approved", "In work"]
expect.fields.priority = 1
"""
ALLOW = """\
[[allow]]
name = "prod"
roles = ["sre"]
hosts = { env = "prod" }
logins = ["deploy"]
reason = { pattern = "(?:CHG|INC)-[0-9]+|<[^>]*>" }
ticket = "jira"
approvals = []
grant = "8h"
certificate = "5m"
"""
TEXT = HEAD + CHECKER + ALLOW
SOMEBODY = Subject("sub-1", "acme", frozenset({"SRE"}), frozenset())
PROD = [Host("db1", "db1", (("env", "prod"),))]
NOTHING = (("fields.status.name", ""), ("fields.priority", ""))
YES = (("fields.status.name", '"Approved"'), ("fields.priority", "1"))


def decide(ticket: TicketAnswer | None, reason: str = "for CHG-7", text: str = TEXT) -> Allow | Denied:
    policy, ask = load(text), Ask("deploy", reason=reason, ticket=ticket)
    outcome = evaluate(policy, SOMEBODY, PROD, ask, 1_800_000_000)
    assert explain(policy, SOMEBODY, PROD, ask, 1_800_000_000).outcome == outcome
    assert isinstance(outcome, Allow | Denied)
    return outcome


def refused(ticket: TicketAnswer | None, reason: str = "for CHG-7", text: str = TEXT) -> str:
    outcome = decide(ticket, reason, text)
    assert isinstance(outcome, Denied)
    assert outcome.rule == "prod"
    return outcome.code


def test_what_was_said_decides_and_is_part_of_the_terms() -> None:
    answer = TicketAnswer("jira", "CHG-7", "answered", YES)
    outcome = decide(answer)
    assert isinstance(outcome, Allow)
    assert outcome.terms.ticket == answer
    assert refused(replace(answer, values=(YES[0], ("fields.priority", "2")))) == "ticket_refused"
    assert refused(replace(answer, state="missing")) == "unknown_ticket"
    assert refused(replace(answer, state="down", why="it is away")) == "ticket_down"


def test_a_rule_that_wants_a_ticket_allows_nothing_unasked() -> None:
    assert refused(None) == "ticket_unchecked"


@pytest.mark.parametrize(("checker", "ticket"), [("jira", "CHG-8"), ("other", "CHG-7"), ("", "")])
def test_an_answer_about_something_else_does_not_count(checker: str, ticket: str) -> None:
    assert refused(TicketAnswer(checker, ticket, "answered", YES)) == "ticket_unchecked"
    assert refused(TicketAnswer(checker, ticket, "down", (), "it is away")) == "ticket_unchecked"


def test_a_checker_that_is_down_allows_where_the_rule_says_so_and_only_then() -> None:
    lax = TEXT.replace('ticket = "jira"\n', 'ticket = "jira"\nticket_down = "allow"\n')
    assert isinstance(decide(TicketAnswer("jira", "CHG-7", "down", (), "it is away"), text=lax), Allow)
    assert refused(TicketAnswer("jira", "CHG-7", "missing"), text=lax) == "unknown_ticket"
    assert refused(TicketAnswer("jira", "CHG-7", "answered"), text=lax) == "ticket_refused"
    assert refused(None, text=lax) == "ticket_unchecked"


def test_the_first_text_that_the_pattern_matches_is_the_ticket() -> None:
    for reason, ticket in (("CHG-7 and INC-8", "CHG-7"), ("see INC-8, CHG-7", "INC-8"), ("xCHG-7y", "CHG-7")):
        outcome = decide(ASSUMED, reason)
        assert isinstance(outcome, Allow)
        assert outcome.terms.ticket == TicketAnswer("jira", ticket, "assumed")


@pytest.mark.parametrize("steps", ["a/../../x", "../x", "x/..", "a/./b", "./a", "a\\..\\x", "a/..\\x", "\\."])
def test_nor_does_one_have_such_steps_in_it(steps: str) -> None:
    text = TEXT.replace('"(?:CHG|INC)-[0-9]+|<[^>]*>"', '"^[^;]*(?=;)"')
    assert refused(ASSUMED, f"{steps};", text) == "bad_ticket"
    for fine in ("a/b", "a..b/c", "v1.2", "...", "a//b", "a/...", "CHG-7."):
        assert isinstance(decide(ASSUMED, f"{fine};", text), Allow)


@pytest.mark.parametrize("reason", ["<" + 120 * "x" + ">", "<a\tb>", "<\u202e>"])
def test_what_is_no_name_of_a_ticket_goes_nowhere(reason: str) -> None:
    assert refused(ASSUMED, reason) == "bad_ticket"


@pytest.mark.parametrize("dots", [".", "..", ""])
def test_no_ticket_is_a_step_in_a_path(dots: str) -> None:
    text = TEXT.replace('"(?:CHG|INC)-[0-9]+|<[^>]*>"', r'"^[.]{0,2}(?=;)"')
    assert refused(ASSUMED, f"{dots};", text) == "bad_ticket"


@pytest.mark.parametrize(
    ("document", "values"),
    [
        ({"fields": {"status": {"name": "Approved"}, "priority": 1}}, YES),
        ({"fields": {"status": {"name": "Approved"}, "priority": True}}, (YES[0], ("fields.priority", "true"))),
        ({"fields": {"status": {"name": "Approved"}, "priority": "1"}}, (YES[0], ("fields.priority", '"1"'))),
        ({"fields": {"status": {"name": "Approved"}, "priority": 1.0}}, (YES[0], ("fields.priority", ""))),
        (
            {"fields": {"status": {"name": ["Approved"]}, "priority": None}},
            NOTHING,
        ),
        (
            {"fields": {"status": "Approved", "priority": {"x": 1}}},
            NOTHING,
        ),
        (
            {"fields.status.name": "Approved", "fields.priority": 1},
            NOTHING,
        ),
        ({"fields": {"status.name": "Approved"}}, NOTHING),
        ([{"fields": {"priority": 1}}], NOTHING),
        (None, NOTHING),
    ],
)
def test_an_answer_that_lies_in_type_or_place_says_nothing(
    document: object, values: tuple[tuple[str, str], ...]
) -> None:
    read = read_answer(load(TEXT).tickets["jira"], document)
    assert read == values
    assert (refused_by(read) is None) == (values == YES)


def refused_by(values: tuple[tuple[str, str], ...]) -> str | None:
    outcome = decide(TicketAnswer("jira", "CHG-7", "answered", values))
    return outcome.code if isinstance(outcome, Denied) else None


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            'ticket = "jira"',
            'ticket = "jra"',
            'there is no ticket checker "jra"; did you mean "jira"?',
        ),
        ('ticket = "jira"', 'ticket = ["jira"]', "allow[0].ticket: must be a string, is a list"),
        ('ticket = "jira"', 'ticket_down = "allow"', "allow[0].ticket_down: has no effect without ticket"),
        (
            'ticket = "jira"',
            'ticket = "jira"\nticket_down = "open"',
            'allow[0].ticket_down: there is no answer to a checker down "open"; the only one are "allow" and "refuse"',
        ),
        ('{ pattern = "(?:CHG|INC)-[0-9]+|<[^>]*>" }', "{}", "allow[0].ticket: needs reason.pattern"),
        (
            "expect.fields.priority = 1",
            "expect.fields.priority = 1.5",
            "expect.fields.priority: must be a value",
        ),
        (
            "expect.fields.priority = 1",
            "expect.fields.priority = []",
            "expect.fields.priority: must not be empty",
        ),
        (
            "expect.fields.priority = 1",
            "expect.fields.priority = {}",
            "expect.fields.priority: must not be empty",
        ),
        (
            "expect.fields.priority = 1",
            f'expect.x = "{"x" * 101}"',
            "expect.x: has more than 100 characters",
        ),
        ('title = "Jira"', 'url = "https://jira.example.com"', "tickets.jira.url: unknown key"),
    ],
)
def test_what_is_wrong_with_a_checker_or_a_rule(old: str, new: str, problem: str) -> None:
    (said,) = problems(TEXT.replace(old, new))
    assert problem.partition("; the only")[0] in said


def test_any_answer_would_be_a_yes() -> None:
    assert "tickets.jira.expect: must not be empty" in problems(HEAD + "[tickets.jira]\nexpect = {}\n")[0]
    assert "tickets.jira.expect: missing" in problems(HEAD + "[tickets.jira]\n")[0]


def test_terms_may_be_tightened_by_a_ticket_and_not_loosened() -> None:
    terms = '[terms.strict]\nreason = { pattern = "CHG-[0-9]+" }\nticket = "jira"\n'
    rule = ALLOW.replace('reason = { pattern = "(?:CHG|INC)-[0-9]+|<[^>]*>" }\nticket = "jira"\n', 'terms = "strict"\n')
    checker = load(HEAD + CHECKER + terms + rule).named["prod"].ticket
    assert checker is not None
    assert checker.name == "jira"
    lax = rule + 'ticket_down = "allow"\n'
    assert problems(HEAD + CHECKER + terms + 'ticket_down = "refuse"\n' + lax)[0].endswith(
        'ticket_down: gives more than the terms "strict", which may only be tightened'
    )
    other = CHECKER + "[tickets.other]\nexpect.ok = true\n" + terms + rule + 'ticket = "other"\n'
    assert 'allow[0].ticket: gives more than the terms "strict"' in problems(HEAD + other)[0]


def test_an_emergency_can_want_a_ticket_too() -> None:
    glass = BREAK_GLASS + 'reason = { pattern = "INC-[0-9]+" }\nticket = "jira"\nticket_down = "allow"\n'
    rule = load(HEAD + CHECKER + glass).break_glass[0]
    assert (rule.ticket is not None, rule.ticket_down_allows) == (True, True)
