"""The table of decisions: ``evaluate`` and ``explain`` say what it says, in its words."""

from __future__ import annotations

import re
from collections import Counter

from sshjit.policy import Denied, NeedsApproval, StepUp, evaluate, explain
from sshjit.policy.model import Rule
from tests.support import decisions
from tests.support.decisions import NOBODY, Row, every_row


@every_row(lambda row: row.code != NOBODY)
def test_evaluate_and_explain_decide_as_written(row: Row) -> None:
    outcome = evaluate(row.policy, row.subject, row.hosts, row.ask, row.now)
    assert decisions.differing(row, outcome) == {}
    assert explain(row.policy, row.subject, row.hosts, row.ask, row.now).outcome == outcome


@every_row(lambda _row: True)
def test_no_explanation_says_you_as_it_may_be_read_about_somebody_else(row: Row) -> None:
    explanation = explain(row.policy, row.subject, row.hosts, row.ask, row.now)
    sentences = [miss.reason for rule in explanation.rules for miss in rule.misses]
    if isinstance(explanation.outcome, Denied | StepUp):
        prompts = [rule.reason.prompt for rule in row.policy.allows + row.policy.break_glass if rule.reason]
        sentences += [
            explanation.outcome.message,
            *([] if explanation.outcome.hint in prompts else [explanation.outcome.hint]),
        ]
    assert not re.search(r"\byou", "\n".join(sentences))


@every_row(lambda row: row.code == NOBODY)
def test_t30_what_nobody_can_approve_needs_approval_by_the_rules_alone(row: Row) -> None:
    outcome = evaluate(row.policy, row.subject, row.hosts, row.ask, row.now)
    assert isinstance(outcome, NeedsApproval)
    assert outcome.terms.rule == row.expected["rule"]


def test_the_table_is_large_and_has_every_verdict_refusal_rule_and_trap() -> None:
    rows = decisions.rows()
    verdicts = Counter(row.expected["expect"] for row in rows)
    assert len(rows) >= 80
    assert min(verdicts[each] for each in ("allow", "approval", "step_up", "denied")) >= 5
    codes = {"no_rule", "denied_by_rule", "different_rules", "too_many_hosts", "bad_reason", "no_address"}
    assert {row.code for row in rows} >= codes | {"unknown_action", "bad_command", NOBODY}
    policy = decisions.policy()
    rules: list[Rule] = [*policy.denies, *policy.allows, *policy.break_glass]
    named = {rule.name for rule in rules}
    assert {row.expected.get("rule") for row in rows} >= named
    assert all(row.expected.get("message") for row in rows)
    words = {word for row in rows for word in row.name.split()}
    assert words >= {"T21", "T22", "T28", "T30", "T52", "T60", "T61", "T62"}
