"""``ssh-jit policy test``: runs the tests of a file and prints what failed, with the explanation."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sshjit.styles import Styles
from sshjit.terminal_text import inert
from sshjit_client.machine import Machine
from sshjit_client.policy import expectations, outcome_json
from sshjit_client.policy.expectations import Case, Difference
from sshjit_client.policy.explanation import explanation_text
from sshjit_client.policy.question import explain
from sshjit_client.styles import terminal_styles


def run_all(machine: Machine, cases: Sequence[Case], *, as_json: bool) -> int:
    """Runs and prints; how many failed."""
    results = [(case, expectations.run(case)) for case in cases]
    failed = [(case, found) for case, found in results if found]
    if as_json:
        machine.terminal.out(json.dumps([_result(case, found) for case, found in results], indent=2))
        return len(failed)
    paint = terminal_styles(machine.environ)
    for case, found in failed:
        machine.terminal.out(_failure(case, found, paint))
    said = paint("bad", f"{len(failed)} failed") + ", " if failed else ""
    machine.terminal.out(f"{said}{paint('good', f'{len(cases) - len(failed)} passed')}")
    return len(failed)


def _failure(case: Case, found: Sequence[Difference], paint: Styles) -> str:
    lines = [f"{paint('bad', 'FAILED')} {paint('strong', case.name)} (line {case.line})"]
    for each in found:
        lines += paint.fields(
            [(f"{each.what} expected", _shown(each.expected)), (f"{each.what} got", _shown(each.got))], indent="  "
        )
    explained = explanation_text(case.question, explain(case.question), paint)
    return "\n".join([*lines, "", *(f"    {line}".rstrip() for line in explained.splitlines()), ""])


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else inert(json.dumps(value))


def _result(case: Case, found: Sequence[Difference]) -> dict[str, object]:
    return {
        "name": case.name,
        "line": case.line,
        "passed": not found,
        "differences": [{"what": each.what, "expected": each.expected, "got": each.got} for each in found],
        "explanation": outcome_json.explanation_values(case.question, explain(case.question)) if found else None,
    }
