"""An older copy of the log, against each who can hold a newer checkpoint, and in each state of the log.

Who brings it, and how it was put back: the CA's own note outside the database knows when the database alone is older;
a front end, a host and a witness know when the whole machine is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from sshjit import ca_protocol as m
from sshjit import merkle
from sshjit.errors import Failed
from sshjit.lineage import Traced
from sshjit_ca.keys import succession
from sshjit_ca.witness.submission import Head
from sshjit_web import migrate
from sshjit_web.ca_client import CaClient
from sshjit_web.shared_memory import SharedMemory
from sshjit_web.store import Store, open_engine
from tests.support import published_bundle
from tests.support.ca_sockets import serving_sockets
from tests.support.issuer import Issuer
from tests.support.keyring import activate, add
from tests.support.signatures import report
from tests.support.witness import TestWitness, serving
from tests.unit.ca.test_lineage import Machine

Holder = Literal["the CA's own note", "a front end", "a host", "a witness"]
HOLDERS: tuple[Holder, ...] = ("the CA's own note", "a front end", "a host", "a witness")


class Stage:
    """A machine, and everybody who holds something of its log."""

    def __init__(self, folder: Path, issuers: dict[str, Issuer], witness: TestWitness) -> None:
        self.machine = Machine(folder, issuers)
        self.ca = self.machine.ca
        self.witness = witness
        witness.log_key = succession.raw(self.ca.context.keys.public("log"))
        engine = open_engine(f"sqlite:///{folder}/web.db")
        migrate.upgrade(engine)
        self.memory = SharedMemory(Store(engine))
        self.bundle = published_bundle.newest(self.ca, 2)
        self.ca.config = replace(self.ca.config, witnesses=(witness.address,))
        self.ca.restart()

    def write(self, times: int) -> None:
        """Certificates; then everybody hears of the newest head."""
        self.machine.write(times)
        self.ca.later(1000)
        self.bundle = published_bundle.newest(self.ca, 2)
        with self._front_end() as client:
            client.call(m.Health(), m.HealthReply)
            self.memory.keep_checkpoint(client.newest)
        self.ask_witness()

    def ask_witness(self) -> None:
        head = Head.of(self.ca.context.journal)
        assert head is not None
        self.ca.context.witnesses.ask(head, self.ca.store, lambda: 10.0**9)

    @contextlib.contextmanager
    def _front_end(self) -> Iterator[CaClient]:
        """One that begins with what is kept in the front ends' database."""
        with serving_sockets(self.ca, frozenset({os.getuid()})):
            client = CaClient(self.ca.config.web_socket)
            client.remember(self.memory.checkpoint())
            with contextlib.closing(client):
                yield client

    def put_back(self, name: str, holder: Holder) -> None:
        """The copy, without what this holder is not there to see."""
        if holder != "the CA's own note":
            self.machine.put_back(name)
            return
        self.ca.stop()
        for ending in ("", "-wal", "-shm"):
            (self.ca.home / "ca" / f"ca.db{ending}").unlink(missing_ok=True)
        shutil.copy(self.ca.home / name / "ca.db", self.ca.home / "ca" / "ca.db")
        self.ca.start()

    def meet(self, holder: Holder) -> None:
        """The holder meets the CA that runs; the others meet it when it starts."""
        if holder == "a front end":
            with self._front_end() as client:
                client.call(m.ReadLogin(self.machine.login), m.LoginReply)
        if holder == "a host":
            self.ca.later(60)
            said = report(
                self.ca,
                "web9",
                self.machine.key,
                problems=("the bundle is older",),
                checkpoint=self.bundle.checkpoint,
                lineage=self.bundle.lineage,
            )
            self.ca.say(said, m.Done)

    def found_out(self, name: str, holder: Holder) -> str:
        """Puts the copy back; the code by which this holder stops the CA, or nothing."""
        if holder != "a witness":
            self.witness.lie = (500, "text/plain", b"")
        try:
            self.put_back(name, holder)
            self.meet(holder)
            self.ca.ask(self.machine.login, "web1")
        except Failed as error:
            return error.code
        finally:
            self.witness.lie = None
        return ""


@pytest.fixture
def stage(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[Stage]:
    with serving(TestWitness(b"")) as witness:
        made = Stage(tmp_path, issuers, witness)
        yield made
        made.ca.stop()


def nothing(_: Stage) -> None:
    """The log as it began."""


def after_an_accepted_loss(stage: Stage) -> None:
    """Of more entries than will be written again."""
    stage.machine.copy("lost")
    stage.write(12)
    assert stage.found_out("lost", "a front end") == "log_rolled_back"
    stage.machine.accept()
    stage.witness.size, stage.witness.root = 0, merkle.EMPTY  # its operator let it begin anew


def before_a_new_log_key(stage: Stage) -> None:
    """The copy is of before, what is held of after."""
    stage.machine.copy("older")
    activate(stage.ca, add(stage.ca, "log"))
    stage.witness.log_key = succession.raw(stage.ca.context.keys.public("log"))


SITUATIONS = (nothing, after_an_accepted_loss, before_a_new_log_key)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("holder", HOLDERS)
def test_t64_each_who_holds_a_newer_checkpoint_finds_an_older_copy_out(
    stage: Stage, holder: Holder, situation: Callable[[Stage], None]
) -> None:
    if (holder, situation) == ("a witness", before_a_new_log_key):
        stage.witness.log_keys += (stage.witness.log_key,)
    situation(stage)
    stage.write(1)
    if situation is not before_a_new_log_key:
        stage.machine.copy("older")
    stage.write(2)
    assert stage.found_out("older", holder) == "log_rolled_back"


@pytest.mark.parametrize("situation", SITUATIONS)
def test_and_none_of_them_stops_the_log_that_goes_on(stage: Stage, situation: Callable[[Stage], None]) -> None:
    situation(stage)
    stage.write(2)
    stage.ca.restart()
    for holder in HOLDERS:
        stage.meet(holder)
    assert stage.ca.ask(stage.machine.login, "web1").certificate is not None


def test_t64_a_witness_finds_out_that_an_older_copy_went_on_and_is_longer_by_now(stage: Stage) -> None:
    stage.write(1)
    stage.machine.copy("older")
    stage.write(1)
    stage.witness.lie = (500, "text/plain", b"")
    stage.machine.put_back("older")
    stage.machine.write(4)
    stage.witness.lie = None
    with pytest.raises(Failed) as stopped:
        stage.ca.restart()
    assert stopped.value.code == "log_rolled_back"
    stage.machine.accept()
    assert stage.ca.ask(stage.machine.login, "web1").certificate is not None


def test_t64_a_witness_that_did_not_begin_anew_stops_nothing_that_was_given_up(stage: Stage) -> None:
    stage.machine.copy("lost")
    stage.write(12)
    assert stage.found_out("lost", "a witness") == "log_rolled_back"
    stage.machine.accept()
    for _ in range(3):
        stage.machine.write(6)
        stage.ca.restart()
    assert stage.ca.ask(stage.machine.login, "web1").certificate is not None


def test_t64_one_that_was_away_when_the_loss_was_accepted_counts_by_size(stage: Stage) -> None:
    stage.machine.copy("lost")
    stage.write(12)
    assert stage.found_out("lost", "a front end") == "log_rolled_back"
    stage.witness.lie = (500, "text/plain", b"")
    stage.machine.accept()
    stage.witness.lie = None
    stage.ca.restart()
    assert stage.ca.ask(stage.machine.login, "web1").certificate is not None
    stage.witness.size += 10_000
    with pytest.raises(Failed):
        stage.ca.restart()


def test_what_is_kept_for_all_front_ends_is_what_came_with_it(stage: Stage) -> None:
    after_an_accepted_loss(stage)
    stage.write(1)
    kept = stage.memory.checkpoint()
    assert kept == stage.machine.told() != Traced(kept.note)
