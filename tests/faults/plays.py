"""The faults, each as it is played: broken, asked about while it is broken, mended as the hint says."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from tests.faults import machine as machines
from tests.faults import verdict
from tests.faults.stage import Stage
from tests.support.silence import signal_all

DOWN = "does not answer at|closed the connection|no answer"
"""What the operator's command says while there is no CA."""
SILENT = "does not answer since"
AWAY = "cannot be (read|written)|does not answer since|broke off"


@dataclass(frozen=True, slots=True)
class Play:
    """One fault."""

    kind: str
    name: str
    play: Callable[[Stage], None]
    databases: tuple[str, ...] = ("sqlite", "postgresql")
    short: bool = False
    """Part of ``make test``."""


def kill_ca(stage: Stage) -> None:
    """SIGKILL at any moment."""
    with stage.fault("kills", "CA killed"):
        stage.linger(stage.random.uniform(0.2, 1.5))
        stage.machine.kill()
        stage.tell("CA killed", DOWN)
        stage.machine.start()


def kill_ca_often(stage: Stage) -> None:
    """Killed again while it starts, or just after."""
    with stage.fault("kills", "CA killed again and again"):
        for _ in range(4):
            stage.machine.kill()
            stage.counts["kills"] += 1
            stage.machine.start()
            stage.linger(stage.random.uniform(0.1, 2.0))
        stage.counts["kills"] -= 1


def stop_ca(stage: Stage) -> None:
    """A clean stop under load."""
    with stage.fault("kills", "CA stopped and started"):
        if (code := stage.machine.process.end()) != 0:
            stage.wrong.append(f"a clean stop ended with {code}")
        stage.machine.start()


def kill_front(stage: Stage) -> None:
    """The front end dies; the CA is well."""
    with stage.fault("kills", "front end killed"):
        stage.linger(stage.random.uniform(0.2, 1.5))
        stage.machine.front.kill()
        stage.tell("front end killed", "")
        stage.machine.front.start()


def restart_postgres(stage: Stage) -> None:
    """A fast shutdown, and some seconds without a server."""
    server = stage.machine.server
    assert server is not None
    with stage.fault("outages", "PostgreSQL restarted"):
        server.stop()
        stage.tell("PostgreSQL is down", AWAY, doctor="database")
        server.start()


def crash_postgres(stage: Stage) -> None:
    """As if its machine had gone; it recovers at once."""
    server = stage.machine.server
    assert server is not None
    with stage.fault("outages", "PostgreSQL crashed"):
        server.stop(signal.SIGQUIT)
        server.start()


def stop_postgres(stage: Stage) -> None:
    """The server is stopped, and answers nothing."""
    server = stage.machine.server
    assert server is not None
    with stage.fault("outages", "PostgreSQL hangs (SIGSTOP)"):
        signal_all(server.process.pid, signal.SIGSTOP)
        try:
            stage.tell("PostgreSQL hangs", SILENT, doctor="database")
        finally:
            signal_all(server.process.pid, signal.SIGCONT)


def hold_network(stage: Stage) -> None:
    """The network to it lets nothing through."""
    assert stage.machine.proxy is not None
    with stage.fault("outages", "network to PostgreSQL silent"), stage.machine.proxy.held():
        stage.tell("the network is silent", SILENT)


def cut_network(stage: Stage) -> None:
    """Its connections break, several times."""
    assert stage.machine.proxy is not None
    with stage.fault("outages", "connections to PostgreSQL cut"):
        for _ in range(5):
            stage.machine.proxy.cut()
            stage.linger(0.3)


def read_only_postgres(stage: Stage) -> None:
    """An administrator makes it read-only."""
    server = stage.machine.server
    assert server is not None
    with stage.fault("disks", "PostgreSQL read-only"):
        server.run("ALTER SYSTEM SET default_transaction_read_only = on")
        server.run("SELECT pg_reload_conf()")
        stage.tell("PostgreSQL is read-only", "read-only", doctor="daemon: .*read-only")
        server.run("ALTER SYSTEM RESET default_transaction_read_only")
        server.run("SELECT pg_reload_conf()")


def lock_sqlite(stage: Stage) -> None:
    """Another program holds the file locked."""
    with (
        stage.fault("outages", "SQLite file locked by another program"),
        closing(sqlite3.connect(stage.machine.disk / "ca.db", isolation_level=None, timeout=20)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        stage.tell("the file is locked", SILENT)
        other.execute("ROLLBACK")


def refuse_writing(stage: Stage) -> None:
    """The disk fails under the running CA: whatever it writes is refused."""
    with stage.fault("disks", "CA's disk refuses writing"):
        stage.machine.refuse_writing(on=True)
        stage.tell("the disk refuses", "cannot be written", doctor="daemon: .*cannot be written")
        stage.machine.refuse_writing(on=False)


def read_only_disk(stage: Stage) -> None:
    """The CA starts on a disk that was mounted read-only: it says why it does not."""
    with stage.fault("disks", "CA's disk read-only at the start"):
        stage.machine.process.end()
        stage.machine.remount("ro")
        try:
            stage.machine.start()
            code = stage.machine.process.process.wait(60)
            log = stage.machine.process.log.read_text().splitlines()[-3:]
            if code != 1 or not any("ead-only" in line or "readonly" in line for line in log):
                stage.wrong.append(f"on a read-only disk the CA ended with {code}: {log}")
            stage.tell("the disk is read-only", DOWN, doctor="disk: .*cannot be written")
        finally:
            stage.machine.remount("rw")


def full_disk(stage: Stage) -> None:
    """The CA's disk runs full under load."""
    with stage.fault("disks", "CA's disk full"):
        ballast = stage.machine.fill(stage.machine.disk)
        stage.tell("the disk is full", "full", doctor="disk|full")
        ballast.unlink()


def full_front(stage: Stage) -> None:
    """The front end's disk runs full; certificates are drawn all the same."""
    with stage.fault("disks", "front end's disk full"):
        ballast = stage.machine.fill(stage.machine.home / "web")
        stage.linger(2)
        ballast.unlink()


def clock_back(stage: Stage) -> None:
    """A little ahead, within what is tolerated, and back again; confirmed as the hint says."""
    with stage.fault("clocks", "clock 20 s ahead and back"):
        stage.machine.step_clock(20)
        stage.linger(1.5)
        stage.machine.step_clock(0)
        stage.tell("the clock is behind", "behind the log's last entry")
        confirm(stage)


def clock_jumps(stage: Stage) -> None:
    """An hour ahead, confirmed; and back, confirmed."""
    for where in (3600.0, 0.0):
        with stage.fault("clocks", f"clock stepped to {where:+.0f} s"):
            stage.machine.step_clock(where)
            stage.tell("the clock jumped", "jumped|behind", doctor="clock")
            confirm(stage)


def confirm(stage: Stage) -> None:
    """What the hint says."""
    done = stage.machine.operator("confirm-clock", "--reason", "a drill", "--yes")
    if done.returncode:
        stage.wrong.append(f"confirm-clock: {done.stderr!r}")


def old_database(stage: Stage) -> None:
    """An older copy is put in the database's place: refused, then restored as the hint says."""
    machine = stage.machine
    with stage.fault("copies", "older copy of the database"):
        copy = machine.home / "older.tar"
        machines.copy_database(machine, copy)
        stage.linger(1.5)
        machine.kill()
        for suffix in ("", "-wal", "-shm"):
            (machine.disk / f"ca.db{suffix}").unlink(missing_ok=True)
        machines.unpack(copy, machine.disk / "ca.db")
        machine.start()
        code = machine.process.process.wait(60)
        said = machine.process.log.read_text().splitlines()[-3:]
        if code != 1 or not any("restore --accept-loss" in line for line in said):
            stage.wrong.append(f"an older copy: the CA ended with {code}: {said}")
        done = machine.operator("restore", "--accept-loss", "--reason", "a drill")
        if done.returncode:
            stage.wrong.append(f"restore: {done.stderr!r}")
        verdict.forgive(machine.ca.config.database, stage.crowd.ledger, stage.pardon)
        machine.start()


def old_home(stage: Stage) -> None:
    """What the CA keeps beside its database is put back to an earlier state."""
    machine = stage.machine
    with stage.fault("copies", "older copy of the CA's home"):
        copy = machine.home / "older-home"
        machines.copy_home(machine, copy)
        stage.linger(1.0)
        machine.kill()
        machine.start()
        stage.linger(1.5)
        machine.kill()
        machines.put_home(machine, copy)
        machine.start()


PLAYS = (
    Play("kills", "kill-ca", kill_ca, short=True),
    Play("kills", "kill-ca-often", kill_ca_often),
    Play("kills", "stop-ca", stop_ca, short=True),
    Play("kills", "kill-front", kill_front),
    Play("outages", "restart-postgres", restart_postgres, ("postgresql",)),
    Play("outages", "crash-postgres", crash_postgres, ("postgresql",)),
    Play("outages", "stop-postgres", stop_postgres, ("postgresql",), short=True),
    Play("outages", "hold-network", hold_network, ("postgresql",)),
    Play("outages", "cut-network", cut_network, ("postgresql",), short=True),
    Play("disks", "read-only-postgres", read_only_postgres, ("postgresql",)),
    Play("outages", "lock-sqlite", lock_sqlite, ("sqlite",)),
    Play("disks", "refuse-writing", refuse_writing, ("sqlite",), short=True),
    Play("disks", "read-only-disk", read_only_disk),
    Play("disks", "full-disk", full_disk),
    Play("disks", "full-front", full_front, ("sqlite",)),
    Play("clocks", "clock-back", clock_back, short=True),
    Play("clocks", "clock-jumps", clock_jumps),
    Play("copies", "old-database", old_database, ("sqlite",), short=True),
    Play("copies", "old-home", old_home),
)
"""All of them."""
