"""``docs/policy.md``: its examples are good policies, and its output is what the commands print."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit import policy
from sshjit.policy import fields
from sshjit_client.policy import lint
from tests.unit.client.policy_folder import CommandResult, PolicyFolder

PAGE = Path(__file__).resolve().parents[3] / "docs" / "policy.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
SHOWN = re.findall(r"^<!-- (ssh-jit policy [^\n]*) -->\n```text\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
HEAD, ALLOW, DENY, INVENTORY, TESTS, EDITOR, TAPLO = BLOCKS
POLICY = f"{HEAD}\n{ALLOW}\n{DENY}"
NEW = POLICY.replace('sre-lead = ["acme/group:SRE Leads"]', 'sre-lead = ["acme/group:SRE Leads", "acme/group:SRE"]')
NEW = NEW.replace(', { from = "sre-lead", count = 1, signed = true }]', "]").replace('["sat", "sun"]', '["sun"]')


@pytest.fixture
def folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[PolicyFolder]:
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    made = PolicyFolder(tmp_path, capsys)
    typo = POLICY.replace('certificate = "5m"', 'certificat = "5m"', 1)
    for name, text in (("policy", POLICY), ("new", NEW), ("inventory", INVENTORY), ("tests", TESTS), ("typo", typo)):
        made.write(f"{name}.toml", text)
    yield made
    monkeypatch.undo()
    time.tzset()


def run(folder: PolicyFolder, command: str) -> CommandResult:
    return folder.run(*shlex.split(command)[2:])


def test_the_examples_are_one_good_policy_without_a_warning(folder: PolicyFolder) -> None:
    example = policy.load(POLICY)
    assert [rule.name for rule in example.allows] == ["staging", "prod-database"]
    assert (example.denies[0].name, example.break_glass[0].name) == ("weekend-freeze", "on-call")
    assert lint.warnings(example, folder.policy, 1_770_000_000) == ()
    assert policy.load(EDITOR).allows == ()


def test_the_tests_on_the_page_pass(folder: PolicyFolder) -> None:
    assert run(folder, "ssh-jit policy test tests.toml").out == "3 passed\n"


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_page_shows_what_the_command_prints(folder: PolicyFolder, command: str, output: str) -> None:
    result = run(folder, command)
    assert result.out + result.err == output


def test_every_command_is_on_the_page() -> None:
    assert {command.split()[2] for command, _ in SHOWN} == {"check", "explain", "diff"}
    for name in ("check", "explain", "test", "diff", "schema"):
        assert f"**{name}** " in TEXT


def test_every_key_of_a_rule_is_on_the_page() -> None:
    for key in {*fields.ALLOW, *fields.DENY, *fields.BREAK_GLASS}:
        assert f"`{key}`" in TEXT or re.search(rf"^{key} +=", TEXT, re.MULTILINE), key
