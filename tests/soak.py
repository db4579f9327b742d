"""``make soak``: an installation at half of what it can do, for a quarter of an hour: no error, and what grows.

One CA, one front end, and people who draw certificates over HTTP, as in ``make faults`` but nothing is broken. The
first and the last minute are printed side by side: resident memory of both programs, and how long a certificate takes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults import verdict
from tests.faults.people import Crowd, Worker
from tests.faults.plain import Plain, running

MEASURED = 6.0
"""Seconds for which the capacity is measured."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was seen in one stretch of time."""

    certificates: int
    median: float
    slow: float
    """The p99, in seconds."""
    ca: int
    web: int
    """Resident memory at its end, in bytes."""


def main() -> int:
    """Soaks, prints both minutes, and returns 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ssh-jit-soak-") as folder,
        running(Path(folder), arguments.database) as place,
    ):
        crowd = Crowd.begin(place)
        try:
            time.sleep(3)
            capacity = crowd.measure(MEASURED)
            crowd.pace(capacity / 2)
            print(
                f"{arguments.database}: {capacity:.0f} certificates a second; {arguments.minutes:g} minutes at half",
                flush=True,
            )
            windows = _soak(place, crowd, 60 * arguments.minutes)
        finally:
            crowd.end()
        wrong = verdict.problems(place.ca.config.database, crowd.ledger, place.logs())
        wrong += [f"somebody met an error: {code}, {count} times" for code, count in crowd.ledger.answers.items()]
        place.verify()
    return _report(windows, wrong)


def _soak(place: Plain, crowd: Crowd, seconds: float) -> tuple[Window, Window]:
    """The first and the last minute, or the first and the last half of a shorter time."""
    length = min(60.0, seconds / 2)
    first = _watch(place, crowd.workers, length)
    time.sleep(max(0.0, seconds - 2 * length))
    return first, _watch(place, crowd.workers, length)


def _watch(place: Plain, workers: list[Worker], seconds: float) -> Window:
    for worker in workers:
        worker.times.clear()
    time.sleep(seconds)
    times = sorted(taken for worker in workers for taken in list(worker.times))
    middle, slow = times[len(times) // 2], times[int(len(times) * 0.99)]
    return Window(len(times), middle, slow, *place.resident())


def _report(windows: tuple[Window, Window], wrong: list[str]) -> int:
    print(f"{'':<10} {'certificates':>12} {'median':>10} {'p99':>10} {'CA':>9} {'front end':>10}")
    for name, window in zip(("first", "last"), windows, strict=True):
        print(
            f"{name:<10} {window.certificates:>12} {window.median * 1e3:>7.1f} ms {window.slow * 1e3:>7.1f} ms "
            f"{window.ca / 1e6:>6.0f} MB {window.web / 1e6:>7.0f} MB"
        )
    for problem in wrong[:40]:
        print(f"  VIOLATION {problem}")
    print("no error" if not wrong else f"{len(wrong)} violations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
