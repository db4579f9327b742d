"""A database that hangs, vanishes or comes back: everybody is told soon, nothing is lost, and the operator gets in."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit_ca.log import verification
from sshjit_ca.operations import admin_client
from sshjit_ca.storage import limits
from sshjit_ca.storage.store import Store
from tests.support.ca_process import CaProcess
from tests.support.installation import Installation
from tests.support.issuer import serving
from tests.support.postgres import Postgres, running
from tests.support.silence import Proxy, proxied, signal_all
from tests.support.waiting import wait_until

AT_ONCE = 3.0
"""Seconds, with room for a busy machine; what waits for the database waits longer, and before it was 30."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One PostgreSQL server, which every test leaves running."""
    with running() as one:
        yield one


@pytest.fixture
def proxy(server: Postgres) -> Iterator[Proxy]:
    """The network in front of it."""
    with proxied(server) as one:
        yield one


@pytest.fixture
def ca(tmp_path: Path, server: Postgres, proxy: Proxy) -> Iterator[Installation]:
    """An installation on that server, which is not running."""
    with serving() as acme, serving() as partner:
        database = proxy.address(server, server.new())
        issuers = {"acme": acme, "partner": partner}
        ca = Installation(tmp_path, issuers, time=time.time(), boot=time.time(), database=database)
        ca.stop()
        yield ca


@pytest.fixture
def process(ca: Installation) -> Iterator[CaProcess]:
    """It as a process."""
    one = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket)
    try:
        wait_until(one.ready)
        yield one
    finally:
        one.end()
        assert "Traceback" not in one.log.read_text()
        assert "bug" not in one.log.read_text()


def lock(process: CaProcess) -> m.LockReply:
    return admin_client.call(process.admin_socket, m.Lock(None, "everything", None, "a drill"), m.LockReply)


def add_host(process: CaProcess, name: str) -> None:
    message = m.AddHost(name, (), "127.0.0.1", 22, (("env", "staging"),), ())
    admin_client.call(process.admin_socket, message, m.HostReply)


def told_at_once(process: CaProcess, times: int = 3) -> None:
    """``status`` and ``lock`` are answered at once, and truly, again and again."""
    for _ in range(times):
        began = time.monotonic()
        status = admin_client.call(process.admin_socket, m.Status(), m.StatusReply)
        with pytest.raises(Failed) as refused:
            lock(process)
        assert time.monotonic() - began < AT_ONCE
        assert not status.ready
        assert "does not answer since" in " ".join(status.problems)
        assert refused.value.code == "database_silent"
        assert refused.value.message.startswith("the lock is NOT in force: the log's database does not answer since")
        assert "is PostgreSQL running" in refused.value.hint


def is_whole(ca: Installation, names: list[str]) -> None:
    store = Store(ca.config.database, read_only=True)
    with closing(store):
        assert verification.verify(store, ca.context.keys.public("log")).problems == ()
        assert [row.entry.kind for row in store.rows()].count("host") == len(names)


def test_a_server_that_is_stopped_does_not_take_the_operator_s_door_with_it(
    ca: Installation, process: CaProcess, server: Postgres
) -> None:
    add_host(process, "web1")
    signal_all(server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(Failed):  # whoever comes first has waited
            lock(process)
        told_at_once(process)
    finally:
        signal_all(server.process.pid, signal.SIGCONT)
    wait_until(process.ready)
    add_host(process, "web2")
    is_whole(ca, ["web1", "web2"])


def test_nor_does_a_network_that_lets_nothing_through(ca: Installation, process: CaProcess, proxy: Proxy) -> None:
    add_host(process, "web1")
    with proxy.held():
        wait_until(lambda: not process.ready())  # the beat has found it
        told_at_once(process)
        hosts = admin_client.call(process.admin_socket, m.ReadHosts(None), m.HostsReply).hosts
        assert [host.name for host in hosts] == ["web1"], "what is in memory is read"
    wait_until(process.ready)
    add_host(process, "web2")
    is_whole(ca, ["web1", "web2"])


def test_a_lock_on_the_writer_s_row_is_waited_for_once(ca: Installation, process: CaProcess, server: Postgres) -> None:
    name = ca.config.database.partition("@/")[2].partition("?")[0]
    import psycopg

    with psycopg.connect(f"host={server.sockets} user=ssh_jit dbname={name}") as other:
        other.execute("SELECT id FROM head FOR UPDATE")
        with pytest.raises(Failed):
            lock(process)
        told_at_once(process)
    wait_until(process.ready)
    add_host(process, "web1")
    is_whole(ca, ["web1"])


def test_connections_that_are_cut_cost_nobody_else_anything(ca: Installation, process: CaProcess, proxy: Proxy) -> None:
    names = []
    for number in range(6):
        name = f"web{number}"
        proxy.cut()
        log = admin_client.call(process.admin_socket, m.ReadLog(None, None, 10, None), m.LogReply)
        assert log.entries
        proxy.cut()
        add_host(process, name)
        names.append(name)
    is_whole(ca, names)


def test_a_commit_whose_answer_is_lost_is_said_to_be_unknown_and_is_read_again(
    ca: Installation, process: CaProcess, server: Postgres
) -> None:
    """It comes through after all, later, and the CA does not take it for a batch of another CA."""
    add_host(process, "web1")
    name = ca.config.database.partition("@/")[2].partition("?")[0]
    slow = "BEGIN PERFORM pg_sleep(8); RETURN NULL; END"
    server.run(f"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $${slow}$$", name)
    server.run(
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON entries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        "WHEN (NEW.kind = 'host') EXECUTE FUNCTION slow()",
        name,
    )
    with pytest.raises(Failed) as failed:
        add_host(process, "web2")
    assert failed.value.code == "outcome_unknown"
    wait_until(process.ready)
    server.run("DROP TRIGGER slow ON entries", name)
    hosts = admin_client.call(process.admin_socket, m.ReadHosts(None), m.HostsReply).hosts
    assert [host.name for host in hosts] == ["web1", "web2"]
    add_host(process, "web3")
    is_whole(ca, ["web1", "web2", "web3"])
    assert process.process.poll() is None
    log = process.log.read_text()
    assert "another CA process" not in log


def test_an_sqlite_file_that_somebody_else_holds_locked_is_waited_for_once(tmp_path: Path) -> None:
    with serving() as acme, serving() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time(), boot=time.time())
        ca.stop()
        process = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket)
        try:
            wait_until(process.ready)
            with closing(sqlite3.connect(ca.config.home / "ca.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(Failed):
                    lock(process)
                for _ in range(3):
                    began = time.monotonic()
                    with pytest.raises(Failed) as refused:
                        lock(process)
                    assert not process.ready()
                    assert time.monotonic() - began < limits.SERVING.lock
                    assert "NOT in force" in refused.value.message
                    assert "holds it locked" in refused.value.hint
                other.execute("ROLLBACK")
            wait_until(process.ready)
            assert lock(process).lock.kind == "everything"
        finally:
            process.end()
