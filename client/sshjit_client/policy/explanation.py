"""What ``ssh-jit policy explain`` prints: the explanation of a policy in a file, about the people of an inventory."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from sshjit.explanation import terms_and_steps, terms_view
from sshjit.explanation_text import (
    ExplainedAnswer,
    ExplainedQuestion,
    Rows,
    approval_rows,
    break_glass_rows,
    explanation_lines,
    required_text,
    terms_rows,
)
from sshjit.policy import Allow, Denied, Explanation, NeedsApproval, StepUp, words
from sshjit.policy.schedule import show_time
from sshjit.styles import Styles
from sshjit_client.policy.outcome_json import verdict
from sshjit_client.policy.question import Question, approvers, lacking, outcome_sentence


def explanation_text(question: Question, explanation: Explanation, styles: Styles) -> str:
    """The whole explanation."""
    return "\n".join(
        explanation_lines(_question(question, explanation), _answer(question, explanation), explanation.rules, styles)
    )


def _question(question: Question, explanation: Explanation) -> ExplainedQuestion:
    ask, subject = question.ask, question.subject
    labels = ", ".join(f"{host.name}: {words.pairs(host.labels)}" for host in question.hosts)
    here = datetime.fromtimestamp(question.now).astimezone().strftime("%a %H:%M %Z")
    return ExplainedQuestion(
        person=f"{subject.id} ({subject.provider})",
        roles=explanation.roles,
        hosts=[host.name for host in question.hosts],
        login=ask.login or "",
        action=ask.action,
        break_glass=ask.break_glass,
        more=[
            ("hosts", labels),
            ("on call", ", ".join(turn.rota for turn in subject.on_call)),
            ("command", ask.command or ""),
            ("reason", ask.reason),
            ("when", f"{show_time(question.now)}, {here} here"),
            ("start", "" if ask.start is None else show_time(ask.start)),
        ],
    )


def _answer(question: Question, explanation: Explanation) -> ExplainedAnswer:
    outcome = explanation.outcome
    rows: Rows
    match outcome:
        case Allow(terms) | NeedsApproval(terms):
            _, steps = terms_and_steps(explanation)
            view = terms_view(terms, terms.source)
            short = lacking(question, steps)
            able = [(step, approvers(question, step), more) for step, more in zip(steps, short, strict=True)]
            rows = [
                *approval_rows(able, view, nobody="nobody in the inventory"),
                *terms_rows(view, terms.login, command=terms.command or "", required=required_text(terms)),
                *break_glass_rows(terms),
            ]
        case StepUp(_, needs, _, hint):
            rows = [("needs", ", ".join(needs)), ("hint", hint)]
        case Denied(code, _, _, hint):
            rows = [("hint", hint), ("code", code)]
        case _:
            assert_never(outcome)
    return ExplainedAnswer(verdict(outcome), outcome_sentence(outcome, question.hosts), rows)
