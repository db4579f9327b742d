"""Workloads in the policy's own tools: what an inventory says of one, who approves for it, and what is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from sshjit.policy import Allow, Ask, Denied, PolicyError, load
from sshjit_client.policy import comparison, inventory, lint
from sshjit_client.policy.question import Question, evaluate
from tests.unit.sshjit.policy_world import at

NOW = at("2026-03-04 12:00")
POLICY = """version = 1
[labels]
env = {}
[roles]
ci = [{ from = "jobs/workload", claims = { ref = "main" } }]
sre = ["acme/group:SRE"]
[[allow]]
name = "staging"
roles = ["ci"]
hosts = { env = "staging" }
logins = ["deploy"]
approvals = []
grant = "1h"
certificate = "5m"
[[allow]]
name = "prod"
roles = ["sre", "ci"]
hosts = { env = "prod" }
logins = ["deploy"]
approvals = [{ from = "ci", count = 1 }]
grant = "1h"
certificate = "5m"
[[break_glass]]
name = "glass"
roles = ["ci"]
hosts = { env = "prod" }
logins = ["root"]
grant = "1h"
certificate = "5m"
review_within = "1d"
"""
INVENTORY = """version = 1
[hosts]
web = { env = "staging" }
db = { env = "prod" }
[people.job]
provider = "jobs"
claims = { ref = "main" }
[people.alice]
provider = "acme"
groups = ["SRE"]
"""


def people(tmp_path: Path, text: str = INVENTORY) -> inventory.Inventory:
    (tmp_path / "inventory.toml").write_text(text)
    return inventory.load_inventory(tmp_path / "inventory.toml", load(POLICY))


def test_a_workload_of_the_inventory_has_its_roles_and_approves_nothing(tmp_path: Path) -> None:
    rules, known = load(POLICY), people(tmp_path)
    job = Question(rules, known, known.people["job"].at(NOW), (known.hosts["web"],), Ask("deploy"), NOW)
    assert isinstance(evaluate(job), Allow)
    alice = Question(rules, known, known.people["alice"].at(NOW), (known.hosts["db"],), Ask("deploy"), NOW)
    refused = evaluate(alice)
    assert isinstance(refused, Denied)
    assert refused.code == "nobody_can_approve"
    assert known.people["job"].person(rules, NOW).roles == frozenset()


def test_what_only_workloads_could_do_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(POLICY)
    texts = [problem.message for problem in lint.warnings(load(POLICY), tmp_path / "p.toml", NOW)]
    assert any('"ci" is of workloads alone, which approve nothing' in text for text in texts)
    assert any("matches nobody: ci cannot be held now" in text for text in texts)


def test_a_comparison_says_what_a_workload_gains_and_never_by_break_glass(tmp_path: Path) -> None:
    known = people(tmp_path)
    none = load(POLICY.replace('ref = "main"', 'ref = "other"'))
    gained = comparison.compare(none, load(POLICY), known, NOW).entries
    assert {(entry.people, entry.break_glass) for entry in gained if "job" in entry.people} == {(("job",), False)}


@pytest.mark.parametrize(
    "more", ['groups = ["SRE"]', 'emails = ["a@example.com"]', "mfa = true", 'own = "job"', 'signed_in = "now"']
)
def test_a_workload_has_nothing_that_people_have(tmp_path: Path, more: str) -> None:
    with pytest.raises(PolicyError, match="is of people, and this is a workload"):
        people(tmp_path, INVENTORY.replace('claims = { ref = "main" }', f'claims = {{ ref = "main" }}\n{more}'))
