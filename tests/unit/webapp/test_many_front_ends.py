"""Two front ends on one database behind any load balancer: no question of a browser needs to come to the same one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from sshjit.lineage import Traced
from sshjit_web import drafts, migrate
from sshjit_web.app import create_app
from sshjit_web.drafts import Draft, Drafts
from sshjit_web.shared_memory import SharedMemory
from sshjit_web.store import SWEEP_EVERY, SWEEPER, Store, open_engine
from tests.support.in_process_ca import KEY, FrontEnd, client_of, form_token
from tests.support.installation import ALICE
from tests.support.postgres import Postgres, running

NOW = 1_800_000_000


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server."""
    with running() as server:
        yield server


@pytest.fixture
def stores(postgres: Postgres) -> Iterator[tuple[Store, Store]]:
    """Those of two front ends."""
    address = postgres.bare()
    engines = [open_engine(address) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:  # both start in the same moment
        list(threads.map(migrate.upgrade, engines))
    one, other = (Store(engine) for engine in engines)
    yield one, other
    one.close()
    other.close()


@pytest.fixture
def pair(world: FrontEnd, stores: tuple[Store, Store]) -> tuple[FrontEnd, FrontEnd]:
    """Two front ends before one CA."""
    made = []
    for store in stores:
        app = create_app(world.config, world.authority, store, {}, key=KEY, clock=world.authority.clock)
        app.test_client_class = client_of(world.origin)
        made.append(replace(world, app=app, store=store, browsers={}))
    return made[0], made[1]


def test_a_session_and_the_forms_of_one_front_end_count_at_the_other(pair: tuple[FrontEnd, FrontEnd]) -> None:
    one, other = pair
    browser = one.browser(ALICE)
    cookie = browser.get_cookie(one.cookie, domain="127.0.0.1")
    assert cookie is not None
    there = other.app.test_client()
    there.set_cookie(other.cookie, cookie.value, domain="127.0.0.1")
    assert there.get("/requests").status_code == 200
    fields = {"form_token": form_token(browser), "host": ["web1"], "reason": "CHG-7 add index"}
    asked = there.post("/requests/new", data=fields, headers={"Origin": other.origin})
    assert asked.status_code in {200, 303}, asked.text
    assert "web1" in browser.get("/requests").text
    out = browser.post("/sign-out", data={"form_token": form_token(browser)}, headers={"Origin": one.origin})
    assert out.status_code < 400, out.text
    other.ca.later(2)  # what the CA said of a sign-in counts for a second
    assert there.get("/requests").status_code in {302, 303, 401}


def test_a_sign_in_that_began_at_one_ends_at_the_other_and_only_once(stores: tuple[Store, Store]) -> None:
    one, other = stores
    with ThreadPoolExecutor(2) as threads:
        taken = list(threads.map(lambda store: store.use_state("state", "acme", now=NOW, expires=NOW + 600), stores))
    assert sorted(taken) == [False, True]
    assert (one.is_state_used("state"), other.is_state_used("another")) == (True, False)


def test_a_draft_that_one_keeps_the_other_finds(stores: tuple[Store, Store]) -> None:
    one, other = (Drafts(store) for store in stores)
    draft = Draft("pages.ask", {}, (("host", "web1"),), "alice")
    assert one.keep("draft", "browser", draft, now=NOW)
    assert other.find("draft", "browser", now=NOW + 60) == draft
    assert other.find("draft", "another browser", now=NOW + 60) is None


def test_links_that_anybody_opens_push_out_nothing_that_somebody_typed(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "MOST", 5)
    monkeypatch.setattr(drafts, "COUNT_EVERY", 10)
    kept, typed = Drafts(stores[0]), Draft("pages.ask", {}, (("host", "web1"),), "alice")
    assert kept.keep("hers", "her browser", typed, now=NOW)
    for number in range(100):
        assert kept.keep(f"link-{number}", f"browser-{number}", Draft("pages.ask", {}, ()), now=NOW + number)
    assert kept.find("hers", "her browser", now=NOW + 100) == typed
    left = [number for number in range(100) if kept.find(f"link-{number}", f"browser-{number}", now=NOW + 100)]
    assert left == [95, 96, 97, 98, 99]


def test_one_front_end_at_a_time_removes_what_has_expired(stores: tuple[Store, Store]) -> None:
    one, other = stores
    one.add_session("token", "api", "login-1", now=NOW, expires=NOW + 60)
    later = NOW + 60 + SWEEP_EVERY

    def sessions() -> int:
        with one.engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM sessions")).scalar_one())

    with one.engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SWEEPER})")  # as one that sweeps just now
        other.sweep(later)
        assert sessions() == 1
    other.sweep(later + SWEEP_EVERY)
    assert sessions() == 0


@pytest.fixture(params=["sqlite", "postgresql"])
def memories(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SharedMemory, SharedMemory]]:
    """What two front ends remember together."""
    if request.param == "postgresql":
        shared: tuple[Store, Store] = request.getfixturevalue("stores")
        yield SharedMemory(shared[0]), SharedMemory(shared[1])
        return
    engine = open_engine(f"sqlite:///{tmp_path}/web.db")
    migrate.upgrade(engine)
    store = Store(engine)
    yield SharedMemory(store), SharedMemory(store)
    store.close()


def test_t64_the_newest_checkpoint_that_any_of_them_knew_is_kept(memories: tuple[SharedMemory, SharedMemory]) -> None:
    one, other = memories
    assert one.checkpoint() == Traced()
    one.keep_checkpoint(Traced("lab\n120\nroot\n", '{"turns":[]}'))
    other.keep_checkpoint(Traced("lab\n90\nroot\n"))  # by a CA that was put back
    assert one.checkpoint() == other.checkpoint() == Traced("lab\n120\nroot\n", '{"turns":[]}')
    other.keep_checkpoint(Traced("lab\n121\nroot\n"))
    assert one.checkpoint() == Traced("lab\n121\nroot\n")


def test_another_session_key_is_noticed(memories: tuple[SharedMemory, SharedMemory]) -> None:
    one, other = memories
    assert one.note_session_key(b"k" * 32)
    assert other.note_session_key(b"k" * 32)
    assert not other.note_session_key(b"x" * 32)
