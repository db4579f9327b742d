"""The table of policy decisions in ``tests/vectors/decisions``, read for whoever has to agree with it.

A row is a question to a policy (``Subject``, hosts, ``Ask``, the moment) and the facts that are expected of the answer.
What reads the file is the reader of ``ssh-jit policy test``; so the table is also an example of such a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sshjit.policy import Ask, Host, Outcome, Policy, Subject
from sshjit_client.policy import expectations
from sshjit_client.policy.inventory import Inventory, load_inventory
from sshjit_client.policy.outcome_json import outcome_values
from sshjit_client.policy.policy_files import read_policy

FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "decisions"
TABLE = FOLDER / "decisions.toml"
NOBODY = "nobody_can_approve"
"""The refusal that takes knowing everybody: ``evaluate`` alone answers that an approval is needed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One decision. ``expected`` is as ``sshjit_client.policy.outcome_json`` has it: verdict, rule, code, terms."""

    name: str
    policy: Policy
    subject: Subject
    hosts: tuple[Host, ...]
    ask: Ask
    now: int
    expected: dict[str, Any]

    @property
    def code(self) -> str | None:
        """The stable code of a refusal."""
        code = self.expected.get("code")
        return None if code is None else str(code)


@cache
def policy() -> Policy:
    """The policy that decides all rows."""
    return read_policy(FOLDER / "policy.toml")


def inventory() -> Inventory:
    """Everybody and every host of the table."""
    return load_inventory(FOLDER / "inventory.toml", policy())


@cache
def rows() -> tuple[Row, ...]:
    """Every decision, in the order of the file."""
    return tuple(
        Row(case.name, q.policy, q.subject, q.hosts, q.ask, q.now, dict(case.expected))
        for case in expectations.load_suite(TABLE, None, None, 0).cases
        for q in (case.question,)
    )


def differing(row: Row, outcome: Outcome) -> dict[str, tuple[Any, Any]]:
    """Fact -> (expected, got) of what an outcome says otherwise than the row."""
    got = outcome_values(outcome, row.hosts)
    return {key: (value, got.get(key)) for key, value in row.expected.items() if got.get(key) != value}


def every_row(which: Callable[[Row], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Runs a test for each row, as ``row``."""
    chosen = [row for row in rows() if which(row)]
    return pytest.mark.parametrize("row", chosen, ids=[row.name for row in chosen])
