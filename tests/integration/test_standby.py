"""Two CAs on one database: one writes, the other stands ready, whatever happens to the first."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit_ca.log import verification
from sshjit_ca.operations import admin_client
from sshjit_ca.service import standby
from sshjit_ca.storage.store import Store
from tests.support.ca_process import CaProcess, second_config
from tests.support.installation import Installation
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
