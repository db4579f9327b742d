"""What the documents promise: recipes load, and what is named as evidence exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sshjit import events
from sshjit.policy import load

DOCS = Path(__file__).parents[3] / "docs"
COOKBOOK = (DOCS / "policy-cookbook.md").read_text()
RECIPES = re.findall(r"^## (.*?)\n.*?```toml\n(.*?)```", COOKBOOK, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("title", "text"), RECIPES, ids=[title for title, _ in RECIPES])
def test_every_recipe_is_a_policy(title: str, text: str) -> None:
    assert load(text).allows, title


def test_there_are_recipes() -> None:
    assert len(RECIPES) == COOKBOOK.count("```toml") > 4


def test_every_kind_and_table_that_is_evidence_exists() -> None:
    text = (DOCS / "compliance.md").read_text()
    section = text.split("## SOC 2")[1].split("## HIPAA")[0]
    tables = set(re.findall(r"^\| `(\w+)` \|", (DOCS / "audit.md").read_text(), re.MULTILINE))
    assert len(tables) > 15
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| CC")]
    assert len(rows) == 3
    for row in rows:
        kinds, named = (set(re.findall(r"`([\w-]+)`", cell)) for cell in row[3:5])
        assert kinds <= events.KINDS.keys(), row[1]
        assert named <= tables, row[1]
