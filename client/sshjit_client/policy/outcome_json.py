"""An outcome as plain values: for ``--json``, and to compare with what a test expects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from sshjit import passkeys
from sshjit.api.explain import Verdict
from sshjit.approvals import Step
from sshjit.policy import Allow, Denied, Explanation, Host, NeedsApproval, Outcome, StepUp, Terms
from sshjit_client.policy.question import Question, approvers, lacking, outcome_sentence

VERDICTS = ("allow", "approval", "step_up", "denied")
"""What a policy can say, as tests and ``--json`` call it."""

Values = dict[str, Any]


def verdict(outcome: Outcome) -> Verdict:
    """One of ``VERDICTS``."""
    match outcome:
        case Allow():
            return "allow"
        case NeedsApproval():
            return "approval"
        case StepUp():
            return "step_up"
        case Denied():
            return "denied"
    assert_never(outcome)


def outcome_values(outcome: Outcome, hosts: Sequence[Host]) -> Values:
    """Everything that an outcome says. Durations are in seconds, times in seconds since the epoch."""
    values: Values = {"expect": verdict(outcome), "message": outcome_sentence(outcome, hosts)}
    match outcome:
        case Allow(terms):
            return {**values, **_terms(terms), "steps": []}
        case NeedsApproval(terms, steps):
            return {**values, **_terms(terms), "steps": [step_values(step) for step in steps]}
        case StepUp(rule, needs, _, hint):
            return {**values, "rule": rule, "needs": list(needs), "hint": hint}
        case Denied(code, rule, _, hint):
            return {**values, "code": code, "rule": rule or "", "hint": hint}
    assert_never(outcome)


def step_values(step: Step) -> Values:
    """A step as a policy writes it."""
    values: Values = {"from": step.role, "count": step.count, "signed": passkeys.written(step)}
    values |= {"but": list(step.but)} if step.but else {}
    return values | ({"escalate": {"to": step.instead, "after": step.after}} if step.instead else {})


def explanation_values(question: Question, explanation: Explanation) -> Values:
    """What ``explain --json`` prints."""
    outcome = outcome_values(explanation.outcome, question.hosts)
    if isinstance(explanation.outcome, NeedsApproval):
        steps = explanation.outcome.steps
        outcome["approvers"] = {step.role: list(approvers(question, step)) for step in steps}
        outcome["lacking"] = {
            step.role: more for step, more in zip(steps, lacking(question, steps), strict=True) if more
        }
    rules = [
        {
            "kind": rule.kind,
            "name": rule.name,
            "decides": rule.decides,
            "matches": list(rule.hosts),
            "misses": [{"matcher": m.matcher, "host": m.host, "reason": m.reason} for m in rule.misses],
        }
        for rule in explanation.rules
    ]
    return {
        "policy": question.policy.digest,
        "at": question.now,
        "person": question.subject.id,
        "roles": list(explanation.roles),
        "hosts": [host.name for host in question.hosts],
        "outcome": {"verdict" if key == "expect" else key: value for key, value in outcome.items()},
        "rules": rules,
    }


def _terms(terms: Terms) -> Values:
    return {
        "rule": terms.rule,
        "as": terms.login,
        "action": terms.action,
        "command": terms.command,
        "duration": terms.duration,
        "capped": terms.capped,
        "grant": terms.grant,
        "certificate": terms.certificate,
        "pending": terms.pending,
        "use_by": terms.use_by,
        "ends_by": terms.ends_by,
        "max_hosts": terms.max_hosts,
        "source": list(terms.source),
        "forwarding": list(terms.forwarding),
        "fresh_login": terms.fresh_login,
        "mfa": terms.mfa,
        "hardware_key": terms.verify_required,
        "signed_request": terms.signed_request,
        "post_quantum": terms.post_quantum,
        "post_quantum_key": terms.post_quantum_key,
        "extend": None if terms.extend is None else {"count": terms.extend.count, "by": terms.extend.by},
        "keep_open": bool(terms.kept_for),
        "ticket": None if terms.ticket is None else {"checker": terms.ticket.checker, "ticket": terms.ticket.ticket},
        "break_glass": terms.break_glass is not None,
        "notify": [] if terms.break_glass is None else list(terms.break_glass.notify),
        "review_within": None if terms.break_glass is None else terms.break_glass.review_within,
    }
