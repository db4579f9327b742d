"""The threat model names tests; each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
TEXT = (REPOSITORY / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(?:tests/[a-z/]+)?(test_\w+)(\.py|…)?`", TEXT)))
FILES = list((REPOSITORY / "tests").rglob("test_*.py"))
FUNCTIONS = {name for path in FILES for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}


def test_it_names_tests() -> None:
    assert len(NAMED) > 80


@pytest.mark.parametrize(("name", "kind"), NAMED)
def test_a_test_that_it_names_is_there(name: str, kind: str) -> None:
    if kind == ".py":
        assert name in {path.stem for path in FILES}
    elif kind == "…":
        assert any(function.startswith(name) for function in FUNCTIONS)
    else:
        assert name in FUNCTIONS


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(tests/[\w/]+\.py)`", TEXT))))
def test_a_file_that_it_names_is_there(path: str) -> None:
    assert (REPOSITORY / path).is_file()


def test_each_promise_has_its_attacks() -> None:
    sections = {
        re.sub(r"[^a-z -]", "", line[3:].lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("## ")
    }
    linked = set(re.findall(r"\]\(#([\w-]+)\)", TEXT))
    assert linked == sections
    assert [line[2] for line in TEXT.splitlines() if re.match(r"\| \d\. ", line)] == list("123456")
