"""PostgreSQL in the front end: one round trip to read, and a server that was restarted is nobody's trouble."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from sshjit.errors import Failed
from sshjit_web import migrate, postgres
from sshjit_web.drafts import Draft, Drafts
from sshjit_web.shared_memory import SharedMemory
from sshjit_web.store import Store, open_engine
from tests.support.postgres import Postgres, running
from tests.support.waiting import PATIENCE

NOW = 1_800_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as one:
        yield one


@pytest.fixture
def store(server: Postgres) -> Iterator[Store]:
    engine = open_engine(server.bare())
    migrate.upgrade(engine)
    one = Store(engine)
    one.add_session("token", "page", "login-1", now=NOW, expires=NOW + 3600)
    yield one
    one.close()


def trips(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> int:
    """How often an answer of the server is waited for."""
    waited: list[int] = []
    bounded = postgres._bounded

    def counted(*given: Any) -> Generator[Any, Any, Any]:
        """What is done without the server, as setting ``autocommit``, waits for nothing."""
        steps = bounded(*given)
        try:
            wanted = next(steps)
            waited.append(1)
            while True:
                wanted = steps.send((yield wanted))
        except StopIteration as done:
            return done.value

    monkeypatch.setattr(postgres, "_bounded", counted)
    act()
    monkeypatch.undo()
    return len(waited)


def test_what_is_only_read_is_one_round_trip(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    drafts, memory = Drafts(store), SharedMemory(store)
    assert drafts.keep("draft", "browser", Draft("pages.ask", {}, ()), now=NOW)
    reads: list[Callable[[], object]] = [
        lambda: store.find_session("token", "page", now=NOW, idle=600),
        lambda: store.last_uses(["login-1"]),
        lambda: store.ended_sessions(now=NOW),
        lambda: store.is_state_used("state"),
        lambda: store.end_idle_sessions("page", now=NOW, idle=600),
        lambda: drafts.find("draft", "browser", now=NOW),
        memory.checkpoint,
    ]
    for read in reads:
        read()
        assert trips(monkeypatch, read) == 1
    assert trips(monkeypatch, lambda: store.use_session("token", now=NOW)) == 3, "a ping; BEGIN and UPDATE; COMMIT"


def in_parallel(store: Store, number: int) -> None:
    """Opens so many connections."""
    together = Barrier(number, timeout=PATIENCE)
    with ThreadPoolExecutor(number) as threads:
        list(threads.map(lambda _: store.read(lambda connection: (connection.info, together.wait())), range(number)))


@pytest.mark.parametrize("first", ["read", "write", "draft"])
def test_after_a_restart_of_the_server_nobody_hears_of_it(store: Store, server: Postgres, first: str) -> None:
    """Every connection of the pool is broken, and whoever comes first, with whatever, gets an answer."""
    in_parallel(store, 4)
    done: list[str] = []
    server.stop()
    server.start()
    acts: dict[str, Callable[[], object]] = {
        "read": lambda: store.find_session("token", "page", now=NOW),
        "write": lambda: store.use_session("token", now=NOW + 1),
        "draft": lambda: Drafts(store).keep(f"draft-{len(done)}", "browser", Draft("pages.ask", {}, ()), now=NOW),
    }
    for name in (first, *acts):
        acts[name]()
        done.append(name)
    in_parallel(store, 4)
    assert store.find_session("token", "page", now=NOW) == "login-1"


def test_connections_that_are_ended_one_by_one_are_nobodys_trouble(store: Store, server: Postgres) -> None:
    for _ in range(3):
        in_parallel(store, 3)
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        assert store.find_session("token", "page", now=NOW) == "login-1"
        store.use_session("token", now=NOW)


def test_a_read_that_fails_for_another_reason_is_not_asked_twice(store: Store) -> None:
    asked: list[int] = []

    def wrong(connection: object) -> object:
        asked.append(1)
        return connection.exec_driver_sql("SELECT nothing FROM nowhere")  # type: ignore[attr-defined]

    with pytest.raises(Failed) as error:
        store.read(wrong)
    assert (error.value.code, len(asked)) == ("database_down", 1)
    assert store.find_session("token", "page", now=NOW) == "login-1"


def test_a_server_that_is_away_is_said_at_once(store: Store, server: Postgres) -> None:
    in_parallel(store, 2)
    server.stop()
    try:
        with pytest.raises(Failed) as error:
            store.find_session("token", "page", now=NOW)
        assert error.value.code == "database_down"
    finally:
        server.start()
    assert store.find_session("token", "page", now=NOW) == "login-1"
