"""``ssh-jit policy test``: runs the tests of a file and prints what failed, with the explanation."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sshjit.styles import Styles
from sshjit.terminal_text import inert
from sshjit_client.console.styles import terminal_styles
from sshjit_client.policy import expectations, outcome_json, proof_text
from sshjit_client.policy.expectations import Case, Difference, Suite
from sshjit_client.policy.explanation import explanation_text
from sshjit_client.policy.question import explain
from sshjit_client.storage.machine import Machine


def run_all(machine: Machine, suite: Suite, *, as_json: bool) -> int:
    """Runs the tests, decides the sentences, and prints; how many failed."""
    results = [(case, expectations.run(case)) for case in suite.cases]
    proofs = proof_text.decide(suite.policy, suite.nevers, suite.at)
    failed = [(case, differences) for case, differences in results if differences]
    broken, over = [proof for proof in proofs if proof.answer is not None], [proof for proof in proofs if proof.over]
    if as_json:
        values = [_result(case, differences) for case, differences in results]
        machine.terminal.out(json.dumps([*values, *map(proof_text.proof_json, proofs)], indent=2))
        return len(failed) + len(broken)
    styles = terminal_styles(machine.environ)
    for case, differences in failed:
        machine.terminal.out(_failure(case, differences, styles))
    for proof in broken:
        machine.terminal.out(proof_text.broken_text(proof, styles))
    for proof in over:
        machine.terminal.out(proof_text.over_text(proof, styles))
    bad, count = len(failed) + len(broken), len(results) + len(proofs) - len(over)
    said = styles("bad", f"{bad} failed") + ", " if bad else ""
    late = f", {styles('wait', f'{len(over)} over')}" if over else ""
    machine.terminal.out(f"{said}{styles('good', f'{count - bad} passed')}{late}")
    return bad


def _failure(case: Case, differences: Sequence[Difference], styles: Styles) -> str:
    lines = [f"{styles('bad', 'FAILED')} {styles('strong', case.name)} (line {case.line})"]
    for difference in differences:
        lines += styles.fields(
            [
                (f"{difference.what} expected", _shown(difference.expected)),
                (f"{difference.what} got", _shown(difference.got)),
            ],
            indent="  ",
        )
    explained = explanation_text(case.question, explain(case.question), styles)
    return "\n".join([*lines, "", *(f"    {line}".rstrip() for line in explained.splitlines()), ""])


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else inert(json.dumps(value))


def _result(case: Case, differences: Sequence[Difference]) -> dict[str, object]:
    return {
        "name": case.name,
        "line": case.line,
        "passed": not differences,
        "differences": [
            {"what": difference.what, "expected": difference.expected, "got": difference.got}
            for difference in differences
        ],
        "explanation": outcome_json.explanation_values(case.question, explain(case.question)) if differences else None,
    }
