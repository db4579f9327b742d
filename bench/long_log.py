"""A long log: how long the CA takes to start, whether it slows certificates down, and how fast ``log verify`` is.

The log has ``CERTIFICATES`` certificates unless ``SSH_JIT_BENCH_CERTIFICATES`` says another number; a million take two
minutes to write.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import ca_process, load, make_log
from bench.ca_process import CA, RunningCa, enrol
from bench.environment import Environment
from bench.measurement import paired, seconds
from bench.processes import folder, listens, run, running
from bench.results import Result, rate
from bench.socket_certificates import IN_FLIGHT, ROUNDS, WINDOW

CERTIFICATES = int(os.environ.get("SSH_JIT_BENCH_CERTIFICATES", "100000"))
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class LongLog:
    """A CA with a long log, that does not run yet."""

    home: Path
    env: dict[str, str]
    entries: int
    windows: tuple[tuple[str, str], ...]

    @property
    def database(self) -> Path:
        """The log."""
        return self.home / "ca" / "ca.db"


def lines(_: Environment) -> Iterator[Result]:
    """Start, certificates, and verification over one log."""
    with _long() as log:
        yield _verify(log)
        with running([*CA, "serve"], lambda: listens(log.home / "web.sock") and _snapshots(log) > 0, log.env):
            pass
        yield _start(log)
        yield _certificates(log)


def _verify(log: LongLog) -> Result:
    took = seconds(lambda: run([*CA, "log", "verify"], log.env))
    hashed = seconds(lambda: _hash(log.database))
    shown, against = f"{took:.2f} s for {log.entries:,}", f"{hashed:.2f} s SHA-256 of the same"
    return Result("verify", "log verify, for 1,000,000", shown, against, took * MILLION / log.entries, "s", 10)


def _start(log: LongLog) -> Result:
    began = time.perf_counter()
    with running([*CA, "serve"], lambda: listens(log.home / "web.sock"), log.env):
        took = time.perf_counter() - began
    return Result("start", f"CA start, {log.entries:,} entries", f"{took:.2f} s", "", took, "s", 3)


def _certificates(log: LongLog) -> Result:
    socket_path = log.home / "web.sock"
    crowd = ca_process.served(make_log.PEOPLE, 1)  # the same traffic: nothing differs but the length of the log
    with crowd as short, running([*CA, "serve"], lambda: listens(socket_path), log.env) as process:
        enrol(log.home / "admin.sock", [f"web{number}" for number in range(10)])
        long = RunningCa(process.pid, socket_path, log.env, log.windows)
        rates = paired(lambda: _rate(long), lambda: _rate(short), ROUNDS)
    what, against = f"certificates, {log.entries:,} entries in the log", f"{rate(rates[1])} with few"
    return Result("long", what, rate(rates[0]), against, rates[2] * 100, "%", 90, at_least=True)


def _rate(ca: RunningCa) -> float:
    return load.closed(ca.certificates(), in_flight=IN_FLIGHT, seconds=WINDOW).rate


@contextmanager
def _long() -> Iterator[LongLog]:
    with folder() as home:
        made = make_log.make(home, CERTIFICATES)
        alive = time.time() + 300
        windows = tuple(
            (request.asked.login_id, request.id)
            for request in made.state.requests.values()
            if request.ends is not None and request.ends > alive
        )
        yield LongLog(home, os.environ | {"SSH_JIT_CA_CONFIG": str(home / "ca.toml")}, made.state.size, windows)


def _snapshots(log: LongLog) -> int:
    with closing(sqlite3.connect(f"file:{log.database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM snapshots").fetchone()[0])


def _hash(database: Path) -> bytes:
    digest = hashlib.sha256()
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for fact, detail in connection.execute("SELECT fact, detail FROM entries ORDER BY number"):
            digest.update(fact)
            digest.update(detail)
    return digest.digest()
