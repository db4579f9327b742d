"""An explanation as lines for a terminal: the same for every program, in the columns that there are, and inert."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit import explanation as views
from sshjit.api.explain import ExplainBody, ExplainReply
from sshjit.api.views import PersonView, StepView
from sshjit.explanation_text import reply_lines
from sshjit.policy import Ask, Host, Subject, explain, load
from sshjit.styles import Styles
from sshjit.terminal_text import width
from tests.unit.sshjit.policy_world import ALICE, DANA, DB1, TEXT, WEB1, WEDNESDAY

HOSTILE = "\x1b[31m\u202egnp\nALLOWED"


def reply(subject: Subject, host: Host, ask: Ask) -> ExplainReply:
    """What a server answers that knows nothing but the policy, and two approvers."""
    policy = load(TEXT)
    explanation = explain(policy, subject, [host], ask, WEDNESDAY)
    terms, steps = views.terms_and_steps(explanation)
    outcome = explanation.outcome
    return ExplainReply(
        person=PersonView(subject.id, subject.provider, "Dana", "dana@example.com"),
        roles=explanation.roles,
        verdict="denied" if terms is None else "approval" if steps else "allow",
        rule=views.deciding_rule(explanation),
        code=getattr(outcome, "code", ""),
        message=getattr(outcome, "message", ""),
        hint=getattr(outcome, "hint", ""),
        hosts=(host.name,),
        login=explanation.login,
        terms=None if terms is None else views.terms_view(terms, terms.source),
        steps=tuple(StepView(s.role, s.count, s.signed, s.count, ("Bob", "Eve")) for s in steps),
        rules=views.rule_views(explanation),
        policy=policy.digest,
    )


def lines(reply: ExplainReply, ask: Ask, columns: int = 80, *, colour: bool = False) -> list[str]:
    asked = ExplainBody(None, reply.hosts, (), ask.login, ask.action, None, None, ask.reason, None, ask.break_glass)
    return list(reply_lines(asked, reply, Styles(colour, columns)))


def test_an_approval_names_steps_people_and_terms() -> None:
    ask = Ask("postgres", reason="CHG-7", address="192.0.2.1")
    text = "\n".join(lines(reply(DANA, DB1, ask), ask))
    assert text.startswith("Dana <dana@example.com> (partner) asks to log in to db1 as postgres\n  roles   dba\n")
    assert '\nAPPROVAL  rule "prod-database" allows logging in to db1 as postgres for' in text
    assert "\n  approvals     1 of dba: Bob, Eve\n                1 of sre-lead, signed: Bob, Eve\n" in text
    assert "\n  ✓ prod-database" in text


def test_a_refusal_has_its_hint_and_code() -> None:
    ask = Ask("postgres", reason="CHG-7")
    text = "\n".join(lines(reply(ALICE, DB1, ask), ask))
    assert "\nDENIED  no rule allows logging in to db1 as postgres\n  hint  " in text
    assert "\n  code  no_rule\n" in text


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    for subject, host in ((ALICE, WEB1), (DANA, DB1), (ALICE, DB1)):
        ask = Ask(None, reason="a reason of many words " * 5)
        printed = lines(reply(subject, host, ask), ask, columns)
        assert [line for line in printed[1:] if width(line) > columns] == []  # the first line is a heading, and whole


def test_nothing_that_somebody_wrote_moves_the_cursor_or_begins_a_line() -> None:
    ask = Ask("deploy", reason=HOSTILE)
    found = reply(ALICE, WEB1, ask)
    found = replace(found, person=replace(found.person, name=HOSTILE), message=HOSTILE, hint=HOSTILE)
    printed = lines(found, ask, colour=True)
    plain = "".join(printed).replace("\x1b[0m", "")
    assert "\x1b[31m" not in plain
    assert "\u202e" not in plain
    assert not [line for line in printed if line.startswith("ALLOWED")]
    assert "\\x1b[31m\\u202egnp" in plain
