"""The CA's own alarm: by a real syslog socket and a real command, from what is durable, once over a restart."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import events
from sshjit_ca.service import alerts, background
from sshjit_ca.service.alarm_watch import PAUSE, AlarmQueue, AlarmWatch, source_of
from sshjit_ca.service.alerts import Alarm, Alarms
from tests.support.break_glass import GLASS, REASON, break_glass
from tests.support.installation import ALICE, Installation
from tests.support.syslog import listening
from tests.support.waiting import PATIENCE, wait_until

ALARM = Alarm("lock_everything", "test", 7, 1_800_000_000, "locked by Zo\u00eb\nroot: all is well", None, ())


@pytest.fixture
def syslog(tmp_path: Path) -> Iterator[socket.socket]:
    """What a syslog daemon listens at."""
    with listening(tmp_path / "log") as found:
        yield found


def script(tmp_path: Path, body: str) -> tuple[str, ...]:
    """A command that does this; ``$1`` is a file to write to."""
    path = tmp_path / "page"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return (str(path), str(tmp_path / "paged"))


def told(ca: Installation, alarms: Alarms, until: int, position: int | None = None) -> None:
    """Tells of everything before the entry ``until``, as the CA does beside answering."""
    position = alarms.position(until) if position is None else position
    watch = AlarmWatch(ca.context, ca.store, alarms, position, time.monotonic)
    while asyncio.run(watch.step(until)) or watch.read < until - 1:
        pass


def heard(syslog: socket.socket) -> list[str]:
    """Every line that has come."""
    lines = []
    syslog.settimeout(0.2)
    with suppress(TimeoutError):
        while True:
            lines.append(syslog.recv(4096).decode("ascii"))
    return lines


def test_broken_glass_a_lock_on_everything_and_emergencies_are_told_and_nothing_else(
    ca: Installation, tmp_path: Path, syslog: socket.socket
) -> None:
    alarms = Alarms(ca.config.home, tmp_path / "log", script(tmp_path, 'cat >> "$1"; echo >> "$1"'))
    alarms.keep(ca.context.journal.durable - 1)
    ca.change_policy(*GLASS)
    alice = ca.native(ALICE)
    ca.ask(alice, "web1")
    request = break_glass(ca, alice).request
    ca.say(m.Lock(None, "host", "web1", "odd"), m.LockReply, "admin")
    key = ca.key(ALICE).with_suffix(".pub").read_text()
    ca.say(m.SignEmergency("root", ("db1",), key, "provider down", 600), m.EmergencyReply, "admin")
    ca.say(m.Lock(None, "everything", None, "we are attacked"), m.LockReply, "admin")
    last = ca.context.journal.durable
    told(ca, alarms, last)
    lines = heard(syslog)
    assert [re.match(r"<81>ssh-jit-ca\[\d+\]: test: ([A-Z_]+):", line)[1] for line in lines] == [  # type: ignore[index]
        "BREAK_GLASS",
        "EMERGENCY",
        "LOCK_EVERYTHING",
    ]
    assert REASON in lines[0]
    paged = [json.loads(line) for line in (tmp_path / "paged").read_text().splitlines()]
    assert [each["kind"] for each in paged] == ["break_glass", "emergency", "lock_everything"]
    assert (paged[0]["request"], paged[0]["notify"]) == (request.id, ["pager"])
    assert "EMERGENCY" in paged[1]["summary"]


def test_what_was_told_is_not_told_again_and_what_was_not_is_told_after_a_restart(
    ca: Installation, tmp_path: Path, syslog: socket.socket
) -> None:
    alarms = Alarms(ca.config.home, tmp_path / "log", ())
    alarms.keep(ca.context.journal.durable - 1)
    ca.change_policy(*GLASS)
    break_glass(ca, ca.native(ALICE))
    ca.restart()
    told(ca, alarms, ca.context.journal.durable)
    assert len(heard(syslog)) == 1
    ca.restart()
    told(ca, alarms, ca.context.journal.durable)
    assert heard(syslog) == []


def test_it_is_told_at_once_beside_answering(ca: Installation, tmp_path: Path, syslog: socket.socket) -> None:
    async def story() -> str:
        watch = asyncio.create_task(
            background.alert(ca.context, ca.store, Alarms(ca.config.home, tmp_path / "log", ()))
        )
        await asyncio.to_thread(wait_until, (ca.config.home / "alerted").exists)  # from here on it is news
        syslog.settimeout(PATIENCE)
        ca.say(m.Lock(None, "everything", None, "we are attacked"), m.LockReply, "admin")
        try:
            return (await asyncio.wait_for(asyncio.to_thread(syslog.recv, 4096), PATIENCE)).decode("ascii")
        finally:
            watch.cancel()

    assert "we are attacked" in asyncio.run(story())


def test_a_database_that_is_away_for_a_while_costs_no_alarm(
    ca: Installation, tmp_path: Path, syslog: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "SWEEP", 0.1)
    alarms, database = Alarms(ca.config.home, tmp_path / "log", ()), ca.home / "ca" / "ca.db"
    alarms.keep(ca.context.journal.durable - 1)
    ca.say(m.Lock(None, "everything", None, "we are attacked"), m.LockReply, "admin")
    ca.store.close()  # what reads next opens the file anew
    for part in database.parent.glob("ca.db*"):
        part.rename(part.with_name(f"away-{part.name}"))
    database.mkdir()

    async def story() -> str:
        watch = asyncio.create_task(background.alert(ca.context, ca.store, alarms))
        await asyncio.sleep(1)
        assert heard(syslog) == []
        database.rmdir()
        for part in database.parent.glob("away-*"):
            part.rename(part.with_name(part.name.removeprefix("away-")))
        syslog.settimeout(PATIENCE)
        try:
            return (await asyncio.wait_for(asyncio.to_thread(syslog.recv, 4096), PATIENCE)).decode("ascii")
        finally:
            watch.cancel()

    assert "we are attacked" in asyncio.run(story())


def test_at_its_very_first_start_the_past_counts_as_told(
    ca: Installation, tmp_path: Path, syslog: socket.socket
) -> None:
    ca.change_policy(*GLASS)
    break_glass(ca, ca.native(ALICE))
    alarms = Alarms(ca.config.home, tmp_path / "log", ())
    assert alarms.position(ca.context.journal.durable) == ca.context.journal.durable - 1
    assert heard(syslog) == []


def test_after_an_older_log_was_restored_what_is_new_in_it_is_told(
    ca: Installation, tmp_path: Path, syslog: socket.socket
) -> None:
    alarms = Alarms(ca.config.home, tmp_path / "log", ())
    alarms.keep(ca.context.journal.durable + 1000)
    position = alarms.position(ca.context.journal.durable)
    ca.say(m.Lock(None, "everything", None, "we are attacked"), m.LockReply, "admin")
    told(ca, alarms, ca.context.journal.durable, position)
    assert len(heard(syslog)) == 1


def test_a_line_for_syslog_is_one_line_of_ascii(tmp_path: Path, syslog: socket.socket) -> None:
    Alarms(tmp_path, tmp_path / "log", ()).tell(ALARM)
    line = syslog.recv(4096)
    assert line.isascii()
    assert b"\n" not in line
    assert line.endswith(b"(entry 7)")


def test_a_command_that_hangs_is_killed_with_its_children_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(alerts, "PATIENCE", 0.3)
    monkeypatch.setattr(alerts, "PAUSE", 0.0)
    command = script(tmp_path, 'sleep 60 & echo $! >> "$1"; wait')
    began = time.monotonic()
    Alarms(tmp_path, tmp_path / "nowhere", command).tell(ALARM)
    assert time.monotonic() - began < 30
    children = [int(line) for line in (tmp_path / "paged").read_text().split()]
    assert len(children) == alerts.TRIES
    wait_until(lambda: not any(map(runs, children)), "a child of the command still runs")
    assert "was killed" in caplog.text
    assert "syslog did not accept it" in caplog.text


def runs(process: int) -> bool:
    """Whether a process is there and does anything (somebody else's orphan may stay a zombie)."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(("body", "problem"), [("exit 3", "ended with 3"), (None, "cannot be run")])
def test_a_command_that_fails_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    body: str | None,
    problem: str,
) -> None:
    monkeypatch.setattr(alerts, "PAUSE", 0.0)
    command = (str(tmp_path / "none"),) if body is None else script(tmp_path, body)
    Alarms(tmp_path, tmp_path / "nowhere", command).tell(ALARM)
    assert caplog.text.count(problem) == alerts.TRIES


def test_the_command_sees_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TOKEN_PIN", "1234")
    Alarms(tmp_path, tmp_path / "nowhere", script(tmp_path, 'cat > /dev/null; env > "$1"')).tell(ALARM)
    seen = (tmp_path / "paged").read_text()
    assert "PATH=" in seen
    assert "1234" not in seen


def an_alarm(kind: str, entry: int, summary: str = "") -> Alarm:
    return Alarm(kind, "test", entry, 1_800_000_000, summary or f"entry {entry}", None, ())


def test_emergencies_are_told_first_and_what_hosts_report_last() -> None:
    queue = AlarmQueue(lambda: 1000.0)
    order = ["session_unknown", "session_refused", "session_recovery", "session_emergency", "lock_everything"]
    for entry, kind in enumerate([*order, "break_glass", "emergency"]):
        queue.add(an_alarm(kind, entry), entry, "web9" if kind.startswith("session") else "")
    told = [alarm.kind for alarm in iter(queue.take, None)]
    assert told == ["lock_everything", "break_glass", "emergency", "session_recovery", "session_emergency", *order[:2]]


def test_one_host_alarms_once_a_minute_of_each_kind_and_the_next_one_says_how_many_there_were() -> None:
    now = 1000.0
    queue = AlarmQueue(lambda: now)

    def flood(host: str, kind: str, first: int, count: int) -> None:
        for entry in range(first, first + count):
            queue.add(an_alarm(kind, entry), entry, host)

    flood("web9", "session_unknown", 10, 3)
    alarm = queue.take()
    assert alarm is not None
    assert (alarm.entry, alarm.count) == (12, 3)
    assert alarm.line.endswith("(entry 12) and 2 more before it")
    flood("web9", "session_unknown", 20, 3_000)
    assert queue.take() is None
    flood("web9", "session_elsewhere", 4_000, 1)
    flood("web8", "session_unknown", 4_001, 1)
    assert [alarm.entry for alarm in iter(queue.take, None)] == [4_000, 4_001], "another kind, another host"
    assert (len(queue), queue.told_until(5_000)) == (1, 19), "a CA that starts anew reads them again"
    now += PAUSE - 1
    assert queue.take() is None
    now += 1
    alarm = queue.take()
    assert alarm is not None
    assert (alarm.entry, alarm.count) == (3_019, 3_000)
    assert queue.told_until(5_000) == 5_000


def test_who_raised_an_alarm_is_the_host_or_the_token_and_nobody_else() -> None:
    """What one of them raises again within the minute waits for that."""
    started = events.SessionStarted("ses-1", 1, 1, 1, "f" * 64, "unknown", None, 0, "web9~2", "web9", "a", "b", "")
    refused = events.SessionReportRefused(3, 1, "it names no certificate", "web8", "web8")
    beyond = events.JoinRefused("inv-1", "used_up", 1, "web7", ())
    assert (source_of(started), source_of(refused)) == ("web9~2", "web8")
    assert source_of(beyond) == "inv-1 used_up"
    assert source_of(replace(beyond, invitation=None)) == "web7 used_up"
    assert source_of(events.Locked("lock-1", "everything", None, (), None, "odd")) == ""


def test_people_are_never_made_to_wait_by_their_own_alarms() -> None:
    queue = AlarmQueue(lambda: 1000.0)
    for entry in range(3):
        queue.add(an_alarm("break_glass", entry), entry, "")
    assert [alarm.entry for alarm in iter(queue.take, None)] == [0, 1, 2]


def test_an_emergency_that_comes_while_others_are_told_is_the_next_one(
    ca: Installation, tmp_path: Path, syslog: socket.socket
) -> None:
    """A command that hangs, and a host that raises alarms of every kind: what is new is looked for before each."""
    alarms = Alarms(ca.config.home, tmp_path / "log", ())
    alarms.keep(ca.context.journal.durable - 1)
    watch = AlarmWatch(ca.context, ca.store, alarms, alarms.position(ca.context.journal.durable), time.monotonic)
    started = events.SessionStarted(
        "ses-0123456789abcdef", 1, 1, 1, "f" * 64, "unknown", None, 0, "web9", "web9", "deploy", "192.0.2.7", ""
    )
    ca.context.record(started)
    ca.context.record(replace(started, number=2, known="elsewhere"))
    ca.context.record(events.SessionReportRefused(3, 1, "it names no certificate", "web9", "web9"))
    ca.context.journal.commit()
    assert asyncio.run(watch.step(ca.context.journal.durable))
    ca.say(m.Lock(None, "everything", None, "we are attacked"), m.LockReply, "admin")
    while asyncio.run(watch.step(ca.context.journal.durable)):
        pass
    kinds = [re.search(r"test: ([A-Z_]+):", line)[1] for line in heard(syslog)]  # type: ignore[index]
    assert kinds == ["SESSION_UNKNOWN", "LOCK_EVERYTHING", "SESSION_ELSEWHERE", "SESSION_REFUSED"]
