"""``ssh-jit-ca keys add --new --passphrase-file``: by the command, and a CA that goes on by the key and misses it."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from tests.support.ca_process import CaProcess, run_command
from tests.support.installation import Installation
from tests.support.issuer import serving
from tests.support.syslog import listening
from tests.support.waiting import wait_until


def test_the_operator_adds_an_encrypted_key_and_doctor_watches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as acme, serving() as partner, listening(tmp_path / "log"):
        Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time()).stop()
        config, keys = tmp_path / "ca.toml", tmp_path / "ca" / "keys"
        shutil.rmtree(tmp_path / "ca")
        (tmp_path / "ca").mkdir(mode=0o700)
        run_command(config, "init")
        source = tmp_path / "passphrase"
        source.write_text("correct horse\n")
        source.chmod(0o600)
        running = CaProcess.start(config, tmp_path / "admin.sock")
        try:
            wait_until(running.ready)
            monkeypatch.chdir(tmp_path)  # a path is where the operator stands, not where the CA runs
            made = run_command(
                config, "keys", "add", "log", "--new", "ed25519", "--passphrase-file", "passphrase", "--json"
            )
            key = json.loads(made)["key"]
            assert key["reference"] == f"file:{keys}/log.2?passphrase={source}"
            run_command(config, "keys", "activate", "log", key["fingerprint"])
            listed = {
                each["fingerprint"]: each for each in json.loads(run_command(config, "keys", "list", "--json"))["keys"]
            }
            assert (listed[key["fingerprint"]]["state"], listed[key["fingerprint"]]["problem"]) == ("active", "")
            assert f"log signs, by the file {keys}/log.2" in run_command(config, "doctor")
            source.write_text("something else\n")
            assert f"log cannot sign: the passphrase does not decrypt {keys}/log.2" in run_command(
                config, "doctor", code=1
            )
        finally:
            running.end()
