"""What ``ssh-jit policy prove`` prints: which sentences hold, and an ask that breaks each other one, explained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sshjit.policy import ASSUMED, Ask, Explanation, Policy, explain, words
from sshjit.policy.model import COMMAND, AllowRule, Never
from sshjit.policy.proof import Counterexample, Undecided, is_over, prove
from sshjit.policy.schedule import show_time
from sshjit.styles import Styles
from sshjit_client.policy import outcome_json
from sshjit_client.policy.explanation import explanation_text
from sshjit_client.policy.inventory import Inventory
from sshjit_client.policy.question import Question

_REASON = "made up for this proof"
_FORM = re.compile(re.escape(_REASON))
"""Of that reason alone. A rule with a ticket needs a form: what it matches is the ticket."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A sentence, and what is wrong with it; ``None``: it holds of the policy, or it is ``over``."""

    policy: Policy
    never: Never
    answer: Counterexample | Undecided | None
    over: bool
    """Its ``within`` has passed: nothing is proved of it."""


def decide(policy: Policy, nevers: Sequence[Never], start: int) -> list[Proof]:
    """Every sentence with its answer, from ``start`` (seconds since the epoch) on."""
    answers = {answer.never.name: answer for answer in prove(policy, nevers, start)}
    return [Proof(policy, never, answers.get(never.name), is_over(never, start)) for never in nevers]


def proofs_text(proofs: Sequence[Proof], styles: Styles) -> str:
    """Those that do not hold, each with why; those that are over; and how many hold."""
    broken = [broken_text(proof, styles) for proof in proofs if proof.answer is not None]
    over = [over_text(proof, styles) for proof in proofs if proof.over]
    if not proofs:
        return "the policy has no [[never]]"
    held = len(proofs) - len(broken) - len(over)
    counts = [
        styles("bad", f"{len(broken)} of {len(proofs)} broken") if broken else "",
        styles("good", f"{held} hold{'s' if held == 1 else ''}") if held else "",
        styles("wait", f"{len(over)} over") if over else "",
    ]
    return "\n".join([*broken, *over, ", ".join(count for count in counts if count)])


def over_text(proof: Proof, styles: Styles) -> str:
    """A sentence whose time has passed."""
    name, last = styles("strong", proof.never.name), proof.never.within
    return f"{styles('wait', 'OVER')} {name}: nothing is proved of it after {last}, the last day of its within\n"


def broken_text(proof: Proof, styles: Styles) -> str:
    """A sentence that does not hold, with the ask that breaks it."""
    answer = proof.answer
    if not isinstance(answer, Counterexample):
        why = answer.why if answer is not None else ""
        return f"{styles('bad', 'UNDECIDED')} {styles('strong', proof.never.name)}: {why}\n"
    question = pose(proof.policy, answer)
    subject = answer.subject
    rows = [
        ("provider", subject.provider),
        ("groups", ", ".join(sorted(subject.groups))),
        ("emails", ", ".join(sorted(subject.emails))),
        ("on call", ", ".join(turn.rota for turn in subject.on_call)),
        ("claims of a workload", ", ".join(sorted(subject.claims or ()))),
        ("by another sign-in", ", ".join(sorted(subject.denied_groups | subject.denied_emails))),
        ("own name", f"{answer.login}, by the operator's table" if subject.own_listed else subject.unix_name or ""),
        ("from", answer.address or ""),
        ("host", words.pairs(answer.host.labels)),
        ("reason", "" if (form := _form(proof.policy.named[answer.rule])) is None else f"of the form {form}"),
        ("when", f"{show_time(answer.begin)} to {show_time(answer.end)}, and maybe at other times"),
    ]
    explained = explanation_text(question, explain_alone(question), styles)
    lines = [f"{styles('bad', 'BROKEN')} {styles('strong', proof.never.name)}", *styles.fields(rows, indent="  "), ""]
    return "\n".join([*lines, *(f"    {line}".rstrip() for line in explained.splitlines()), ""])


def proof_json(proof: Proof) -> dict[str, Any]:
    """A sentence, whether it holds or is over, and the ask that breaks it; in the form of a test's result."""
    answer, values = proof.answer, dict[str, Any]()
    if isinstance(answer, Counterexample):
        question = pose(proof.policy, answer)
        values = outcome_json.explanation_values(question, explain_alone(question))
        values |= {"login": answer.login, "action": answer.action, "break_glass": answer.break_glass}
        values |= {"labels": dict(answer.host.labels), "groups": sorted(answer.subject.groups)}
        values |= {"claims": None if (claims := answer.subject.claims) is None else sorted(claims)}
        values |= {"emails": sorted(answer.subject.emails), "begin": answer.begin, "end": answer.end}
        values["address"], values["reason_form"] = answer.address, _form(proof.policy.named[answer.rule])
        values["on_call"] = [turn.rota for turn in answer.subject.on_call]
    return {
        "name": proof.never.name,
        "passed": answer is None,
        "over": proof.over,
        "undecided": answer.why if isinstance(answer, Undecided) else None,
        "counterexample": values or None,
    }


def _form(rule: AllowRule) -> str | None:
    """The form of a reason that the rule wants; ``None``: any will do."""
    return None if rule.reason is None or rule.reason.pattern is None else rule.reason.pattern.pattern


def pose(policy: Policy, example: Counterexample) -> Question:
    """The ask that breaks a sentence, at the beginning of the time when it does.

    It is a question to a policy whose rule that decides takes the reason that was made up: for people write one of the
    form that the rule wants.
    """
    ask = Ask(
        login=example.login,
        action=example.action,
        command="true" if example.action == COMMAND else None,
        reason=_REASON,
        address=example.address or "192.0.2.1",
        break_glass=example.break_glass,
        ticket=ASSUMED,
    )
    subject = replace(example.subject, auth_time=example.begin)
    return Question(
        _with_any_reason(policy, example.rule), Inventory({}, {}), subject, (example.host,), ask, example.begin
    )


def explain_alone(question: Question) -> Explanation:
    """What the policy answers, whoever could approve: nobody is known here, and there may be others than who asks."""
    q = question
    return explain(q.policy, q.subject, q.hosts, q.ask, q.now)


def _with_any_reason(policy: Policy, name: str) -> Policy:
    rule = policy.named[name]
    if rule.reason is None or rule.reason.pattern is None:
        return policy
    lenient = replace(rule, reason=replace(rule.reason, pattern=_FORM))
    return replace(
        policy,
        allows=tuple(lenient if each is rule else each for each in policy.allows),
        break_glass=tuple(lenient if each is rule else each for each in policy.break_glass),
        named={**policy.named, name: lenient},
    )
