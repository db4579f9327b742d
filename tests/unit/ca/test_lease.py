"""The writer's lease on PostgreSQL: one holder, gone with its session, and over when nobody pings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sshjit_ca.service import standby
from sshjit_ca.storage import lease as leases
from sshjit_ca.storage.lease import Lease
from tests.support.installation import Installation
from tests.support.postgres import Postgres
from tests.support.waiting import wait_until


@pytest.fixture
def make(postgres: Postgres) -> Iterator[Callable[[], Lease]]:
    """Makes leases on one database."""
    address = postgres.bare()
    with ExitStack() as stack:

        def made() -> Lease:
            lease = Lease(address)
            stack.callback(lease.close)
            return lease

        yield made


def test_one_at_a_time_holds_it_and_the_next_one_gets_it_at_once(make: Callable[[], Lease]) -> None:
    first, second = Lease(make().address), make()
    assert first.take()
    assert first.take()
    assert not second.take()
    assert not second.held
    first.close()
    wait_until(second.take)


def test_whoever_loses_the_session_gets_the_lease_again(make: Callable[[], Lease], postgres: Postgres) -> None:
    lease = make()
    assert lease.take()
    postgres.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    wait_until(lambda: _holders(postgres) == 1)
    wait_until(lambda: lease.held)


def test_t63_a_holder_that_does_not_ping_is_over_after_its_time(
    make: Callable[[], Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SECONDS", 1.0)
    silent, other = make(), make()
    assert silent.try_once()  # and no thread that pings
    assert not other.take()
    wait_until(other.take)


def test_a_holder_that_pings_outlives_its_time(make: Callable[[], Lease], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "SECONDS", 1.0)
    first, other = make(), make()
    assert first.take()
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert not other.take()
        time.sleep(0.1)


def test_on_sqlite_there_is_none(ca: Installation) -> None:
    assert (Lease.of(ca.config.database) is None) == ca.config.database.startswith("sqlite")
    assert not standby.me().endswith("leased")


def _holders(server: Postgres) -> int:
    return int(server.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
