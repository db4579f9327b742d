"""One question to a policy, answered as the CA would answer it.

A policy alone does not know who could approve. The CA does, and refuses at once what nobody can approve; here the
people of the inventory take the place of those who signed in recently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from sshjit import approvals, policy
from sshjit.policy import Allow, Ask, Denied, Explanation, Host, NeedsApproval, Outcome, Policy, StepUp, Subject, words
from sshjit_client.policy.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks what of which policy, when (seconds since the epoch)."""

    policy: Policy
    inventory: Inventory
    subject: Subject
    hosts: tuple[Host, ...]
    ask: Ask
    now: int


def evaluate(question: Question) -> Outcome:
    """What the CA would say."""
    q = question
    return _check_approvers(q, policy.evaluate(q.policy, _asking(q), q.hosts, q.ask, q.now))


def explain(question: Question) -> Explanation:
    """The same, with what every rule says."""
    q = question
    explanation = policy.explain(q.policy, _asking(q), q.hosts, q.ask, q.now)
    return replace(explanation, outcome=_check_approvers(q, explanation.outcome))


def approvers(question: Question, step: approvals.Step) -> tuple[str, ...]:
    """The people of the inventory who could approve ``step``."""
    requester, people = _people(question)
    return tuple(p.subject_id for p in people if approvals.may_approve(step, requester, p, others=people))


def lacking(question: Question, steps: Sequence[approvals.Step]) -> tuple[int, ...]:
    """How many people more each step needs than the inventory has, when nobody counts twice."""
    return approvals.lacking(steps, *_people(question))


def outcome_sentence(outcome: Outcome, hosts: Sequence[Host]) -> str:
    """The outcome in a sentence."""
    match outcome:
        case Allow(terms) | NeedsApproval(terms):
            return words.allowed(
                terms.rule,
                terms.action,
                [host.name for host in hosts],
                terms.login,
                terms.duration,
                needs_approval=isinstance(outcome, NeedsApproval),
            )
        case StepUp() | Denied():
            return outcome.message
    assert_never(outcome)


def _asking(question: Question) -> Subject:
    """The person as the CA sees them, with the teams of their other accounts."""
    if not question.policy.barring:
        return question.subject
    requester, people = _people(question)
    known = approvals.PersonDirectory(people)
    own = known.roots(requester)
    had = frozenset[str]().union(*(person.had for person in people if known.root(person) in own))
    return replace(question.subject, had_elsewhere=had)


def _check_approvers(question: Question, outcome: Outcome) -> Outcome:
    if not isinstance(outcome, NeedsApproval):
        return outcome
    requester, people = _people(question)
    empty = policy.roles_without_people(question.policy, question.now)
    nobody = approvals.unfillable(outcome.steps, requester, people, empty)
    if nobody is None:
        return outcome
    return policy.nobody_can_approve(outcome.terms.rule, nobody.role)


def _people(question: Question) -> tuple[approvals.Person, tuple[approvals.Person, ...]]:
    """The requester, and everybody in the inventory."""
    people = tuple(member.person(question.policy, question.now) for member in question.inventory.people.values())
    member = next((person for person in people if person.subject_id == question.subject.id), None)
    roles = policy.roles_of(question.policy, question.subject, question.now)
    return member or approvals.Person(question.subject.id, question.subject.emails, roles), people
