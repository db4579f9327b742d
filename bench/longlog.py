"""A log of a million certificates: how long a start and a verification take, and what it does to writing.

The log is made for the measurement by ``bench.make_log``, which takes a minute or two and a gigabyte.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.make_log import make, open_window, recorded
from bench.processes import ROOT, folder
from bench.results import Result, rate
from bench.timing import paired
from bench.world import World
from sshjit_ca.desk import Desk
from sshjit_ca.keeping import keep_last
from sshjit_ca.store import Store

CERTIFICATES = 1_000_000
BATCH, BATCHES = 64, 60


def lines(_: World) -> Iterator[Result]:
    """Verification, start, and the rate of durable entries beside that of a log without any."""
    with folder() as home:
        full, empty = make(home / "full", CERTIFICATES), make(home / "empty", 1)
        size = full.state.size
        keep_last(full.journal)
        spent = _run(home / "full", "log", "verify")
        facts = _hashing(full)
        what, beside = f"log verify, {size:,} entries", f"SHA-256: {facts:.1f} s"
        yield Result("verify", what, f"{spent:.1f} s", beside, spent, "s", 10)
        began = time.monotonic()
        full.journal.read()
        spent = time.monotonic() - began
        yield Result("start", f"what the CA knows, {size:,} entries", f"{spent:.2f} s", "", spent, "s", 3)
        ours, yardstick, ratio = paired(_Writing(full), _Writing(empty), 7)
        what = f"entries written, {BATCH} a commit, {size:,} before"
        yield Result("longlog", what, rate(ours), rate(yardstick), ratio * 100, "%", 90, at_least=True)


def _run(home: Path, *arguments: str) -> float:
    """Seconds that a command takes, from the start of its process to the end."""
    env = os.environ | {"SSH_JIT_CA_CONFIG": str(home / "ca.toml")}
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "sshjit_ca", *arguments], env=env, cwd=ROOT, check=True, capture_output=True)
    return time.monotonic() - began


def _hashing(desk: Desk) -> float:
    """Seconds that SHA-256 takes over the bytes that a verification hashes."""
    spent = 0.0
    store = Store(desk.config.database, read_only=True)
    for row in store.rows():
        parts = row.entry.fact, (row.entry.salt or b"") + (row.entry.detail or b"")
        began = time.monotonic()
        for part in parts:
            hashlib.sha256(part).digest()
        spent += time.monotonic() - began
    store.close()
    return spent


class _Writing:
    """Durable certificate entries a second."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._now = int(time.time()) + 60
        desk.journal.take_over()

    def __call__(self) -> float:
        desk, self._now = self._desk, self._now + 1
        login, request, ends = open_window(desk, 1, self._now)
        desk.journal.commit()
        began = time.monotonic()
        for _ in range(BATCHES):
            for _ in range(BATCH):
                desk.journal.record(recorded(desk, 1, login, request, ends), self._now)
            desk.journal.commit()
        return BATCH * BATCHES / (time.monotonic() - began)
