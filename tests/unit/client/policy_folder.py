"""``ssh-jit policy …`` for tests: in a folder with a policy and an inventory, in this process or as a program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sshjit_client import cli
from tests.support.decisions import FOLDER

NOON = "2026-03-04 12:00 Europe/Berlin"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class PolicyFolder:
    """A folder with the policy and the inventory of the table of decisions."""

    path: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def policy(self) -> Path:
        return self.path / "policy.toml"

    def run(self, *words: str | Path) -> CommandResult:
        """One command of ``ssh-jit policy``, in this process."""
        self.capsys.readouterr()
        code = cli.subcommand(["policy", *map(str, words)])
        said = self.capsys.readouterr()
        return CommandResult(code, said.out, said.err)

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        return path

    def changed(self, *pairs: tuple[str, str]) -> Path:
        """Another policy, in which each first text, which stands there once, is the second."""
        text = self.policy.read_text(encoding="utf-8")
        for old, new in pairs:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return self.write("new.toml", text)


def make(folder: Path, capsys: pytest.CaptureFixture[str]) -> PolicyFolder:
    for name in ("policy.toml", "inventory.toml"):
        (folder / name).write_bytes((FOLDER / name).read_bytes())
    return PolicyFolder(folder, capsys)
