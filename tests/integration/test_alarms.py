"""Running CAs by themselves: the alarm, what time has ended; and the operator's dry run."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit_ca.operations import admin_client
from tests.support.ca_process import CaProcess, run_command
from tests.support.installation import BOB, DANA, Installation
from tests.support.issuer import serving
from tests.support.syslog import listening
from tests.support.waiting import wait_until


@pytest.fixture
def syslog(tmp_path: Path) -> Iterator[socket.socket]:
    """What a syslog daemon listens at."""
    with listening(tmp_path / "log") as found:
        yield found


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[Installation]:
    """An installation of an hour ago, with a request that nobody answered; it tells of alarms in ``paged``."""
    with serving() as acme, serving() as partner:
        installation = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time() - 3600, boot=1.0)
        installation.add_host("db1", env="prod", role="db")
        installation.web(BOB)
        installation.ask(installation.web(DANA), "db1")
        installation.authority.end()
        installation.stop()
        page = tmp_path / "page"
        page.write_text(f"#!/bin/sh\ncat >> {tmp_path}/paged; echo >> {tmp_path}/paged\n")
        page.chmod(0o700)
        with (tmp_path / "ca.toml").open("a") as config:
            config.write(f'alert_command = ["{page}"]\n')
        yield installation


def paged(ca: Installation) -> list[dict[str, object]]:
    """What the command was told."""
    file = ca.home / "paged"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_running_ca_sounds_its_alarm_without_any_front_end_and_explains(
    ca: Installation, syslog: socket.socket
) -> None:
    config = ca.home / "ca.toml"
    running_ca = CaProcess.start(config, ca.config.admin_socket)
    try:
        wait_until(running_ca.ready)
        said = run_command(
            config, "explain", "--person", "dana@example.com", "--host", "db1", "--reason", "CHG-7", "--for", "2h"
        )
        allowed = 'APPROVAL rule "database" allows logging in to db1 as postgres for 1 h once it is approved'
        assert allowed in " ".join(said.split())
        assert f"1 of lead: {BOB.sub}" in said
        assert "1 h (the most that this rule allows)" in said
        assert "it is for env=staging, db1 has env=prod" in said
        assert "no person known here" in run_command(config, "explain", "--person", "mallory", "--host", "db1", code=2)
        reply = json.loads(run_command(config, "explain", "--person", "partner/d-4", "--label", "env=prod", "--json"))
        assert (reply["verdict"], reply["code"]) == ("denied", "bad_reason")
        run_command(config, "lock", "--everything", "--reason", "we are attacked")
        line = syslog.recv(4096).decode("ascii")
        assert line.startswith("<81>ssh-jit-ca[")
        assert 'LOCK_EVERYTHING: everything was locked by the operator: "we are attacked"' in line
        wait_until(lambda: len(paged(ca)) == 1)
        assert paged(ca)[0]["kind"] == "lock_everything"
    finally:
        running_ca.end()


def test_with_the_ca_down_the_command_that_signs_sounds_it(ca: Installation, syslog: socket.socket) -> None:
    config, key = ca.home / "ca.toml", ca.key(BOB).with_suffix(".pub")
    arguments = ["sign-emergency", "--login", "root", "--host", "db1", "--key", str(key), "--reason", "all is down"]
    run_command(config, *arguments, "--offline")
    assert "EMERGENCY: EMERGENCY certificate" in syslog.recv(4096).decode("ascii")
    (page,) = paged(ca)
    assert (page["kind"], page["entry"]) == ("emergency", None)
    assert "root@db1" in str(page["summary"])


def test_what_time_has_ended_is_written_down(ca: Installation) -> None:
    running_ca = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket)
    try:
        wait_until(running_ca.ready)
        closes = m.ReadLog(None, None, 50, kind="close")
        wait_until(lambda: len(admin_client.call(ca.config.admin_socket, closes, m.LogReply).entries) == 1)
        (entry,) = admin_client.call(ca.config.admin_socket, closes, m.LogReply).entries
        assert entry.summary == "postgres@db1 for d-4 (partner) is expired unanswered, by time"
    finally:
        running_ca.end()
