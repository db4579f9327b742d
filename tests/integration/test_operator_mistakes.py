"""What an operator does wrong, or finds wrong, at three in the morning: one line that says it, and no traceback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from sshjit.errors import Failed, Invalid
from sshjit_ca import config
from sshjit_ca.keys import files
from tests.support.ca_process import PROGRAM, CaProcess, run_command
from tests.support.installation import Installation, make_key
from tests.support.issuer import serving
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[Installation]:
    """A CA that does not run."""
    with serving() as acme, serving() as partner:
        made = Installation(tmp_path, {"acme": acme, "partner": partner})
        made.stop()
        yield made


def setting(ca: Installation, key: str, value: str) -> None:
    """Changes one line of ``ca.toml``, or adds it."""
    file = ca.home / "ca.toml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{key} ")]
    file.write_text("\n".join([*lines, f'{key} = "{value}"', ""]))


def unmounted(ca: Installation) -> None:
    (ca.home / "ca").rename(ca.home / "elsewhere")


def lost_key(ca: Installation) -> None:
    (ca.home / "ca" / "keys" / "user_ca").unlink()


def folder_in_its_place(ca: Installation) -> None:
    lost_key(ca)
    (ca.home / "ca" / "keys" / "user_ca").mkdir()


def cut_key(ca: Installation) -> None:
    key = ca.home / "ca" / "keys" / "user_ca"
    key.write_bytes(key.read_bytes()[:200])


def no_folder_for_sockets(ca: Installation) -> None:
    setting(ca, "web_socket", f"{ca.home}/run/web.sock")


def long_socket(ca: Installation) -> None:
    setting(ca, "web_socket", f"{ca.home}/{'a' * 150}.sock")


@pytest.mark.parametrize(
    ("mistake", "says", "hint"),
    [
        (unmounted, "home", "ssh-jit-ca init"),
        (lost_key, "user_ca: No such file", "put it back"),
        (folder_in_its_place, "user_ca: Is a directory", "put it back"),
        (cut_key, "user_ca is not an OpenSSH private key", "put back"),
        (no_folder_for_sockets, "web.sock cannot be opened for connections: No such file", "folder"),
        (long_socket, "cannot be opened for connections: AF_UNIX path too long", "web_socket"),
    ],
)
def test_a_ca_that_cannot_start_says_why_in_two_lines(
    ca: Installation, mistake: Callable[[Installation], None], says: str, hint: str
) -> None:
    mistake(ca)
    said = run_command(ca.home / "ca.toml", "serve", code=1)
    first, second = [line for line in said.splitlines() if not line.startswith("ssh-jit-ca: test: ")]
    assert first.startswith("ssh-jit-ca: ")
    assert says in first
    assert second.startswith("hint: ")
    assert hint in second


def test_a_key_of_another_user_is_named_with_its_owner(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root could give the file away, so here it is the process that is said to be somebody else."""
    owner = (ca.home / "ca" / "keys" / "log").stat().st_uid
    monkeypatch.setattr("os.getuid", lambda: owner + 1)
    with pytest.raises(Failed) as refused:
        files.load(ca.home / "ca" / "keys" / "log")
    assert refused.value.code == "key_exposed"
    assert f"Unix user {owner}" in refused.value.message
    assert refused.value.hint.startswith("run it as ")
    assert "chown" not in refused.value.hint, "that would take the key from the CA that it belongs to"


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///ca.db", "sqlite:///", "sqlite+pysqlite:///ca.db"])
def test_a_database_is_named_from_the_root_on(ca: Installation, address: str) -> None:
    """Or each command would find, or make, another one in the folder where it was typed."""
    setting(ca, "database", address)
    with pytest.raises(Invalid) as refused:
        config.load(ca.home / "ca.toml")
    assert refused.value.code == "bad_config"
    assert "absolute" in refused.value.message


@pytest.mark.parametrize("arguments", [("log", "export"), ("log", "export", "--format", "ocsf"), ("log", "verify")])
def test_what_a_full_disk_swallowed_is_not_said(ca: Installation, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(ca, *arguments, stdout=full)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert said == b"ssh-jit-ca: No space left on device\n"


def test_who_stops_reading_hears_no_complaint(ca: Installation) -> None:
    process = start(ca, "log", "export", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(PATIENCE) == 1


def test_entries_and_times_that_are_none_are_refused_and_offsets_count(ca: Installation) -> None:
    for wrong in ("-1", "9" * 20, "x", "1_0", "\N{ARABIC-INDIC DIGIT THREE}"):
        assert "not the number of an entry" in run_command(
            ca.home / "ca.toml", "log", "export", f"--from={wrong}", code=2
        )
    running_ca = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket)
    try:
        wait_until(lambda: running_ca.health() is not None)
        # the test's clock began on 15 January 2027 at 8:00 UTC
        for since, found in (
            ("2027-01-15T07:59", True),
            ("2027-01-15T07:59Z", True),
            ("2027-01-15T09:59+02:00", True),
            ("2027-01-15T07:59-02:00", False),
            ("2027-01-15T08:01", False),
        ):
            said = run_command(ca.home / "ca.toml", "log", "show", "--kind", "key", f"--since={since}")
            assert ("user_ca" in said) is found, since
    finally:
        running_ca.end()


def test_a_certificate_that_cannot_be_put_down_is_not_lost_without_a_word(ca: Installation) -> None:
    key = make_key(ca.home / "operator").with_suffix(".pub")
    (ca.home / "operator-cert.pub").mkdir()
    said = run_command(
        ca.home / "ca.toml", "sign-emergency", "--no-database", "--login", "root", "--host", "web1",
        "--key", str(key), "--reason", "a drill", code=1,
    )  # fmt: skip
    assert "was signed and recorded, but" in said
    assert "Traceback" not in said
    assert "hint: repeat" in said


def start(ca: Installation, *arguments: str, stdout: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """Starts a command that keeps what it prints until it is enough, or it ends."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    program = [*PROGRAM, "--config", str(ca.home / "ca.toml"), *arguments]
    return subprocess.Popen(program, stdout=stdout, stderr=subprocess.PIPE, env=environment)
