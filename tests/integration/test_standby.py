"""Two CAs on one database: one writes, the other stands ready, whatever happens to the first."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit.errors import Failed, SshJitError
from sshjit_ca.log import verification
from sshjit_ca.operations import admin_client
from sshjit_ca.service import standby
from sshjit_ca.storage.store import Store
from sshjit_web.ca_client import CaClient
from tests.support.ca_process import CaProcess, second_config
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving
from tests.support.postgres import running
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture(params=["sqlite", "postgresql"])
def ca(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """An installation without a process, on either database."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        database = stack.enter_context(running()).new() if request.param == "postgresql" else None
        ca = Installation(tmp_path, issuers, time=time.time(), boot=time.time(), database=database)
        ca.stop()
        yield ca


@pytest.fixture
def pair(ca: Installation) -> Iterator[tuple[CaProcess, CaProcess]]:
    """A writer and one that stands by."""
    first = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket)
    second = None
    try:
        assert first.notification() == "READY=1\nSTATUS=serving"
        second = CaProcess.start(second_config(ca, "second"), ca.home / "second-admin.sock")
        assert second.notification() == "READY=1\nSTATUS=another CA is writing this log; standing by"
        assert second.health() is None
        yield first, second
    finally:
        first.process.send_signal(signal.SIGCONT)
        for each in (first, second):
            if each is not None:
                each.end()


def add_host(running_ca: CaProcess, name: str) -> None:
    message = m.AddHost(name, (), "127.0.0.1", 22, (("env", "staging"),), ())
    admin_client.call(running_ca.admin_socket, message, m.HostReply)


def is_whole(ca: Installation) -> bool:
    store = Store(ca.config.database, read_only=True)
    verdict = verification.verify(store, ca.context.keys.public("log"))
    store.close()
    return verdict.problems == ()


def test_the_second_takes_over_when_the_first_dies_or_says_goodbye(
    ca: Installation, pair: tuple[CaProcess, CaProcess]
) -> None:
    first, second = pair
    add_host(first, "web1")
    first.process.kill()
    began = time.monotonic()
    wait_until(second.ready)
    assert time.monotonic() - began < standby.PATIENCE  # a dead process on this machine needs no patience
    add_host(second, "web2")
    third = CaProcess.start(first.config, first.admin_socket)
    assert "standing by" in third.notification()
    assert second.end() == 0
    assert third.notification() == "READY=1\nSTATUS=serving"
    hosts = admin_client.call(third.admin_socket, m.ReadHosts(None), m.HostsReply).hosts
    assert [host.name for host in hosts] == ["web1", "web2"]
    third.process.send_signal(signal.SIGHUP)
    assert third.notification().startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert third.notification() == "READY=1\nSTATUS=serving"
    third.process.terminate()
    assert third.notification() == "STOPPING=1"
    assert third.end() == 0
    assert is_whole(ca)


def test_t63_a_writer_that_hangs_is_given_up_and_signs_nothing_when_it_wakes(
    ca: Installation, pair: tuple[CaProcess, CaProcess]
) -> None:
    first, second = pair
    add_host(first, "web1")
    first.process.send_signal(signal.SIGSTOP)
    wait_until(second.ready)
    add_host(second, "web2")
    first.process.send_signal(signal.SIGCONT)
    with pytest.raises(Failed):  # fenced, or gone already
        add_host(first, "web3")
    assert first.process.wait(timeout=PATIENCE) == 1
    assert "another CA process has taken over the log" in first.log.read_text()
    assert second.ready()
    hosts = admin_client.call(second.admin_socket, m.ReadHosts(None), m.HostsReply).hosts
    assert [host.name for host in hosts] == ["web1", "web2"]
    again = CaProcess.start(first.config, first.admin_socket)
    assert "standing by" in again.notification()
    again.process.kill()
    again.end()
    assert is_whole(ca)


_PAUSING = """
import os, pathlib, signal, sys
flag, when = pathlib.Path(sys.argv.pop(1)), sys.argv.pop(1)
from sshjit_ca.storage.store import Store
commit = Store.commit
def pausing(self, rows, *others):
    due = flag.exists() and any(row.entry.kind == "certificate" for row in rows)
    if due and when == "before":
        flag.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    commit(self, rows, *others)
    if due and when == "after":
        flag.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
Store.commit = pausing
from sshjit_ca.__main__ import main
sys.exit(main())
"""
"""A CA that pauses once, where ``flag`` is: before it commits a certificate, or between that and the answer."""


@pytest.fixture
def pausing(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Installation, CaProcess, CaProcess]]:
    """On PostgreSQL: a writer that pauses when the file ``pause`` is there, and one that stands by."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        database = stack.enter_context(running()).new()
        ca = Installation(tmp_path, issuers, time=time.time(), boot=time.time(), database=database)
        ca.add_host("web1", env="staging")
        ca.stop()
        program = (sys.executable, "-c", _PAUSING, str(tmp_path / "pause"), request.param)
        first = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket, program)
        stack.callback(first.end)
        stack.callback(first.process.send_signal, signal.SIGCONT)
        assert first.notification() == "READY=1\nSTATUS=serving"
        second = CaProcess.start(second_config(ca, "second"), ca.home / "second-admin.sock")
        stack.callback(second.end)
        assert "standing by" in second.notification()
        yield ca, first, second


def ask_across_a_pause(ca: Installation, first: CaProcess, second: CaProcess) -> m.AskReply | SshJitError:
    """What somebody is answered whose question is in the batch at which the writer pauses until it was replaced."""
    client = CaClient(ca.config.web_socket, timeout=PATIENCE)
    login = client.call(ca.native_message(ALICE), m.LoginReply).login
    (ca.home / "pause").touch()

    def ask() -> m.AskReply | SshJitError:
        message = m.Ask(login.id, ("web1",), None, "shell", None, None, "CHG-7", certificate=True, address="192.0.2.7")
        try:
            return client.call(message, m.AskReply)
        except SshJitError as error:
            return error

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(ask)
        wait_until(second.ready)  # the first one, in its transaction or not, keeps it no longer than its lease
        assert not answer.done()
        first.process.send_signal(signal.SIGCONT)
        answered = answer.result(PATIENCE)
    client.close()
    assert first.process.wait(timeout=PATIENCE) == 1
    return answered


def serials(ca: Installation) -> list[int]:
    """Of the certificates in the log."""
    with closing(Store(ca.config.database, read_only=True)) as store:
        issued = [entries.read(row.entry) for row in store.rows() if row.entry.kind == "certificate"]
    return [event.serial for event in issued if isinstance(event, events.Issued)]


@pytest.mark.parametrize("pausing", ["before"], indirect=True)
def test_t63_a_writer_that_was_paused_before_its_commit_lets_no_certificate_go(
    pausing: tuple[Installation, CaProcess, CaProcess],
) -> None:
    answered = ask_across_a_pause(*pausing)
    assert isinstance(answered, SshJitError)
    assert answered.code == "fenced"
    assert serials(pausing[0]) == []
    assert is_whole(pausing[0])


@pytest.mark.parametrize("pausing", ["after"], indirect=True)
def test_t63_what_was_committed_before_the_pause_may_leave_after_it_and_the_next_writer_knows_it(
    pausing: tuple[Installation, CaProcess, CaProcess],
) -> None:
    ca, first, second = pausing
    answered = ask_across_a_pause(ca, first, second)
    assert isinstance(answered, m.AskReply)
    assert answered.certificate is not None
    assert serials(ca) == [answered.certificate.serial]
    status = admin_client.call(second.admin_socket, m.Status(), m.StatusReply)
    assert status.live_certificates == 1  # whoever revokes by the next writer meets it
    assert is_whole(ca)
