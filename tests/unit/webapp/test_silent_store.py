"""The front end's own database, when it hangs: it is given up soon, and nobody else waits for it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from sshjit.errors import Failed
from sshjit_web import migrate
from sshjit_web.store import ANSWER, Store, open_engine
from tests.support.postgres import Postgres, running
from tests.support.silence import Proxy, proxied, signal_all
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server."""
    with running() as one:
        yield one


@pytest.fixture
def proxy(server: Postgres) -> Iterator[Proxy]:
    """The network in front of it."""
    with proxied(server) as one:
        yield one


@pytest.fixture
def store(server: Postgres, proxy: Proxy) -> Iterator[Store]:
    """The front end's store on it."""
    engine = open_engine(proxy.address(server, server.bare()))
    migrate.upgrade(engine)
    one = Store(engine)
    one.add_session("token", "api", "login-1", now=1, expires=10)
    yield one
    one.close()


def refused_after(store: Store) -> float:
    """Seconds until the store says that it cannot be used."""
    began = time.monotonic()
    with pytest.raises(Failed) as down:
        store.find_session("token", "api", now=2)
    assert down.value.code == "database_down"
    return time.monotonic() - began


def back(store: Store) -> bool:
    try:
        return store.find_session("token", "api", now=2) == "login-1"
    except Failed:
        return False


def test_a_server_that_is_stopped_keeps_one_question_for_some_seconds_and_no_other(
    store: Store, server: Postgres
) -> None:
    signal_all(server.process.pid, signal.SIGSTOP)
    try:
        first = refused_after(store)
        later = [refused_after(store) for _ in range(5)]
    finally:
        signal_all(server.process.pid, signal.SIGCONT)
    assert first >= ANSWER
    assert max(later) < first / 2
    wait_until(lambda: back(store))


def test_nor_does_a_network_that_lets_nothing_through(store: Store, proxy: Proxy) -> None:
    with proxy.held():
        first = refused_after(store)
        later = [refused_after(store) for _ in range(5)]
    assert first >= ANSWER
    assert max(later) < first / 2
    wait_until(lambda: back(store))


def test_a_connection_that_is_cut_is_made_again(store: Store, proxy: Proxy) -> None:
    for _ in range(5):
        proxy.cut()
        assert store.find_session("token", "api", now=2) == "login-1"
