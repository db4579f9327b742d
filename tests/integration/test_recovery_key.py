"""The recovery key: hosts trust it beside the CA's, and it signs where there is neither CA nor database."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit import bundle, sshkey
from sshjit import ca_protocol as m
from sshjit.api.bundle import BundleReply
from sshjit.errors import Invalid
from sshjit_ca.cli import recovery
from sshjit_ca.operations import admin_client
from tests.support.ca_process import CaProcess, run_command
from tests.support.enrolled_sshd import enrolled_sshd
from tests.support.host_machine import ME, make_key
from tests.support.installation import Installation
from tests.support.issuer import serving
from tests.support.waiting import wait_until

BIN = Path(sys.executable).parent


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A configuration whose CA has nothing yet."""
    with serving() as acme, serving() as partner:
        Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time()).stop()
        shutil.rmtree(tmp_path / "ca")
        (tmp_path / "ca").mkdir(mode=0o700)
        yield tmp_path / "ca.toml"


def sign(key: Path, *words: str | Path, code: int = 0) -> str:
    """``recovery-sign``, where ssh-keygen is all that can be found."""
    command = [BIN / "ssh-jit-ca", "--config", "/nowhere/ca.toml", "recovery-sign", "--key", key, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def keys_of(config: Path) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = json.loads(run_command(config, "keys", "list", "--json"))["keys"]
    return listed


def test_hosts_trust_it_and_the_ca_never_signs_by_it(config: Path, tmp_path: Path) -> None:
    """By ``init``, and by ``keys add`` in an installation that runs."""
    safe = tmp_path / "safe"
    said = run_command(config, "init", "--recovery-key", str(safe))
    line = " ".join(safe.with_name("safe.pub").read_text().split()[:2])
    fingerprint = sshkey.parse_line(line).fingerprint
    assert f"recovery key: {fingerprint}" in said
    assert safe.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in b"".join(path.read_bytes() for path in (tmp_path / "ca" / "keys").glob("first*"))
    running = CaProcess.start(config, config.with_name("admin.sock"))
    try:
        wait_until(running.ready)
        assert bundle_keys(config)[1:] == (line,), "the CA's own comes first"
        known = {key["fingerprint"]: key for key in keys_of(config)}[fingerprint]
        assert (known["state"], known["problem"]) == ("pending", "")
        assert "in a safe" in run_command(config, "keys", "list")
        assert "safe" not in run_command(config, "status"), "it is no device that could be away"
        assert "in a safe" in run_command(config, "keys", "activate", "user_ca", fingerprint, "--now", code=1)
        elsewhere = ("keys", "add", "host_ca", f"recovery:{line.replace(' ', '%20')}")
        assert "for user_ca alone" in run_command(config, *elsewhere, code=2)

        other = tmp_path / "other"
        run_command(config, "keys", "add", "user_ca", "--recovery-key", str(other))
        assert len(bundle_keys(config)) == 3
        run_command(config, "keys", "retire", "user_ca", fingerprint, "--now")
        assert line not in bundle_keys(config)
    finally:
        running.end()


def bundle_keys(config: Path) -> tuple[str, ...]:
    reply = admin_client.call(config.with_name("admin.sock"), m.ReadBundle(None), BundleReply)
    assert reply.bundle is not None
    return bundle.read(reply.bundle, plain_http=True).user_ca


def test_it_opens_a_host_without_the_ca_and_no_other(tmp_path: Path) -> None:
    """By a real sshd that trusts what the bundle names."""
    with serving() as acme, serving() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time())
        try:
            _open_hosts(ca, tmp_path)
        finally:
            ca.stop()


def _open_hosts(ca: Installation, tmp_path: Path) -> None:
    safe, person = make_key(tmp_path / "safe"), make_key(tmp_path / "person")
    with enrolled_sshd(ca) as host:
        host.trusted.write_text(host.trusted.read_text() + safe.with_name("safe.pub").read_text())
        host.configure()
        with host.host.sshd():
            for name, code in (("web9", 0), ("web8", 255)):
                words = ("--host", name, "--login", ME, "--reason", "it burnt — all", f"{person}.pub")
                said = sign(safe, *words)
                assert f"{ME}@{name}" in said
                assert host.host.login(person) == code
    shown = subprocess.run(["ssh-keygen", "-L", "-f", f"{person}-cert.pub"], capture_output=True, text=True, check=True)
    assert 'Key ID: "recovery it burnt ? all"' in shown.stdout
    assert shown.stdout.rstrip().endswith("permit-pty")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--for", "2h"), "an hour at most"),
        (("--host", "*"), "host"),
        (("--login", "a,root"), "a,root"),
        (("--reason", " "), "give a reason"),
    ],
)
def test_what_it_must_not_sign_is_refused(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    safe, person = make_key(tmp_path / "safe"), make_key(tmp_path / "person")
    given = ["--host", "web1", "--login", "deploy", "--reason", "it burnt", *words, f"{person}.pub"]
    assert message in sign(safe, *given, code=2)
    assert not person.with_name("person-cert.pub").exists()


def test_a_key_that_is_not_there_is_said(tmp_path: Path) -> None:
    person = make_key(tmp_path / "person")
    given = ("--host", "web1", "--login", "deploy", "--reason", "it burnt", f"{person}.pub")
    assert "ssh-keygen could not sign" in sign(tmp_path / "none", *given, code=1)


def test_a_key_that_is_there_is_no_recovery_key_unless_it_was_made_as_one(tmp_path: Path) -> None:
    everyday, safe = make_key(tmp_path / "everyday"), tmp_path / "safe"
    content = everyday.read_bytes()
    for _ in range(2):
        with pytest.raises(Invalid) as error:
            recovery.make(everyday)
        assert error.value.code == "already_there"
    assert everyday.read_bytes() == content
    made = recovery.make(safe)
    assert recovery.make(safe) == made, "an init that was cut off goes on"
