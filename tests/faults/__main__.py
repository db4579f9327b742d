"""``python -m tests.faults``: plays every fault on both databases and prints what was seen; 1 if anything was wrong."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults import cluster, verdict
from tests.faults import machine as machines
from tests.faults.people import Crowd
from tests.faults.plays import PLAYS, Play
from tests.faults.stage import Stage

MEASURED = 4.0
"""Seconds for which the capacity is measured."""
KINDS = ("kills", "outages", "disks", "clocks", "copies")


def main() -> int:
    """Plays what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=6.0, help="about so long; every fault is played once at least")
    choices = ("sqlite", "postgresql", "cluster")
    parser.add_argument("--database", choices=choices, help="on this one alone; cluster: two of everything, PostgreSQL")
    parser.add_argument("--only", action="append", help="these faults alone, by name", metavar="NAME")
    parser.add_argument("--short", action="store_true", help="one or two of each kind")
    parser.add_argument("--measure", type=float, default=MEASURED, help="seconds for which the capacity is measured")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="for the order and the moments")
    arguments = parser.parse_args()
    if not machines.is_root():
        inside = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "tests.faults", *sys.argv[1:]]
        return subprocess.run([*inside, "--database", "sqlite"], check=False).returncode
    databases = (arguments.database,) if arguments.database else choices
    print(f"seed {arguments.seed}", flush=True)
    bad = 0
    for number, database in enumerate(databases):
        if database == "cluster":
            with tempfile.TemporaryDirectory(prefix="ssh-jit-faults-") as folder:
                minutes = arguments.minutes / len(databases)
                bad += cluster.for_minutes(Path(folder), minutes, random.Random(arguments.seed))  # noqa: S311 - no secret
            continue
        chosen = [play for play in PLAYS if database in play.databases and (play.short or not arguments.short)]
        if arguments.only:
            chosen = [play for play in chosen if play.name in arguments.only]
        seconds = 0.0 if arguments.short or arguments.only else 60 * arguments.minutes / len(databases)
        bad += _play(database, chosen, (seconds, arguments.measure), random.Random(arguments.seed + number))  # noqa: S311 - not a secret
    return 1 if bad else 0


def _play(database: str, plays: list[Play], times: tuple[float, float], chance: random.Random) -> int:
    """Plays on one database, for so long, after so much measuring; how much was wrong."""
    began, (seconds, measured) = time.monotonic(), times
    with (
        tempfile.TemporaryDirectory(prefix="ssh-jit-faults-") as folder,
        machines.running(Path(folder), database) as machine,
    ):
        crowd = Crowd.begin(machine)
        try:
            time.sleep(3)
            capacity = crowd.measure(measured)
            crowd.pace(capacity / 2)
            print(f"\n{database}: {capacity:.0f} certificates a second; at half of that:", flush=True)
            stage = Stage(machine, crowd, chance)
            rounds = 0
            while not rounds or time.monotonic() - began < seconds:
                for play in chance.sample(plays, len(plays)):
                    if rounds and time.monotonic() - began >= seconds:
                        break
                    play.play(stage)
                rounds += 1
        finally:
            crowd.end()
        stage.wrong += verdict.problems(machine.ca.config.database, crowd.ledger, machine.logs())
        _print(database, stage, time.monotonic() - began)
    return len(stage.wrong)


def _print(database: str, stage: Stage, seconds: float) -> None:
    """The table."""
    ledger, wrong = stage.crowd.ledger, stage.wrong
    rows: list[tuple[str, object]] = [(kind, stage.counts[kind]) for kind in KINDS]
    rows += [
        ("certificates received", len(ledger.certificates) + stage.pardon.certificates),
        ("  of them given up with an older copy", stage.pardon.certificates),
        ("  lost", _count(wrong, "a certificate was lost")),
        ("  twice", _count(wrong, "the serial")),
        ("requests answered", len(ledger.asked) + stage.pardon.asks),
        ("  lost or twice", _count(wrong, "the request")),
        ("looks at status, doctor and /readyz", stage.looks),
        ("  wrong answers", sum("says" in each or "status" in each for each in wrong)),
        ("longest until it was back", f"{max(stage.longest.values(), default=0.0):.1f} s"),
        ("violations in all", len(wrong)),
    ]
    print(f"\n{database}, {seconds:.0f} s")
    for name, value in rows:
        print(f"  {name:<40} {value!s:>8}")
    answers = Counter(ledger.answers).most_common(8)
    print(f"  errors that people met: {', '.join(f'{code} {count}' for code, count in answers) or 'none'}")
    for problem in wrong[:40]:
        print(f"  VIOLATION {problem}")


def _count(wrong: list[str], beginning: str) -> int:
    return sum(problem.startswith(beginning) for problem in wrong)


if __name__ == "__main__":
    sys.exit(main())
