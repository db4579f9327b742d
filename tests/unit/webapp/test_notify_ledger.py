"""What is owed, on SQLite and PostgreSQL: once for each recipient, by one notifier at a time, withdrawn in time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from sshjit import ca_protocol as m
from sshjit_web import migrate
from sshjit_web.notify import delivery, status
from sshjit_web.notify.ledger import KEPT, Ledger, LostLease
from sshjit_web.schema import DELIVERIES, NOTICES
from sshjit_web.store import open_engine
from tests.support.break_glass import break_glass, review
from tests.support.installation import ALICE, BOB, DANA, Installation, Person
from tests.support.issuer import Issuer
from tests.support.notified import ERIN, POLICY_WITH_GLASS, TWO, NotifierDesk, sending
from tests.support.postgres import Postgres, running


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[NotifierDesk]:
    home = tmp_path / "ca-home"
    home.mkdir()
    ca = Installation(home, issuers, policy=POLICY_WITH_GLASS)
    ca.add_host("db1", env="prod", role="db")
    ca.web(BOB)
    ca.web(ERIN)
    address = f"sqlite:///{tmp_path}/web.db"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        server.made += 1
        server.run(f"CREATE DATABASE web{server.made}")
        address = server.address(f"web{server.made}")
    engine = open_engine(address)
    migrate.upgrade(engine)
    yield NotifierDesk(ca, engine)
    engine.dispose()
    ca.stop()


@pytest.fixture
def ledger(desk: NotifierDesk) -> Ledger:
    ledger = desk.ledger()
    assert ledger.take(int(desk.ca.time))
    return ledger


def now(desk: NotifierDesk) -> int:
    return int(desk.ca.time)


def test_each_hears_once_however_often_the_log_is_read(desk: NotifierDesk, ledger: Ledger) -> None:
    desk.ca.ask(desk.ca.native(DANA), "db1")
    desk.follow(ledger)
    with sending(desk, ledger) as told:
        assert {name for _, name in told} == {"bob", "erin"}
    assert ledger.position() > 0
    ledger.record([], now(desk), position=-1)
    desk.follow(ledger)
    with sending(desk, ledger) as told:
        assert told == set()


def test_two_accounts_with_one_mailbox_are_one_recipient(desk: NotifierDesk, ledger: Ledger) -> None:
    desk.ca.web(Person("b-22", ("SRE Leads",), "BOB@example.com"))
    desk.ca.ask(desk.ca.native(DANA), "db1")
    desk.follow(ledger)
    with desk.engine.connect() as connection:
        found = connection.execute(select(DELIVERIES.c.recipient).where(DELIVERIES.c.topic == "asked")).scalars().all()
    assert sorted(found) == ["bob@example.com", "erin@example.com"]


def test_what_was_settled_before_it_could_be_sent_is_not_sent(desk: NotifierDesk, ledger: Ledger) -> None:
    request = desk.ca.ask(desk.ca.native(DANA), "db1").request
    desk.follow(ledger)
    desk.ca.approve(desk.ca.web(BOB), request)
    desk.follow(ledger)
    with sending(desk, ledger) as told:
        assert {name for _, name in told} == {"dana"}
    assert ("asked", "erin", "dropped") in desk.rows()
    assert ("opened", "erin", "waiting") not in desk.rows()


def test_the_others_who_were_asked_hear_that_it_is_settled(desk: NotifierDesk, ledger: Ledger) -> None:
    request = desk.ca.ask(desk.ca.native(DANA), "db1").request
    desk.follow(ledger)
    with sending(desk, ledger):
        pass
    desk.ca.approve(desk.ca.web(BOB), request)
    desk.follow(ledger)
    with sending(desk, ledger) as told:
        assert {name for _, name in told} == {"dana", "erin"}


def test_only_those_who_did_not_answer_are_reminded_at_half_of_the_time(desk: NotifierDesk, ledger: Ledger) -> None:
    desk.ca.change_policy(*TWO)
    request = desk.ca.ask(desk.ca.native(DANA), "db1").request
    desk.follow(ledger)
    with sending(desk, ledger):
        pass
    desk.ca.approve(desk.ca.web(BOB), request)
    desk.ca.later(14 * 60)
    desk.follow(ledger)
    with sending(desk, ledger) as told:
        assert {name for _, name in told} == {"dana"}
    desk.ca.later(2 * 60)
    desk.follow(ledger)
    with sending(desk, ledger) as told:
        assert told == {("Still waiting: d-4 requests postgres@db1", "erin")}


def test_nobody_is_reminded_of_what_ran_out(desk: NotifierDesk, ledger: Ledger) -> None:
    desk.ca.ask(desk.ca.native(DANA), "db1")
    desk.follow(ledger)
    desk.ca.later(31 * 60)
    with sending(desk, ledger) as told:
        assert told == set()
    assert {state for _, _, state in desk.rows()} == {"dropped"}


def test_a_review_is_nagged_about_until_somebody_looked(desk: NotifierDesk, ledger: Ledger) -> None:
    request = break_glass(desk.ca, desk.ca.native(ALICE)).request
    heard = []
    for hours in (0, 11, 2, 12, 24):
        desk.ca.later(hours * 3600)
        assert ledger.take(now(desk))
        desk.follow(ledger)
        with sending(desk, ledger) as told:
            heard.append({name for _, name in told})
    everybody = {"bob", "erin", "#pager"}
    assert heard == [everybody | {"alice"}, set(), everybody, everybody, everybody]
    review(desk.ca, desk.ca.web(BOB), request)
    desk.follow(ledger)
    with sending(desk, ledger) as told:
        assert {name for _, name in told} == {"alice", "erin", "#pager"}
    desk.ca.later(48 * 3600)
    desk.follow(ledger)
    assert status.overview(desk.engine).nags == 0
    with sending(desk, ledger) as told:
        assert not [title for title, _ in told if title.startswith("Not reviewed")]


def test_one_notifier_works_at_a_time_and_another_takes_over_when_it_is_silent(
    desk: NotifierDesk, ledger: Ledger
) -> None:
    other = desk.ledger("two")
    desk.ca.ask(desk.ca.native(DANA), "db1")
    desk.follow(ledger)
    (owed, _) = ledger.claim("mail", now(desk), 2)
    assert not other.take(now(desk))
    with pytest.raises(LostLease):
        other.claim("mail", now(desk), 2)
    desk.ca.later(16)
    assert other.take(now(desk))
    with pytest.raises(LostLease):
        ledger.claim("mail", now(desk), 2)
    with pytest.raises(LostLease):
        ledger.record([], now(desk), position=99)
    with pytest.raises(LostLease):
        ledger.failed(owed.id, now(desk), "too late", next_try=None)
    assert {again.id for again in other.claim("mail", now(desk), 5)} >= {owed.id}
    ledger.sent(owed.id, now(desk))
    assert len(desk.rows("sent")) == 1


def test_a_notifier_that_ends_lets_the_next_one_work_at_once(desk: NotifierDesk, ledger: Ledger) -> None:
    ledger.release()
    assert desk.ledger("two").take(now(desk))


def test_what_fails_is_tried_later_then_dead_and_alive_again_when_the_operator_says_so(
    desk: NotifierDesk, ledger: Ledger
) -> None:
    desk.ca.ask(desk.ca.native(DANA), "db1")
    desk.follow(ledger)
    (owed,) = ledger.claim("mail", now(desk), 1)
    assert owed.tries == 1
    ledger.failed(owed.id, now(desk), "the server is down", next_try=now(desk) + 10)
    assert owed.id not in {each.id for each in ledger.claim("mail", now(desk), 9)}
    desk.ca.later(11)
    (again,) = ledger.claim("mail", now(desk), 9)
    assert (again.id, again.tries) == (owed.id, 2)
    ledger.failed(owed.id, now(desk), "x" * 999, next_try=None)
    (dead,) = status.overview(desk.engine).dead
    assert (dead.id, dead.tries, dead.last_error) == (owed.id, 2, "x" * 256)
    assert status.retry(desk.engine, now(desk), ("msg_other",)) == 0
    assert status.retry(desk.engine, now(desk), None) == 1
    assert {each.id for each in ledger.claim("mail", now(desk), 9)} == {owed.id}


def test_channels_that_are_gone_leave_dead_deliveries_that_are_seen(desk: NotifierDesk, ledger: Ledger) -> None:
    break_glass(desk.ca, desk.ca.native(ALICE))
    desk.follow(ledger)
    ledger.orphans(("mail",), now(desk))
    (dead,) = status.overview(desk.engine).dead
    assert (dead.channel, dead.last_error) == ("pager", "web.toml has no channel with this name")


def test_a_rule_may_name_any_channel_and_none_holds_up_the_others(desk: NotifierDesk, ledger: Ledger) -> None:
    desk.ca.change_policy('notify = ["pager"]', f'notify = ["{"x" * 400}", "mail\\u0000", "pager"]')
    break_glass(desk.ca, desk.ca.native(ALICE))
    desk.follow(ledger)
    with sending(desk, ledger) as told:
        assert {name for _, name in told} == {"bob", "erin", "alice", "#pager"}
    assert {dead.last_error for dead in status.overview(desk.engine).dead} == {"web.toml has no channel with this name"}


def test_what_is_over_for_a_month_is_removed(desk: NotifierDesk, ledger: Ledger) -> None:
    desk.ca.ask(desk.ca.native(DANA), "db1")
    desk.follow(ledger)
    with sending(desk, ledger):
        pass
    ledger.sweep(now(desk) + KEPT - 60)
    assert desk.rows("sent")
    desk.ca.later(KEPT + 60)
    with sending(desk, ledger):
        pass
    ledger.sweep(now(desk) + KEPT + 60)
    assert desk.rows() == set()
    with desk.engine.connect() as connection:
        assert connection.execute(select(NOTICES)).all() == []


def test_a_log_that_is_shorter_than_what_was_read_is_read_again_without_telling_twice(
    desk: NotifierDesk, ledger: Ledger
) -> None:
    desk.ca.ask(desk.ca.native(DANA), "db1")
    desk.follow(ledger)
    with sending(desk, ledger):
        pass
    ledger.record([], now(desk), position=10**6)
    desk.follow(ledger)
    assert ledger.position() == desk.ca.say(m.Health(), m.HealthReply).size - 1
    with sending(desk, ledger) as told:
        assert told == set()


def test_pauses_grow_and_end() -> None:
    pauses = [delivery.next_try(tries, 0, 0, 1.0) for tries in range(1, 14)]
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
    assert delivery.next_try(5, 0, 0, 0.0) == 16
    assert delivery.next_try(delivery.MOST_TRIES, 0, 0, 0.5) is None
    assert delivery.next_try(1, 0, delivery.LONGEST_LIFE, 0.5) is None
