"""What ``ssh-jit policy prove`` prints: which sentences hold, and an ask that breaks each other one, explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sshjit.policy import ASSUMED, Ask, Policy, words
from sshjit.policy.model import COMMAND, Never
from sshjit.policy.proof import Counterexample, Undecided, prove
from sshjit.policy.schedule import show_time
from sshjit.styles import Styles
from sshjit_client.policy import outcome_json
from sshjit_client.policy.explanation import explanation_text
from sshjit_client.policy.inventory import Inventory
from sshjit_client.policy.question import Question, explain

_REASON = "made up for this proof"


@dataclass(frozen=True, slots=True)
class Proof:
    """A sentence, and what is wrong with it; ``None``: it holds of the policy."""

    policy: Policy
    never: Never
    answer: Counterexample | Undecided | None


def decide(policy: Policy, nevers: Sequence[Never], start: int) -> list[Proof]:
    """Every sentence with its answer, from ``start`` (seconds since the epoch) on."""
    answers = {answer.never.name: answer for answer in prove(policy, nevers, start)}
    return [Proof(policy, never, answers.get(never.name)) for never in nevers]


def proofs_text(proofs: Sequence[Proof], styles: Styles) -> str:
    """Those that do not hold, each with why, and how many do."""
    broken = [broken_text(proof, styles) for proof in proofs if proof.answer is not None]
    if not proofs:
        return "the policy has no [[never]]"
    some = f"{len(broken)} of {len(proofs)} broken" if broken else ""
    held = len(proofs) - len(broken)
    good = styles("good", f"{held} hold{'s' if held == 1 else ''}") if held else ""
    return "\n".join([*broken, ", ".join(part for part in (styles("bad", some) if some else "", good) if part)])


def broken_text(proof: Proof, styles: Styles) -> str:
    """A sentence that does not hold, with the ask that breaks it."""
    answer = proof.answer
    if not isinstance(answer, Counterexample):
        why = answer.why if answer is not None else ""
        return f"{styles('bad', 'UNDECIDED')} {styles('strong', proof.never.name)}: {why}\n"
    question = _question(proof.policy, answer)
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
        ("when", f"{show_time(answer.begin)} to {show_time(answer.end)}, and maybe at other times"),
    ]
    explained = explanation_text(question, explain(question), styles)
    lines = [f"{styles('bad', 'BROKEN')} {styles('strong', proof.never.name)}", *styles.fields(rows, indent="  "), ""]
    return "\n".join([*lines, *(f"    {line}".rstrip() for line in explained.splitlines()), ""])


def proof_json(proof: Proof) -> dict[str, Any]:
    """A sentence, whether it holds, and the ask that breaks it; in the form of a test's result."""
    answer, values = proof.answer, dict[str, Any]()
    if isinstance(answer, Counterexample):
        question = _question(proof.policy, answer)
        values = outcome_json.explanation_values(question, explain(question))
        values |= {"login": answer.login, "action": answer.action, "break_glass": answer.break_glass}
        values |= {"labels": dict(answer.host.labels), "groups": sorted(answer.subject.groups)}
        values |= {"claims": None if (claims := answer.subject.claims) is None else sorted(claims)}
        values |= {"emails": sorted(answer.subject.emails), "begin": answer.begin, "end": answer.end}
        values["address"] = answer.address
        values["on_call"] = [turn.rota for turn in answer.subject.on_call]
    return {
        "name": proof.never.name,
        "passed": answer is None,
        "undecided": answer.why if isinstance(answer, Undecided) else None,
        "counterexample": values or None,
    }


def _question(policy: Policy, example: Counterexample) -> Question:
    """The ask that breaks a sentence, at the beginning of the time when it does."""
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
    return Question(policy, Inventory({}, {}), subject, (example.host,), ask, example.begin)
