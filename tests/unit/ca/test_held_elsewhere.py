"""An older copy of the whole CA: who holds a newer checkpoint stops it before it writes, and an operator goes on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit.lineage import Traced
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine.clock import Clock, Kept
from sshjit_ca.operations import restore
from sshjit_ca.service.standby import Time
from sshjit_ca.storage.store import Store
from sshjit_web.ca_client import CaClient
from tests.support.ca_sockets import serving_sockets
from tests.support.installation import ALICE, Installation, make_key
from tests.support.issuer import Issuer
from tests.support.signatures import join, report


class Aged:
    """A CA whose machine was put back to an earlier state, and what others still hold of what came after."""

    def __init__(self, folder: Path, issuers: dict[str, Issuer]) -> None:
        self.ca = ca = Installation(folder, issuers)
        ca.add_host("web1", env="staging")
        self.login = ca.native(ALICE)
        invited = ca.say(m.AddHost("web9", (), "web9", 22, (("env", "staging"),), ()), m.HostReply, "admin")
        assert invited.invitation is not None
        self.key = make_key(folder / "web9")
        ca.say(join(ca, "web9", invited.invitation.token, (self.key,)), m.HostReply)
        ca.stop()
        shutil.copytree(folder / "ca", folder / "older")
        ca.start()
        certificate = ca.ask(self.login, "web1").certificate
        for _ in range(3):
            ca.ask(self.login, "web1")
        assert certificate is not None
        self.serial = certificate.serial
        self.note = ca.say(m.Health(), m.HealthReply).checkpoint
        self.size = ca.context.state.size
        ca.stop()
        shutil.rmtree(folder / "ca")
        (folder / "older").rename(folder / "ca")
        ca.start()

    def restore(self) -> restore.Outcome:
        """The operator's word, and a start."""
        self.ca.stop()
        clock = Clock(lambda: self.ca.time, lambda: self.ca.boot, Kept(self.ca.home / "ca" / "clock", "this-start"))
        passing = Time(lambda: 0.0, lambda _: None)
        outcome = restore.restore(self.ca.config, self.ca.places, clock, passing, "the disk died")
        self.ca.start()
        return outcome


@pytest.fixture
def aged(tmp_path: Path, issuers: dict[str, Issuer]) -> Aged:
    """It runs again, and nobody has noticed."""
    return Aged(tmp_path, issuers)


def refused(ca: Installation, login: str) -> str:
    """Why no certificate is issued."""
    with pytest.raises(Failed) as found:
        ca.ask(login, "web1")
    return found.value.code


def test_t64_an_older_copy_stops_at_the_first_word_of_a_front_end_that_holds_a_newer_checkpoint(aged: Aged) -> None:
    ca = aged.ca
    before = ca.context.state.size
    health = ca.say(m.Health(2, aged.note), m.HealthReply)
    assert not health.ready
    assert "the CA's log is not as it was signed" in health.problems
    assert refused(ca, aged.login) == "log_rolled_back"
    with pytest.raises(Failed):
        ca.authority.sweep()
    with pytest.raises(Failed):
        ca.say(m.Lock(None, "person", "x", "intruder"), m.LockReply, "admin")
    assert len(list(ca.store.rows())) == before
    ca.stop()
    with pytest.raises(Failed) as again:
        ca.start()  # a restart does not forget it
    assert again.value.code == "log_rolled_back"
    outcome = aged.restore()
    assert outcome.lost == aged.size - before
    assert ca.say(m.Health(2, aged.note), m.HealthReply).ready  # given up, by an operator's word
    new = ca.ask(ca.native(ALICE), "web1").certificate
    assert new is not None
    assert new.serial >> 40 > (aged.serial >> 40) + 100  # no serial twice
    ca.stop()


def test_t64_a_log_that_went_on_from_an_older_copy_is_found_out_although_it_is_longer_by_now(aged: Aged) -> None:
    ca = aged.ca
    while ca.context.state.size <= aged.size + 2:
        ca.ask(aged.login, "web1")
    health = ca.say(m.Health(2, aged.note), m.HealthReply)
    assert not health.ready
    assert refused(ca, aged.login) == "log_rolled_back"
    aged.restore()
    assert ca.say(m.Health(2, aged.note), m.HealthReply).ready
    ca.stop()


def test_t64_a_front_end_says_what_it_holds_before_it_asks_for_anything(aged: Aged) -> None:
    with serving_sockets(aged.ca, frozenset({os.getuid()})):
        client = CaClient(aged.ca.config.web_socket)
        client.remember(Traced(aged.note))
        with pytest.raises(Failed) as found:
            client.call(m.ReadLogin(aged.login), m.LoginReply)
        client.close()
    assert found.value.code == "log_rolled_back"
    aged.ca.stop()


def test_t64_a_checkpoint_that_came_while_the_database_was_away_is_held_before_anything_is_written(
    aged: Aged, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = aged.ca
    with monkeypatch.context() as away:

        def silent(*_: object) -> None:
            raise Failed("database_silent", "the log's database does not answer")

        away.setattr(Store, "head", silent)
        assert ca.say(m.Health(2, aged.note), m.HealthReply).ready  # nobody knows better yet
    before = ca.store.head()
    assert refused(ca, aged.login) == "log_rolled_back"
    assert ca.store.head() == before
    ca.stop()


def test_a_front_end_learns_the_newest_checkpoint_from_the_ca_itself(aged: Aged) -> None:
    note = aged.ca.say(m.Health(), m.HealthReply).checkpoint
    with serving_sockets(aged.ca, frozenset({os.getuid()})):
        client = CaClient(aged.ca.config.web_socket)
        client.call(m.Health(), m.HealthReply)
        client.close()
    assert client.newest == Traced(note)
    client.remember(Traced("lab\n1\nroot\n"))
    assert client.newest == Traced(note)
    aged.ca.stop()


def test_t64_a_host_that_holds_a_newer_checkpoint_stops_it_by_its_report(aged: Aged) -> None:
    ca, name = aged.ca, "web9"
    ca.say(report(ca, name, aged.key, problems=("x",)), m.Done)
    ca.later(60)
    with pytest.raises(Failed) as found:
        ca.say(report(ca, name, aged.key, problems=("the bundle is older",), checkpoint=aged.note), m.Done)
    assert found.value.code == "log_rolled_back"
    assert refused(ca, aged.login) == "log_rolled_back"
    ca.stop()


def test_what_the_log_continues_or_nobody_signed_stops_nothing(aged: Aged) -> None:
    ca = aged.ca
    older = ca.say(m.Health(), m.HealthReply).checkpoint
    ca.ask(aged.login, "web1")
    forged = aged.note.replace("\n", "\n", 1).split("\u2014")[0] + older.split("\n\n")[1]
    for note in (older, ca.say(m.Health(), m.HealthReply).checkpoint, forged, "nonsense", "a\n9\nb\n"):
        assert ca.say(m.Health(2, note), m.HealthReply).ready
    assert ca.ask(aged.login, "web1").certificate is not None
    assert PinnedCheckpoint(ca.home / "ca").checkpoint() != forged
    ca.stop()


def test_t63_a_writer_that_was_replaced_does_not_take_the_next_ones_checkpoint_for_a_lost_log(
    tmp_path: Path, issuers: dict[str, Issuer]
) -> None:
    ca = Installation(tmp_path, issuers)
    other = object.__new__(Installation)
    other.__dict__.update(ca.__dict__)
    other.start()
    note = other.say(m.Health(), m.HealthReply).checkpoint
    pinned = PinnedCheckpoint(ca.home / "ca").checkpoint()
    ca.say(m.Health(2, note), m.HealthReply)
    assert ca.context.journal.contradicted is None
    assert PinnedCheckpoint(ca.home / "ca").checkpoint() == pinned
    other.stop()
    ca.stop()
