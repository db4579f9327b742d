"""The database, whichever it is: one writer, durable commits, and words for what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid
from sshjit_ca import authority
from sshjit_ca import state as states
from sshjit_ca.log import pages, verification
from sshjit_ca.service import daemon, standby
from sshjit_ca.service.standby import PATIENCE, Time
from sshjit_ca.storage.database import open_engine
from sshjit_ca.storage.store import Row, Store
from tests.support.installation import ALICE, Installation

DAY = 24 * 3600


class Waiting:
    """Time that passes only while somebody sleeps; ``meanwhile`` happens then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.said: list[str] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()

    def meanwhile(self) -> None:
        """Nothing."""

    def wait(self, store: Store, limit: float | None = None) -> bool:
        return standby.wait(store, Time(self.monotonic, self.sleep), self.said.append, limit=limit)


def twin(ca: Installation) -> Installation:
    """Another CA process over the same home and database, not begun."""
    other = object.__new__(Installation)
    other.__dict__.update(ca.__dict__)
    return other


def test_a_whole_story_verifies(ca: Installation) -> None:
    login = ca.native(ALICE)
    certificate = ca.ask(login, "web1").certificate
    assert certificate is not None
    ca.restart()
    assert certificate.serial in ca.context.state.certificates
    verdict = verification.verify(ca.store, ca.context.keys.public("log"))
    assert (verdict.size, verdict.problems) == (ca.context.state.size, ())
    assert verification.verify(ca.store, ca.context.keys.public("log"), processes=2) == verdict


def test_t63_the_pooled_connection_of_a_replaced_writer_commits_nothing(ca: Installation) -> None:
    login = ca.native(ALICE)
    other = twin(ca)
    other.start()
    kinds = other.kinds()
    with pytest.raises(Failed) as fenced:
        ca.ask(login, "web1")  # by connections that were open before the other one took over
    assert fenced.value.code == "fenced"
    assert other.kinds() == kinds
    assert "another CA is taking over" in ca.say(m.Health(), m.HealthReply).problems[0]
    assert not ca.say(m.Status(), m.StatusReply, "admin").ready
    with pytest.raises(Failed) as beat:
        ca.authority.beat()
    assert beat.value.code == "fenced"
    assert other.ask(login, "web1").certificate is not None
    other.stop()


def test_an_idle_writer_learns_by_its_beat_that_it_was_replaced(ca: Installation) -> None:
    ca.authority.beat()
    other = twin(ca)
    other.start()
    with pytest.raises(Failed):
        ca.authority.beat()
    assert ca.authority.fenced is not None
    other.stop()


def test_t63_a_replaced_writer_does_not_even_say_what_it_once_knew(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = twin(ca)
    other.start()
    assert ca.say(m.ReadHosts(None), m.HostsReply, "admin").hosts  # it was the writer a moment ago
    monkeypatch.setattr(authority, "UNPROVED", 0.0)  # as if it had been paused meanwhile
    with pytest.raises(Failed) as fenced:
        ca.say(m.ReadHosts(None), m.HostsReply, "admin")
    assert fenced.value.code == "fenced"
    other.stop()


def test_who_takes_over_reads_what_was_written_until_that_very_moment(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = ca.native(ALICE)
    store = Store(ca.config.database)
    context = daemon.open_context(ca.config, store, ca.places, ca.context.clock)
    context.journal.read()
    take_over = Store.take_over

    def late(self: Store, *how: Any) -> None:
        ca.ask(login, "web1")  # after the new writer looked at the head
        take_over(self, *how)

    monkeypatch.setattr(Store, "take_over", late)
    context.journal.take_over()
    assert states.digest(context.journal.state) == states.digest(ca.context.state)
    store.close()


def test_who_begins_reads_again_what_another_wrote_meanwhile(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    login = ca.native(ALICE)
    other, rows = twin(ca), Store.rows
    written: list[m.AskReply] = []

    def later(self: Store, *where: Any) -> Iterator[Row]:
        if not written and self is not ca.store:
            written.append(ca.ask(login, "web1"))  # after the head was read
        yield from rows(self, *where)

    monkeypatch.setattr(Store, "rows", later)
    other.start()
    assert written
    assert written[0].request.id in other.context.state.requests
    other.stop()


def test_who_takes_over_reads_what_the_old_writer_wrote_meanwhile(ca: Installation) -> None:
    login = ca.native(ALICE)
    store = Store(ca.config.database)
    journal = daemon.open_context(ca.config, store, ca.places, ca.context.clock).journal
    journal.read()
    ca.ask(login, "web1")
    assert journal.state.size < ca.context.state.size
    journal.take_over()
    assert states.digest(journal.state) == states.digest(ca.context.state)
    store.close()


def test_another_that_took_over_first_wins(ca: Installation) -> None:
    head = ca.store.head()
    assert head is not None
    ca.store.take_over(head, head.epoch + 1)
    with pytest.raises(Failed) as late:
        ca.store.take_over(head, head.epoch + 2)
    assert late.value.code == "fenced"
    with pytest.raises(Failed) as first:
        ca.store.take_over(None, 1)
    assert first.value.code == "fenced"


def test_who_stands_by_waits_while_the_writer_beats(ca: Installation) -> None:
    ca.store.take_over(ca.store.head(), 50, "another-machine pid:[1] 7 7")

    class Beating(Waiting):
        def meanwhile(self) -> None:
            if self.now < 60:
                ca.store.beat(50)

    waiting = Beating()
    assert waiting.wait(ca.store)
    assert 59 + PATIENCE <= waiting.now <= 61 + PATIENCE
    assert waiting.said == ["another CA is writing this log; standing by"]
    assert not Beating().wait(ca.store, limit=20)


def test_who_stands_by_begins_at_once_after_a_goodbye_or_a_death(ca: Installation) -> None:
    ca.authority.end()
    assert Waiting().wait(ca.store)
    ca.store.take_over(ca.store.head(), 60, standby.me())
    living = Waiting()
    living.wait(ca.store)
    assert living.now >= PATIENCE  # this very process lives, but nothing of it moved
    machine, namespace, _, started = standby.me().split(" ")
    ca.store.take_over(ca.store.head(), 61, f"{machine} {namespace} 4194300 {started}")
    dead = Waiting()
    assert dead.wait(ca.store)
    assert dead.now == 0


def test_who_is_unknown_is_never_taken_for_dead() -> None:
    assert standby.gone("")
    for holder in ("elsewhere pid:[1] 1 1", "? ? 1 1", "nonsense", standby.me()):
        assert not standby.gone(holder)


def test_an_address_that_is_none_or_of_another_database_is_refused() -> None:
    for address in ("nothing", "mysql://x/y", "sqlite"):
        with pytest.raises(Invalid) as refused:
            open_engine(address)
        assert refused.value.code == "bad_database"
    assert open_engine("postgresql://u@/x?host=/run").dialect.driver == "psycopg"


def test_the_first_entry_of_a_time_is_found_among_many(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(12):
        ca.later(7)
        ca.native(ALICE)
    times = [row.entry.time for row in ca.store.rows()]
    for probes in (1, 2, 3, 64):
        monkeypatch.setattr(pages, "PROBES", probes)
        for time in range(times[0] - 1, times[-1] + 3):
            there = next((at for at, each in enumerate(times) if each >= time), len(times))
            assert pages.first_at(ca.store, time) == pages.end_at(ca.store, time) == there


def test_a_database_without_tables_says_what_to_do(ca: Installation) -> None:
    store = Store(f"sqlite:///{ca.home}/other.db")
    with pytest.raises(Failed) as nothing:
        store.head()
    assert (nothing.value.code, "migrate" in nothing.value.hint) == ("no_database", True)
    assert not store.is_current()
    store.migrate()
    assert store.is_current()
    assert store.head() is None
    store.migrate()
    store.close()


def test_a_reader_cannot_write(ca: Installation) -> None:
    reader = Store(ca.config.database, read_only=True)
    with pytest.raises(Failed) as refused:
        reader.beat(1)
    assert refused.value.code == "not_signing"
    assert reader.head() is not None
    reader.close()


def test_t85_a_database_that_becomes_read_only_does_not_look_healthy(ca: Installation) -> None:
    login = ca.native(ALICE)
    set_read_only(ca, on=True)
    for attempt in (ca.authority.beat, lambda: ca.ask(login, "web1")):
        with pytest.raises(Failed) as failed:
            attempt()
        assert failed.value.code == "not_signing"
        assert not ca.say(m.Health(), m.HealthReply).ready
        assert not ca.say(m.Status(), m.StatusReply, "admin").ready
    set_read_only(ca, on=False)
    ca.authority.beat()
    assert ca.say(m.Health(), m.HealthReply).ready
    assert ca.ask(login, "web1").certificate is not None


def set_read_only(ca: Installation, *, on: bool) -> None:
    """What an administrator does to a server by mistake; an SQLite file refuses every write of a batch or a beat."""
    with ca.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name == "sqlite":
            refuse = "BEFORE UPDATE ON head BEGIN SELECT RAISE(ABORT, 'read only'); END"
            connection.exec_driver_sql(f"CREATE TRIGGER refuse {refuse}" if on else "DROP TRIGGER refuse")
        else:
            name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
            connection.exec_driver_sql("SET default_transaction_read_only = off")
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {on}')
    ca.store.close()  # every connection from now on is a new one


def test_old_details_are_erased_and_the_log_is_whole(ca: Installation) -> None:
    ca.ask(ca.native(ALICE), "web1", reason="CHG-1 long ago")
    for _ in range(20):
        ca.later(5 * DAY)
        ca.native(ALICE)
    reply = ca.say(m.Forget(int(ca.time) - 90 * DAY, dry_run=False), m.ForgetReply, "admin")
    assert reply.erased > 0
    assert not any(b"CHG-1" in (row.entry.detail or b"") for row in ca.store.rows())
    for processes in (1, 2):
        verdict = verification.verify(ca.store, ca.context.keys.public("log"), processes=processes)
        assert (verdict.problems, verdict.erased) == ((), reply.erased)
    ca.restart()
    assert ca.ask(ca.native(ALICE), "web1").certificate is not None
