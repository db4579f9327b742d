"""``ssh-jit-ca init``: keys in files, encrypted ones, in an agent and on a token; and a CA that then starts by them."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import devices
from tests.support.ca_process import CaProcess, run_command
from tests.support.devices import Token, ssh_key
from tests.support.installation import Installation
from tests.support.issuer import serving
from tests.support.keyring import fp
from tests.support.waiting import wait_until


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A configuration whose CA has nothing yet."""
    with serving() as acme, serving() as partner:
        Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time()).stop()
        shutil.rmtree(tmp_path / "ca")
        (tmp_path / "ca").mkdir(mode=0o700)
        yield tmp_path / "ca.toml"


def status_of(config: Path) -> dict[str, dict[str, Any]]:
    """Starts the CA; the keys of its status, by purpose."""
    running = CaProcess.start(config, config.with_name("admin.sock"))
    try:
        wait_until(running.ready)
        return {key["purpose"]: key for key in json.loads(run_command(config, "status", "--json"))["keys"]}
    finally:
        running.end()


def test_keys_live_where_init_was_told(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = Token.make(tmp_path / "token")
    monkeypatch.setenv("SOFTHSM2_CONF", token.environment["SOFTHSM2_CONF"])
    token.add("ecdsa-p256", "host-ca")
    (tmp_path / "passphrase").write_text("correct horse\n")
    (tmp_path / "passphrase").chmod(0o600)
    with devices.agent(tmp_path / "agent") as running:
        running.run(ssh_key(tmp_path / "key", "ed25519"))
        in_agent = fp((tmp_path / "key.pub").read_text())
        of_agent = f"agent:{in_agent}?socket={running.socket}"
        told = ("--user-ca", of_agent, "--host-ca", token.reference("host-ca"))
        said = run_command(config, "init", *told, "--passphrase-file", str(tmp_path / "passphrase"))
        assert f"user_ca       {in_agent}" in said
        keys = status_of(config)
    assert not [key["problem"] for key in keys.values() if key["problem"]]
    assert keys["user_ca"]["device"] == f"the ssh-agent at {tmp_path}/agent"
    assert keys["host_ca"]["device"] == "the token 'ssh-jit'"
    folder = tmp_path / "ca" / "keys"
    for purpose in ("bundle", "log"):
        assert keys[purpose]["device"] == f"the file {folder / purpose}"
        assert b"bcrypt" in inside(folder / purpose)
    assert not (folder / "user_ca").exists()
    assert keys["bundle"]["fingerprint"] in said.splitlines()[-1]


def test_a_passphrase_may_be_a_credential(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "ca-keys").write_text("correct horse")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    run_command(config, "init", "--passphrase-credential", "ca-keys")
    assert len(status_of(config)) == 4
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert "ca-keys" in run_command(config, "doctor", code=1)


def test_without_more_words_every_key_is_a_plain_file(config: Path, tmp_path: Path) -> None:
    run_command(config, "init")
    assert b"none" in inside(tmp_path / "ca" / "keys" / "user_ca")
    assert {key["state"] for key in status_of(config).values()} == {"active"}
    assert "already contains keys" in run_command(config, "init", code=2)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--user-ca", "agent:SHA256:" + "A" * 43 + "?socket=/nowhere"), 1, "out of reach"),
        (("--user-ca", "vault:x"), 2, "a reference begins with"),
        (("--log", "{rsa}"), 2, "must be Ed25519"),
        (("--user-ca", "{ed}", "--host-ca", "{ed}"), 2, "one key is used for two purposes"),
        (("--passphrase-file", "/nowhere"), 1, "No such file"),
        (("--passphrase-credential", "x"), 1, "systemd gave this process no credentials"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    config: Path, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    known = {kind: f"file:{ssh_key(tmp_path / kind, kind)}" for kind in ("ed25519", "rsa-3072")}
    told = [word.format(ed=known["ed25519"], rsa=known["rsa-3072"]) for word in words]
    assert said in run_command(config, "init", *told, code=code)
    assert not (tmp_path / "ca" / "keys").exists()


def inside(path: Path) -> bytes:
    """What an OpenSSH private key's file holds: how it is encrypted stands at its beginning, in the clear."""
    return base64.b64decode("".join(path.read_text().splitlines()[1:-1]))[:40]
