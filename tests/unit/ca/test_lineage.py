"""Which line of the log a checkpoint belongs to: after an accepted loss, and after the log's key changed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import canonical, checkpoint, lineage, sshkey
from sshjit.checkpoint import Checkpoint
from sshjit.errors import Failed
from sshjit.lineage import Lineage, Traced, Turn
from sshjit_ca.keys import files, sshsig
from sshjit_ca.keys.succession import NAMESPACE, raw
from sshjit_ca.log import held_elsewhere
from sshjit_ca.log.held_notes import NOTES, UNKNOWN_KEY
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine.clock import Clock, Kept
from sshjit_ca.operations import restore
from sshjit_ca.service import background
from sshjit_ca.service.alerts import Alarm, Alarms
from sshjit_ca.service.standby import Time
from sshjit_ca.storage.store import Store
from sshjit_web.ca_client import CaClient
from tests.support import published_bundle
from tests.support.ca_sockets import serving_sockets
from tests.support.devices import ssh_key
from tests.support.installation import ALICE, Installation, make_key
from tests.support.issuer import Issuer
from tests.support.keyring import activate, add
from tests.support.signatures import join, report
from tests.support.waiting import wait_until


class Machine:
    """A CA whose machine can be put back to an earlier state."""

    def __init__(self, folder: Path, issuers: dict[str, Issuer]) -> None:
        self.ca = ca = Installation(folder, issuers)
        ca.add_host("web1", env="staging")
        self.login = ca.native(ALICE)
        invited = ca.say(m.AddHost("web9", (), "web9", 22, (("env", "staging"),), ()), m.HostReply, "admin")
        assert invited.invitation is not None
        self.key = make_key(folder / "web9")
        ca.say(join(ca, "web9", invited.invitation.token, (self.key,)), m.HostReply)

    def write(self, times: int) -> Traced:
        """So many certificates; what the CA tells afterwards."""
        for _ in range(times):
            self.ca.later(20)
            self.ca.ask(self.login, "web1")
        return self.told()

    def told(self) -> Traced:
        """The newest checkpoint, as a front end hears of it."""
        health = self.ca.say(m.Health(2), m.HealthReply)
        return Traced(health.checkpoint, health.lineage)

    def copy(self, name: str) -> None:
        """A copy of everything that the CA has."""
        self.ca.stop()
        shutil.copytree(self.ca.home / "ca", self.ca.home / name)
        self.ca.start()

    def put_back(self, name: str) -> None:
        """The machine is as it was then, and the CA starts."""
        self.ca.stop()
        shutil.rmtree(self.ca.home / "ca")
        shutil.copytree(self.ca.home / name, self.ca.home / "ca")
        self.ca.start()

    def hold(self, told: Traced) -> bool:
        """Somebody greets the CA with a checkpoint; whether it goes on."""
        health = self.ca.say(m.Health(2, told.note, told.lineage), m.HealthReply)
        assert health.ready is (self.ca.context.journal.contradicted is None)
        return health.ready

    def accept(self) -> restore.Outcome:
        """The operator accepts the loss, and the CA starts."""
        ca = self.ca
        ca.stop()
        clock = Clock(lambda: ca.time, lambda: ca.boot, Kept(ca.home / "ca" / "clock", "this-start"))
        outcome = restore.restore(ca.config, ca.places, clock, Time(lambda: 0.0, lambda _: None), "the disk died")
        ca.start()
        return outcome


@pytest.fixture
def machine(tmp_path: Path, issuers: dict[str, Issuer]) -> Machine:
    """It runs, and nothing was lost."""
    return Machine(tmp_path, issuers)


def accepted(machine: Machine) -> tuple[list[Traced], Traced]:
    """A loss, which an operator accepts; what was told of the lost line, and the first of the new one."""
    machine.copy("older")
    lost = [machine.write(1) for _ in range(8)]
    machine.put_back("older")
    assert not machine.hold(lost[-1])
    machine.accept()
    return lost, machine.told()


def size(told: Traced) -> int:
    return checkpoint.size_of(told.note)


def test_t64_after_an_accepted_loss_an_older_copy_is_found_out_before_it_outgrew_the_lost_log(machine: Machine) -> None:
    lost, _ = accepted(machine)
    machine.copy("older again")
    newer = machine.write(1)
    machine.put_back("older again")
    assert machine.ca.context.journal.durable < size(newer) < size(lost[-1])
    assert all(map(machine.hold, lost))
    assert not machine.hold(newer)
    first = machine.ca.context.journal.epoch
    machine.accept()
    assert machine.ca.context.journal.epoch > first + restore.JUMP
    assert all(map(machine.hold, [*lost, newer, machine.told()]))
    machine.ca.stop()


def test_t64_and_so_is_one_that_went_on_and_is_longer_by_now(machine: Machine) -> None:
    lost, _ = accepted(machine)
    machine.copy("older again")
    newer = machine.write(1)
    machine.put_back("older again")
    machine.write(2)
    assert size(newer) < machine.ca.context.journal.durable < size(lost[-1])
    assert not machine.hold(newer)
    machine.ca.stop()


def test_t64_a_copy_from_before_the_accepted_loss_is_found_out_too(machine: Machine) -> None:
    lost, newer = accepted(machine)
    machine.put_back("older")
    assert not machine.hold(newer), f"the lost log had {size(lost[-1])}"
    assert machine.accept().epoch > lineage.proven_loss(newer.lineage, newer.note) + restore.JUMP - 1
    assert machine.hold(newer)
    machine.ca.stop()


def test_t64_no_old_checkpoint_stops_the_ca_whatever_is_told_beside_it(machine: Machine) -> None:
    """A host that lies has every checkpoint that was ever public, and every lineage."""
    lost, new = accepted(machine)
    machine.ca.restart()
    grown = machine.write(1)
    wrong = json.loads(grown.lineage)
    wrong["loss"]["index"] = size(lost[-1]) - 1
    later = json.loads(grown.lineage)
    later["loss"]["fact"] = later["loss"]["fact"].replace('"epoch":1', '"epoch":9')
    lines = [new.lineage, grown.lineage, "nonsense", "{}", '{"loss":7}', "[" * 60_000, "\udce9", "\N{SNOWMAN}"]
    lines += [canonical.dumps(each).decode() for each in (wrong, later)]
    for told in lost:
        for line in lines:
            assert machine.hold(Traced(told.note, line))
    assert machine.ca.ask(machine.login, "web1").certificate is not None
    machine.ca.stop()


def test_t64_who_held_the_longer_lost_log_takes_the_new_line_and_nothing_older(machine: Machine) -> None:
    lost, _ = accepted(machine)
    machine.copy("older again")
    newer = machine.write(1)
    ca = machine.ca
    with serving_sockets(ca, frozenset({os.getuid()})):
        client = CaClient(ca.config.web_socket)
        client.remember(lost[-1])
        client.call(m.Health(), m.HealthReply)
        client.close()
    assert client.newest == newer
    for older in (
        lost[0],
        lost[-1],
        Traced(newer.note),
        Traced(lost[-1].note, newer.lineage),
        Traced(),
    ):
        client.remember(older)
        assert client.newest == newer
    machine.put_back("older again")
    with serving_sockets(ca, frozenset({os.getuid()})):
        with pytest.raises(Failed) as stopped:
            client.call(m.ReadLogin(machine.login), m.LoginReply)
        client.close()
    assert stopped.value.code == "log_rolled_back"
    assert client.newest == newer
    ca.stop()


def test_t64_a_host_takes_the_new_line_with_the_bundle_and_finds_out_the_next_older_copy(machine: Machine) -> None:
    ca = machine.ca
    before = published_bundle.newest(ca, 2)
    machine.copy("older")
    machine.write(8)
    ca.later(1000)
    lost = published_bundle.newest(ca, 2)
    machine.put_back("older")
    told = report(ca, "web9", machine.key, problems=("x",), checkpoint=lost.checkpoint, lineage=lost.lineage)
    with pytest.raises(Failed):
        ca.say(told, m.Done)
    machine.accept()
    ca.later(60)
    ca.say(report(ca, "web9", machine.key, problems=("y",), checkpoint=lost.checkpoint, lineage=lost.lineage), m.Done)
    machine.copy("older again")
    machine.write(1)
    ca.later(1000)
    after = published_bundle.newest(ca, 2)
    assert (before.lineage, lost.lineage, after.sequence > lost.sequence) == ("", "", True)
    machine.put_back("older again")
    ca.later(60)
    with pytest.raises(Failed) as stopped:
        ca.say(
            report(ca, "web9", machine.key, problems=("z",), checkpoint=after.checkpoint, lineage=after.lineage), m.Done
        )
    assert stopped.value.code == "log_rolled_back"
    ca.stop()


def test_t64_a_copy_from_before_the_logs_key_changed_is_found_out(machine: Machine) -> None:
    machine.copy("older")
    for _ in range(2):
        activate(machine.ca, add(machine.ca, "log"))
    newer = machine.told()
    machine.put_back("older")
    assert not machine.hold(newer)
    machine.ca.stop()
    with pytest.raises(Failed) as again:
        machine.ca.start()
    assert again.value.code == "log_rolled_back"
    machine.accept()
    assert machine.hold(newer), "given up with its key"
    assert machine.ca.ask(machine.login, "web1").certificate is not None
    machine.ca.stop()


def test_t64_a_key_that_nobody_shows_to_be_the_logs_is_told_and_stops_nothing(machine: Machine) -> None:
    ca = machine.ca
    thief = files.load(ssh_key(ca.home / "thief", "ed25519"))
    point = Checkpoint("test/ssh-jit", 10**6, bytes(32))
    note = checkpoint.note(point, raw(thief.public), thief.sign(point.text.encode())[-64:])
    own = files.load_public(ca.config.key_file("log"))
    by_itself = sshsig.sign(thief, NAMESPACE, thief.public.line.encode())
    for turns in (
        (),
        (Turn(thief.public.line, by_itself),),
        (Turn(thief.public.line, ""),),
        (Turn(own.line, ""), Turn(thief.public.line, by_itself)),
        (Turn("nonsense", ""), Turn(thief.public.line, by_itself)),
    ):
        ca.context.journal.held.alarming.clear()
        assert machine.hold(Traced(note, lineage.write(Lineage(turns))))
        ((kind, what),) = ca.context.journal.held.alarming
        assert kind == UNKNOWN_KEY
        assert "over 1000000 entries by a key that this log does not know (a front end brought it)" in what
    ca.context.journal.held.alarming.clear()
    assert machine.hold(Traced(note.replace("test/ssh-jit", "other/ssh-jit")))
    assert ca.context.journal.held.alarming == [], "another log's"
    assert ca.ask(machine.login, "web1").certificate is not None
    ca.stop()


def test_a_key_that_was_retired_counts_for_what_it_signed_in_its_turn(machine: Machine) -> None:
    ca = machine.ca
    first = files.load(ca.config.key_file("log"))
    machine.write(1)
    activate(ca, add(ca, "log"))
    ended = ca.context.journal.durable

    def by_the_first(size: int) -> Traced:
        point = Checkpoint("test/ssh-jit", size, bytes(32))
        return Traced(checkpoint.note(point, raw(first.public), first.sign(point.text.encode())[-64:]))

    for later in (10**9, ended + 1, ended):
        assert machine.hold(by_the_first(later))
        assert ca.context.journal.held.alarming == []
    assert not machine.hold(by_the_first(ended - 1))
    ca.stop()


def test_t64_of_many_checkpoints_while_the_database_is_away_the_newer_one_is_held_whoever_comes_later(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.copy("older")
    newer = machine.write(2)
    machine.put_back("older")
    ca = machine.ca
    old = [machine.write(0).note]
    with monkeypatch.context() as away:

        def silent(*_: object) -> None:
            raise Failed("database_silent", "the log's database does not answer")

        away.setattr(Store, "head", silent)
        away.setattr(Store, "select", silent)
        assert machine.hold(newer)
        log = files.load(ca.config.key_file("log"))
        for number in range(2 * NOTES):
            point = Checkpoint("test/ssh-jit", size(newer) - 1, number.to_bytes(32, "big"))
            assert machine.hold(Traced(checkpoint.note(point, raw(log.public), log.sign(point.text.encode())[-64:])))
        assert machine.hold(Traced("nonsense of anybody"))
        assert machine.hold(Traced(old[0]))
    before = ca.store.head()
    with pytest.raises(Failed) as stopped:
        ca.ask(machine.login, "web1")
    assert (stopped.value.code, ca.store.head()) == ("log_rolled_back", before)
    ca.stop()


def test_a_checkpoint_of_what_another_ca_wrote_is_looked_at_again(machine: Machine) -> None:
    """While somebody else writes it is not known what it means; it must not count as known for ever."""
    ca = machine.ca
    machine.copy("older")
    newer = machine.write(2)
    machine.put_back("older")
    real = Store.head

    def longer(store: Store) -> object:
        head = real(store)
        return None if head is None else replace(head, size=10**6)

    with pytest.MonkeyPatch.context() as other:
        other.setattr(Store, "head", longer)
        assert machine.hold(newer)
    assert not machine.hold(newer)
    ca.stop()


def test_what_stops_the_ca_is_written_down_once_the_disk_takes_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.copy("older")
    newer = machine.write(2)
    machine.put_back("older")
    pinned = PinnedCheckpoint(machine.ca.home / "ca")
    with monkeypatch.context() as full:

        def fail(*_: object) -> None:
            raise Failed("disk_full", "no room")

        full.setattr(PinnedCheckpoint, "keep_checkpoint", fail)
        with pytest.raises(Failed):
            machine.hold(newer)
    assert pinned.checkpoint() != newer.note
    assert not machine.hold(Traced())
    assert pinned.checkpoint() == newer.note
    machine.ca.stop()


def test_a_checkpoint_is_not_told_without_its_line(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be taken for one of the line that was lost."""
    accepted(machine)
    machine.write(1)

    def silent(*_: object) -> str:
        raise Failed("database_silent", "the log's database does not answer")

    machine.ca.restart()
    monkeypatch.setattr(held_elsewhere, "lineage_text", silent)
    assert machine.told() == Traced()
    machine.ca.stop()


def test_a_line_says_nothing_while_nothing_was_lost_and_is_read_strictly() -> None:
    assert lineage.write(Lineage()) == ""
    assert lineage.parse("") == Lineage()
    key = sshkey.parse_line("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f")
    one = Lineage((Turn(key.line, "x"),))
    assert lineage.parse(lineage.write(one)) == one
    assert Traced("nonsense").rank == (0, 0)


def test_the_running_ca_sounds_its_alarm_for_what_others_hold_once_each(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that lies could else have it sound without end."""
    told: list[Alarm] = []
    monkeypatch.setattr(background, "PLACES", 0.001)
    monkeypatch.setattr(Alarms, "tell", lambda _, alarm: told.append(alarm))
    machine.copy("older")
    newer = machine.write(2)
    machine.put_back("older")
    ca = machine.ca
    thief = files.load(ssh_key(ca.home / "thief", "ed25519"))

    def made_up(entries: int) -> Traced:
        point = Checkpoint("test/ssh-jit", entries, bytes(32))
        return Traced(checkpoint.note(point, raw(thief.public), thief.sign(point.text.encode())[-64:]))

    async def run() -> None:
        alarms = Alarms(ca.config.home, ca.config.syslog, ca.config.alert_command)
        task = asyncio.create_task(background.tell_what_is_held(ca.context, alarms))
        for number in range(20):
            machine.hold(made_up(1000 + number))
            await asyncio.sleep(0.005)
        ca.later(60)
        said = report(ca, "web9", machine.key, problems=("x",), checkpoint=newer.note, lineage=newer.lineage)
        with contextlib.suppress(Failed):
            ca.say(said, m.Done)
        await asyncio.to_thread(wait_until, lambda: len(told) == 2)
        task.cancel()

    asyncio.run(run())
    assert [alarm.kind for alarm in told] == ["unknown_log_key", "log_rolled_back"]
    assert "(the host web9 brought it)" in told[1].summary
    ca.stop()
