"""The harness of ``make faults``: that it plays, and that it would notice. The whole of it takes minutes."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import verdict
from tests.faults.people import Ledger
from tests.faults.plays import PLAYS
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving

SHORT = ("kill-ca", "refuse-writing", "clock-back")


def test_some_faults_are_played_and_counted() -> None:
    chosen = [part for name in SHORT for part in ("--only", name)]
    command = [sys.executable, "-m", "tests.faults", "--database", "sqlite", "--measure", "1", *chosen]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  "))
    counts = {name.strip(): value for name, value in lines.items()}
    assert [counts[kind] for kind in ("kills", "disks", "clocks")] == ["1", "1", "1"]
    assert int(counts["certificates received"]) > 100
    assert [counts[name] for name in ("lost", "twice", "wrong answers")] == ["0", "0", "0"]


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({play.name for play in PLAYS}) == len(PLAYS)
    assert {play.kind for play in PLAYS} == {"kills", "outages", "disks", "clocks", "copies"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[tuple[str, Ledger]]:
    """A log with certificates, and what their owner holds."""
    with serving() as acme, serving() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time(), boot=time.time())
        ca.add_host("web1", env="staging")
        login, mine = ca.native(ALICE), Ledger()
        for _ in range(3):
            reply = ca.ask(login, "web1", reason="CHG-7 once")
            certificate = reply.certificate
            assert certificate is not None
            digest = hashlib.sha256(base64.b64decode(certificate.text.split()[1])).hexdigest()
            mine.certificates.append((certificate.serial, digest))
            mine.asked["CHG-7 once"] = reply.request.id
        yield ca.config.database, mine
        ca.stop()


def test_what_is_lost_twice_or_a_bug_is_noticed(ledger: tuple[str, Ledger]) -> None:
    database, mine = ledger
    assert verdict.problems(database, mine, "all is well") == []
    serial, digest = mine.certificates[0]
    for wrong, word in (
        ([(serial + 999, digest)], "lost"),
        ([(serial, "0" * 64)], "lost"),
        ([(serial, digest)], "received 2 times"),
    ):
        broken = Ledger(certificates=mine.certificates + wrong, asked=mine.asked)
        assert any(word in problem for problem in verdict.problems(database, broken, ""))
    assert "was lost" in verdict.problems(database, Ledger(asked={"CHG-8": "req-1"}), "")[0]
    assert "somebody was told" in verdict.problems(database, Ledger(bad=["500"]), "")[0]
    assert "Traceback" in verdict.problems(database, mine, "Traceback (most recent call last):")[0]
    again = Ledger(certificates=mine.certificates, given_up=[serial])
    assert "came again" in verdict.problems(database, again, "")[0]
