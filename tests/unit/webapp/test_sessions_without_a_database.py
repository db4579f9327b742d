"""Signing in and out while the front end's own database is full, cannot be written, or is away (trap 86).

The faults are SQLite's and PostgreSQL's own: a limit of pages, a connection that may not write, a file that is none, a
server that is killed.
"""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, event

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Refused, SshJitError
from sshjit_web import migrate
from sshjit_web import store as store_module
from sshjit_web.app import create_app
from sshjit_web.services import services
from sshjit_web.sessions import Sessions
from sshjit_web.store import Store, open_engine
from tests.support import postgres
from tests.support.in_process_ca import KEY, FrontEnd, client_of, form_token, named
from tests.support.installation import ALICE


def full(engine: Engine) -> None:
    """No page more, and none that is there may be used again."""
    on_connect(engine, "PRAGMA max_page_count=1")


def read_only(engine: Engine) -> None:
    on_connect(engine, "PRAGMA query_only=ON")


def away(engine: Engine) -> None:
    """Something else stands where the database was."""
    engine.dispose()
    database = str(engine.url.database)
    for ending in ("-wal", "-shm"):
        Path(database + ending).write_bytes(b"")
    Path(database).write_bytes(b"this is no database " * 1000)


def on_connect(engine: Engine, pragma: str) -> None:
    event.listen(engine, "connect", lambda connection, _: connection.execute(pragma))
    engine.dispose()


def fill(store: Store) -> None:
    """Sessions of other people, so that one more needs another page."""
    for number in range(200):
        store.add_session(f"other-{number}", "page", f"login-other{number}", now=1_800_000_000, expires=1_900_000_000)


FAULTS = [full, read_only, away]


def alive(world: FrontEnd, login_id: str) -> bool:
    try:
        world.ca.say(m.ReadLogin(login_id), m.LoginReply)
    except SshJitError:
        return False
    return True


def signed_in(world: FrontEnd) -> tuple[FlaskClient, str]:
    """A browser with a token that the front end made itself; the login's id."""
    login_id = world.ca.web(named(ALICE))
    with world.app.app_context():
        token = services().sessions.open("page", world.ca.logins[login_id])
    browser = world.stranger()
    browser.set_cookie(world.cookie, token, domain="127.0.0.1")
    return browser, login_id


def sign_out(world: FrontEnd, browser: FlaskClient, token: str) -> Any:
    return browser.post("/sign-out", data={"form_token": token}, headers={"Origin": world.origin})


@pytest.mark.parametrize("fault", FAULTS)
def test_t86_signing_out_ends_the_login_whatever_our_database_does(
    world: FrontEnd, fault: Callable[[Engine], None]
) -> None:
    browser, login_id = signed_in(world)
    token = form_token(browser)
    fill(world.store)
    fault(world.store.engine)
    answer = sign_out(world, browser, token)
    assert not alive(world, login_id)
    assert (answer.status_code, answer.location) == (303, "/sign-in"), answer.text
    assert browser.get_cookie(world.cookie, domain="127.0.0.1") is None


@pytest.mark.parametrize("fault", FAULTS)
def test_t86_and_so_does_the_command_lines_logout(world: FrontEnd, fault: Callable[[Engine], None]) -> None:
    login_id = world.ca.native(named(ALICE))
    with world.app.app_context():
        token = services().sessions.open("api", world.ca.logins[login_id])
    fault(world.store.engine)
    answer = world.stranger().post("/api/v1/logout", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 204, answer.text
    assert not alive(world, login_id)


@pytest.mark.parametrize("fault", FAULTS)
def test_t86_a_sign_in_that_cannot_be_kept_leaves_no_login(world: FrontEnd, fault: Callable[[Engine], None]) -> None:
    fill(world.store)
    fault(world.store.engine)

    def signs_in_often() -> None:
        for _ in range(200):  # a full database has room for some
            world.ca.native(named(ALICE))
            services().sessions.open("api", list(world.ca.logins.values())[-1])

    with world.app.app_context(), pytest.raises(Failed) as found:
        signs_in_often()
    login_id = list(world.ca.logins)[-1]
    assert found.value.code == "database_down"
    assert not alive(world, login_id)


def test_t86_what_the_ca_was_not_told_it_is_told_later(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    token = form_token(browser)
    world.authority.stop()
    answer = sign_out(world, browser, token)
    assert answer.status_code == 503
    assert "signed out here, but the CA could not be told" in answer.text
    assert browser.get_cookie(world.cookie, domain="127.0.0.1") is None
    world.authority.go_on()
    assert alive(world, login_id)
    world.ca.later(60)
    browser, _ = signed_in(world)
    assert not alive(world, login_id)
    assert browser.get("/requests").status_code == 200


def test_t86_nor_with_both_away(world: FrontEnd) -> None:
    still_there, _ = signed_in(world)
    browser, login_id = signed_in(world)
    token = form_token(browser)
    world.authority.stop()
    read_only(world.store.engine)
    assert sign_out(world, browser, token).status_code == 503
    world.authority.go_on()
    world.ca.later(60)
    assert still_there.get("/requests").status_code == 200, "somebody asks something else"
    assert not alive(world, login_id)


def test_a_token_that_was_signed_out_of_works_no_more_from_that_moment_on(world: FrontEnd) -> None:
    """Whoever copied it has it no longer than its owner, whatever is away, and whatever was kept for a moment."""
    for away in ((), (world.authority.stop,), (world.authority.stop, lambda: read_only(world.store.engine))):
        world.authority.go_on()
        browser, _ = signed_in(world)
        token = form_token(browser)
        cookie = browser.get_cookie(world.cookie, domain="127.0.0.1")
        assert cookie is not None
        for break_it in away:
            break_it()
        sign_out(world, browser, token)
        world.authority.go_on()
        with world.app.app_context(), pytest.raises(Refused) as found:
            services().sessions.login("page", cookie.value)
        assert found.value.code == "login_needed"


def test_a_sign_in_that_can_neither_be_kept_nor_ended_is_ended_later(world: FrontEnd) -> None:
    login_id = world.ca.web(named(ALICE))
    still_there, _ = signed_in(world)
    read_only(world.store.engine)
    world.authority.stop()
    with world.app.app_context(), pytest.raises(Failed):
        services().sessions.open("page", world.ca.logins[login_id])
    world.authority.go_on()
    assert alive(world, login_id)
    world.ca.later(60)
    assert still_there.get("/requests").status_code == 200
    assert not alive(world, login_id)


def test_the_ca_is_told_of_some_at_a_time_and_of_none_that_ended_by_itself(world: FrontEnd) -> None:
    now = int(world.ca.time)
    for number in range(store_module.AT_ONCE + 5):
        world.store.add_session(f"t-{number}", "page", f"login-{number}", now=now, expires=now + 100)
        world.store.end_session(f"t-{number}")
    assert len(world.store.ended_sessions(now=now)) == store_module.AT_ONCE
    assert world.store.ended_sessions(now=now + 100) == ()


class Overtaken(Store):
    """A database of which something is asked once, and then another thread writes, before the answer is used."""

    meanwhile: Callable[[], None] | None = None

    def ended_sessions(self, *, now: int) -> tuple[str, ...]:
        ended = super().ended_sessions(now=now)
        if self.meanwhile is not None:
            self.meanwhile()
            self.meanwhile = None
        return ended


def test_what_comes_to_be_owed_while_somebody_looks_is_told_too(world: FrontEnd) -> None:
    """Another thread's sign-out does not reach the CA, just when this one has seen that nothing is owed."""
    store = Overtaken(world.store.engine)
    sessions = Sessions(world.authority, store, lambda: world.ca.time, KEY)
    _, login_id = signed_in(world)
    token = sessions.open("page", world.ca.logins[login_id])

    def sign_out_in_vain() -> None:
        world.authority.stop()
        with pytest.raises(Failed):
            sessions.end("page", token)
        world.authority.go_on()

    sessions = Sessions(world.authority, store, lambda: world.ca.time, KEY)
    store.meanwhile = sign_out_in_vain
    for _ in range(3):
        world.ca.later(60)
        sessions.open("page", world.ca.logins[world.ca.web(named(ALICE))])
    assert store.meanwhile is None
    assert not alive(world, login_id)


def test_a_login_that_is_over_is_said_to_be_over_though_the_database_forgets_nothing(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    world.ca.say(m.Logout(login_id), m.Done)
    read_only(world.store.engine)
    assert browser.get("/requests").status_code == 303


def test_signing_out_of_a_login_that_the_ca_has_ended_already_is_no_failure(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    token = form_token(browser)
    world.ca.say(m.Logout(login_id), m.Done)
    world.ca.later(60 * 60 * 24 * 60)
    answer = sign_out(world, browser, token)
    assert (answer.status_code, answer.location) == (303, "/sign-in"), answer.text


def test_a_token_names_its_login_only_under_our_key_and_for_its_kind(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    cookie = browser.get_cookie(world.cookie, domain="127.0.0.1")
    assert cookie is not None
    secret, named_login, seal = cookie.value.split(".")
    assert named_login == login_id
    other = world.ca.native(named(ALICE))
    read_only(world.store.engine)
    for token in (
        f"{secret}.{other}.{seal}",
        f"{secret[1:]}x.{login_id}.{seal}",
        f"{secret}.{login_id}.",
        cookie.value,
    ):
        world.stranger().post("/api/v1/logout", headers={"Authorization": f"Bearer {token}"})
    assert alive(world, other)
    assert alive(world, login_id), "a browser's cookie is no token of a command line"


@contextmanager
def no_sign_in_is_written(world: FrontEnd) -> Iterator[None]:
    """SQLite refuses each new row."""
    with closing(sqlite3.connect(str(world.store.engine.url.database), isolation_level=None)) as other:
        other.execute("CREATE TRIGGER broken BEFORE INSERT ON sign_ins BEGIN SELECT RAISE(ABORT, 'broken'); END")
        yield
        other.execute("DROP TRIGGER broken")


def readiness(world: FrontEnd) -> tuple[int, list[str]]:
    answer = world.stranger().get("/readyz")
    return answer.status_code, answer.get_json()["problems"]


UNWRITTEN = (503, ["the front end's database cannot be written"])


def test_a_write_that_failed_is_a_trouble_until_one_succeeds(world: FrontEnd) -> None:
    assert readiness(world) == (200, [])
    with no_sign_in_is_written(world):
        with pytest.raises(Failed):
            world.store.use_state("state", "acme", now=0, expires=1)
        assert readiness(world) == UNWRITTEN
        assert readiness(world) == UNWRITTEN
    assert readiness(world) == (200, [])
    with world.store.engine.connect() as connection:
        left = connection.exec_driver_sql("SELECT count(*) FROM sign_ins").scalar()
    assert left == 0, "nothing is left of the trial"


def test_nor_is_a_database_ready_that_nobody_has_tried_to_write(
    world: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert readiness(world) == (200, [])
    monkeypatch.setattr(store_module, "WRITE_EVERY", 0.0)
    with no_sign_in_is_written(world):
        assert readiness(world) == UNWRITTEN


def test_whoever_asks_whether_it_is_ready_writes_seldom(world: FrontEnd) -> None:
    """Anybody may ask: what was written lately proves it, and costs nothing more."""
    assert readiness(world) == (200, [])
    with no_sign_in_is_written(world):
        assert readiness(world) == (200, []), "nothing was written"


def test_what_was_written_counts_though_what_has_expired_cannot_be_removed(
    world: FrontEnd, caplog: pytest.LogCaptureFixture
) -> None:
    now = int(world.ca.time)
    world.store.add_session("old", "page", "login-1", now=now, expires=now + 1)
    with closing(sqlite3.connect(str(world.store.engine.url.database), isolation_level=None)) as other:
        other.execute("CREATE TRIGGER kept BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'kept'); END")
        world.store.add_session("new", "page", "login-2", now=now + 1000, expires=now + 2000)
        other.execute("DROP TRIGGER kept")
    assert world.store.find_session("new", "page", now=now + 1000) == "login-2"
    assert "what has expired was not removed" in caplog.text


@pytest.fixture
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as made:
        yield made


def test_t86_signing_out_with_postgresql_killed(world: FrontEnd, server: postgres.Postgres) -> None:
    engine = open_engine(server.bare())
    migrate.upgrade(engine)
    store = Store(engine)
    app = create_app(world.config, world.authority, store, {}, key=KEY, clock=lambda: world.ca.time)
    app.test_client_class = client_of(world.origin)
    login_id = world.ca.web(named(ALICE))
    with app.app_context():
        token = services().sessions.open("page", world.ca.logins[login_id])
    browser = app.test_client()
    browser.set_cookie(world.cookie, token, domain="127.0.0.1")
    form = form_token(browser)
    server.process.send_signal(signal.SIGQUIT)
    server.process.wait(20)
    answer = sign_out(world, browser, form)
    assert (answer.status_code, alive(world, login_id)) == (303, False)
    login_id = world.ca.native(named(ALICE))
    with app.app_context(), pytest.raises(Failed):
        services().sessions.open("api", world.ca.logins[login_id])
    assert not alive(world, login_id)
    store.close()
