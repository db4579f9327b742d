"""Emergency certificates: with the CA running, with it down, and with its database down too. And what doctor says."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid
from sshjit_ca.cli import maintenance
from sshjit_ca.log import verification
from sshjit_ca.log.journal import SERIALS_PER_EPOCH
from sshjit_ca.machine.spool import Spool
from sshjit_ca.operations import offline_signing
from tests.support.ca_process import PROGRAM, CaProcess, run_command
from tests.support.installation import Installation, make_key
from tests.support.issuer import Issuer, serving
from tests.support.postgres import Postgres, running
from tests.support.syslog import listening
from tests.support.waiting import wait_until


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[Installation]:
    """An installation with a host and no process, whose home is readable by its owner alone."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        yield prepared(tmp_path, issuers, None)


def prepared(home: Path, issuers: dict[str, Issuer], database: str | None) -> Installation:
    ca = Installation(home, issuers, time=time.time(), boot=time.time(), database=database)
    ca.add_host("web1", env="staging")
    ca.later(2)
    ca.authority.end()
    ca.stop()
    for folder in (home / "ca", home / "ca" / "keys"):
        folder.chmod(0o700)
    for file in (home / "ca").glob("ca.db*"):
        file.chmod(0o600)
    return ca


@pytest.fixture
def running_ca(ca: Installation) -> Iterator[CaProcess]:
    """The CA as a process."""
    running_ca = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket)
    wait_until(running_ca.ready)
    yield running_ca
    running_ca.end()


def emergency(ca: Installation, *how: str, code: int = 0) -> str:
    key = make_key(ca.home / "operator").with_suffix(".pub")
    named = ("--login", "root", "--host", "web1", "--key", str(key), "--reason", "the pager rang")
    return run_command(ca.home / "ca.toml", "sign-emergency", *named, *how, code=code)


def shown(ca: Installation) -> str:
    """What ssh-keygen says of the certificate."""
    file = ca.home / "operator-cert.pub"
    return subprocess.run(["ssh-keygen", "-L", "-f", file], capture_output=True, text=True, check=True).stdout


def digest(ca: Installation) -> str:
    return hashlib.sha256(b64decode((ca.home / "operator-cert.pub").read_text().split()[1])).hexdigest()


def logged(ca: Installation) -> list[dict[str, object]]:
    """The emergencies in the log, which must be whole."""
    ca.start()
    rows = [row for row in ca.store.rows() if row.entry.kind == "emergency"]
    assert verification.verify(ca.store, ca.context.keys.public("log")).problems == ()
    ca.stop()
    return [json.loads(row.entry.fact)["body"] | {"at": row.entry.index} for row in rows]


def test_with_the_ca_running_it_is_a_message(ca: Installation, running_ca: CaProcess) -> None:
    said = emergency(ca, "--for", "5m", "--json")
    reply = json.loads(said)
    listing = shown(ca)
    assert reply["principals"] == ["root@web1"]
    assert "root@web1" in listing
    assert "permit-pty" in listing
    assert "forwarding" not in listing
    assert reply["valid_before"] <= time.time() + 300
    assert "EMERGENCY" in run_command(ca.home / "ca.toml", "log", "show")
    run_command(ca.home / "ca.toml", "revoke", "--certificate", str(reply["serial"]), "--reason", "over")
    running_ca.end()
    (entry,) = logged(ca)
    assert entry["certificate"] == digest(ca)


def test_it_lives_a_quarter_of_an_hour_at_most_and_only_for_enrolled_hosts(
    ca: Installation, running_ca: CaProcess
) -> None:
    assert "15 minutes" in emergency(ca, "--for", "16m", code=2)
    assert "no host is enrolled" in emergency(ca, "--host", "web7", code=2)
    assert "give a reason" in run_command(
        ca.home / "ca.toml", "sign-emergency", "--login", "root", "--host", "web1", "--reason", "",
        "--key", str(ca.home / "operator.pub"), code=2,
    )  # fmt: skip
    assert not (ca.home / "operator-cert.pub").exists()


def test_with_the_ca_down_the_command_takes_the_log_over(ca: Installation) -> None:
    assert "does not answer" in emergency(ca, code=1)
    emergency(ca, "--offline")
    assert "root@web1" in shown(ca)
    (entry,) = logged(ca)
    assert entry["certificate"] == digest(ca)
    serial = entry["serial"]
    assert isinstance(serial, int)
    assert serial % SERIALS_PER_EPOCH == entry["at"]


def test_a_running_ca_is_not_pushed_aside(ca: Installation, running_ca: CaProcess) -> None:
    assert "a CA is running" in emergency(ca, "--offline", code=4)
    assert running_ca.ready()


def test_with_the_database_down_too_the_record_waits_for_the_log(tmp_path: Path) -> None:
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        server: Postgres = stack.enter_context(running())
        ca = prepared(tmp_path, issuers, server.new())
        server.run("ALTER DATABASE test1 ALLOW_CONNECTIONS false")
        assert "cannot be read" in emergency(ca, "--offline", code=1)
        assert not (ca.home / "operator-cert.pub").exists()
        emergency(ca, "--no-database")
        assert "root@web1" in shown(ca)
        (spooled,) = Spool(ca.home / "ca").waiting()
        assert spooled.certificate == digest(ca)
        assert 0 < spooled.serial < SERIALS_PER_EPOCH
        server.run("ALTER DATABASE test1 ALLOW_CONNECTIONS true")
        (entry,) = logged(ca)
        assert (entry["serial"], entry["certificate"]) == (spooled.serial, digest(ca))
        assert Spool(ca.home / "ca").waiting() == []
        assert len(logged(ca)) == 1  # taken in once


def test_without_the_ca_s_word_the_bastion_is_named_by_its_id(ca: Installation) -> None:
    assert "--via goes with --no-database" in emergency(ca, "--via", "gate", code=2)
    said = emergency(ca, "--no-database", "--via", "gate~2")
    listing = subprocess.run(
        ["ssh-keygen", "-L", "-f", ca.home / "operator-web1-cert.pub"], capture_output=True, text=True, check=True
    ).stdout
    assert "via/web1@gate~2" in listing
    assert "root@web1" not in listing
    assert "JUMP-ACCOUNT@gate~2" in said
    entries = logged(ca)
    assert len(entries) == 2
    assert len({entry["emergency"] for entry in entries}) == 1


def test_what_cannot_be_recorded_is_not_signed(ca: Installation) -> None:
    message = m.SignEmergency("root", ("web1",), make_key(ca.home / "key").with_suffix(".pub").read_text(), "x", 60)
    (ca.home / "ca" / "emergency").write_text("in the way of the folder")
    with pytest.raises(Failed) as refused:
        offline_signing.sign_without_database(ca.config, ca.places, ca.context.clock, message)
    assert refused.value.code == "not_signing"


def test_without_a_database_a_name_that_is_none_is_refused(ca: Installation) -> None:
    line = make_key(ca.home / "key").with_suffix(".pub").read_text()
    for host in ("web1,root", "*", "", "web1\n"):
        with pytest.raises(Invalid):
            offline_signing.sign_without_database(
                ca.config, ca.places, ca.context.clock, m.SignEmergency("root", (host,), line, "x", 60)
            )
    assert Spool(ca.home / "ca").waiting() == []


def doctor(ca: Installation, code: int) -> dict[tuple[str, str], str]:
    """What was found, by area and level: message and hint."""
    found = json.loads(run_command(ca.home / "ca.toml", "doctor", "--json", code=code))
    assert found["ok"] == (code == 0)
    return {(each["area"], each["level"]): each["message"] + each["hint"] for each in found["findings"]}


def test_doctor_finds_nothing_with_a_ca_that_is_well(ca: Installation, running_ca: CaProcess) -> None:
    wait_until(lambda: '"ok"' in run_command(ca.home / "ca.toml", "status", "--json"))
    time.sleep(0.5)
    with listening(ca.config.syslog):
        found = doctor(ca, 0)
    assert {
        ("alarm", "ok"),
        ("files", "ok"),
        ("database", "ok"),
        ("log", "ok"),
        ("daemon", "ok"),
        ("provider", "ok"),
    } <= found.keys()
    assert not {level for _, level in found} & {"bad"}
    status = json.loads(run_command(ca.home / "ca.toml", "status", "--json"))
    assert status["ready"]
    assert status["disk_reserved"]
    assert {each["id"] for each in status["providers"]} == {"acme", "partner"}
    assert status["checkpoint"].startswith("test/ssh-jit\n")
    assert "signing" in run_command(ca.home / "ca.toml", "status")


def test_doctor_says_what_is_wrong_and_what_to_do(ca: Installation) -> None:
    with (ca.home / "ca.toml").open("a") as config:
        config.write('alert_command = ["/nowhere/page"]\n')
    found = doctor(ca, 1)
    assert "does not answer" in found["daemon", "bad"]
    assert "/nowhere/page: No such file" in found["alarm", "bad"]
    assert "syslog does not take alarms" in found["alarm", "warning"]
    (ca.home / "ca" / "keys").chmod(0o755)
    (ca.home / "policy.toml").write_text("version = 1\n[[allow]]\nname = 7\n")
    found = doctor(ca, 1)
    assert "open to other users" in found["files", "bad"]
    assert "policy.toml" in found["policy", "bad"]
    assert "hint: chmod 700" in run_command(ca.home / "ca.toml", "doctor", code=1)


def test_doctor_tries_every_key_with_and_without_a_ca_that_runs(ca: Installation) -> None:
    keys = ca.home / "ca" / "keys"
    assert "host_ca" in doctor(ca, 1)["keys", "ok"] or "log" in doctor(ca, 1)["keys", "ok"]
    (keys / "user_ca").rename(keys / "aside")
    assert f"user_ca cannot sign: {keys}/user_ca" in doctor(ca, 1)["keys", "bad"]
    (keys / "aside").rename(keys / "user_ca")
    running = CaProcess.start(ca.home / "ca.toml", ca.home / "admin.sock")
    try:
        wait_until(running.ready)
        (keys / "host_ca").rename(keys / "aside")
        assert f"host_ca cannot sign: {keys}/host_ca" in doctor(ca, 1)["keys", "bad"]
        said = run_command(ca.home / "ca.toml", "status")
        assert "CANNOT SIGN" in said
        assert f"in the file {keys}/bundle" in said
    finally:
        running.end()


def test_doctor_sees_a_log_that_was_rolled_back(ca: Installation) -> None:
    (ca.home / "ca" / "epoch").write_text("99\n")
    assert "99" in doctor(ca, 1)["log", "bad"]
    (ca.home / "ca" / "ca.db").unlink()
    assert "no database" in doctor(ca, 1)["database", "bad"]


def test_doctor_misses_the_checkpoint_outside_the_database(ca: Installation) -> None:
    assert ("log", "warning") not in doctor(ca, 1)
    (ca.home / "ca" / "checkpoint").unlink()
    assert "older copy" in doctor(ca, 1)["log", "warning"]


def test_backup_and_restore_as_the_operator_types_them(ca: Installation) -> None:
    config = ca.home / "ca.toml"
    assert "entries" in run_command(config, "backup", str(ca.home / "b.tar"))
    emergency(ca, "--offline")
    run_command(config, "restore", "--reason", "x", code=2)  # never unasked
    said = run_command(config, "restore", str(ca.home / "b.tar"), "--accept-loss", "--reason", "disk lost")
    assert "entries are lost" in said
    running_ca = CaProcess.start(config, ca.config.admin_socket)
    wait_until(running_ca.ready)
    assert "restored an older log" in run_command(config, "log", "show")
    assert running_ca.end() == 0


def test_the_operator_confirms_the_clock(ca: Installation, running_ca: CaProcess) -> None:
    config = ca.home / "ca.toml"
    assert "nobody to ask" in run_command(config, "confirm-clock", "--reason", "drill", code=2)
    no = answered(config, b"n")
    assert "this machine's clock says" in no
    assert "is this the date and the time now?" in no
    assert "was not confirmed" in no
    assert "confirmed the clock" not in run_command(config, "log", "show")
    assert "signing continues" in answered(config, b"y")
    assert "confirmed the clock" in run_command(config, "log", "show")
    assert "signing continues" in run_command(config, "confirm-clock", "--yes", "--reason", "drill")


def answered(config: Path, key: bytes) -> str:
    """What ``confirm-clock`` says at a terminal at which somebody types ``key``."""
    ours, its = os.openpty()
    command = [*PROGRAM, "--config", str(config), "confirm-clock", "--reason", "drill"]
    os.write(ours, key + b"\n")
    done = subprocess.run(command, stdin=its, capture_output=True, text=True, timeout=60, check=False)
    os.close(ours)
    os.close(its)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("drift", "last"), [(86_400_000, 0), (-86_400_000, 0), (0, 90_000)])
def test_a_clock_that_moved_by_a_day_is_not_confirmed_by_a_keystroke(
    ca: Installation, drift: int, last: int, capsys: pytest.CaptureFixture[str]
) -> None:
    status = replace(ca.say(m.Status(), m.StatusReply, "admin"), clock_drift=drift, last_entry=int(time.time()) + last)
    with pytest.raises(Invalid) as refused:
        maintenance.ask_about_the_clock(status)
    assert (refused.value.code, refused.value.hint) == ("not_confirmed", "if it is right: --yes")
    assert "a day or more" in refused.value.message
    assert f"{drift // 1000:+d} s" in capsys.readouterr().err
