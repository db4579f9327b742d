"""``ssh-jit policy test``: runs the tests of a file and prints what failed, with the explanation."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sshjit.styles import Styles
from sshjit.terminal_text import inert
from sshjit_client.console.styles import terminal_styles
from sshjit_client.policy import expectations, outcome_json
from sshjit_client.policy.expectations import Case, Difference
from sshjit_client.policy.explanation import explanation_text
from sshjit_client.policy.question import explain
from sshjit_client.storage.machine import Machine


def run_all(machine: Machine, cases: Sequence[Case], *, as_json: bool) -> int:
    """Runs and prints; how many failed."""
    results = [(case, expectations.run(case)) for case in cases]
    failed = [(case, differences) for case, differences in results if differences]
    if as_json:
        machine.terminal.out(json.dumps([_result(case, differences) for case, differences in results], indent=2))
        return len(failed)
    styles = terminal_styles(machine.environ)
    for case, differences in failed:
        machine.terminal.out(_failure(case, differences, styles))
    said = styles("bad", f"{len(failed)} failed") + ", " if failed else ""
    machine.terminal.out(f"{said}{styles('good', f'{len(cases) - len(failed)} passed')}")
    return len(failed)


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
