"""The CA is killed between any two commands of the story, and no certificate is without its entry."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from demo import story
from demo.lab import Lab, Typist
from demo.story.stage import Outcome, Stage


@dataclass(slots=True)
class Murderous(Stage):
    """A stage on which the CA dies after every command, and comes back."""

    left: dict[str, str] = field(default_factory=dict)
    """Every certificate that reached a laptop: its digest by its serial."""
    deaths: int = 0
    unchanged: int = 0

    def types(self, who: Typist, command: str, *, code: int = 0, has: str = "", lacks: str = "") -> Outcome:
        outcome = Stage.types(self, who, command, code=code, has=has, lacks=lacks)
        if self.lab.ca.paused:
            return outcome
        for path in self.lab.paths.people.glob("*/run/ssh-jit/*/logins/*/open/*-cert.pub"):
            self.left[serial(self.lab, path)] = hashlib.sha256(
                base64.b64decode(path.read_text().split()[1])
            ).hexdigest()
        before = status(self.lab)
        self.lab.ca.kill()
        self.lab.ca.start()
        self.deaths += 1
        after = status(self.lab)
        if {entry["kind"] for entry in entries(self.lab) if entry["index"] >= before["size"]} <= {"start", "bundle"}:
            assert after["state_digest"] == before["state_digest"]
            self.unchanged += 1  # else somebody's waiting command went on meanwhile
        return outcome


def serial(lab: Lab, certificate: Path) -> str:
    said = lab.operator.run(["ssh-keygen", "-L", "-f", str(certificate)]).stdout
    found = re.search(r"Serial: (\d+)", said)
    assert found, said
    return found[1]


def status(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.operator.run(["ssh-jit-ca", "status", "--json"]).stdout)
    return found


def entries(lab: Lab) -> list[dict[str, Any]]:
    said = lab.operator.run(["ssh-jit-ca", "log", "show", "--json", "--limit", "1000"]).stdout
    found: list[dict[str, Any]] = json.loads(said)["entries"]
    return found


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """A lab that nobody else has asked anything yet."""
    with Lab.start() as running:
        yield running


def test_no_certificate_is_without_its_entry(own_lab: Lab) -> None:
    stage = Murderous(own_lab, out=StringIO())
    story.play(stage)
    assert stage.deaths > 20
    assert stage.unchanged > stage.deaths / 2
    assert len(stage.left) >= 4
    facts = [json.loads(entry["fact"])["body"] for entry in entries(own_lab) if entry["kind"] == "certificate"]
    assert stage.left.items() <= {str(fact["serial"]): fact["certificate"] for fact in facts}.items()
    assert own_lab.operator.run(["ssh-jit-ca", "log", "verify"]).code == 0
