"""A bundle of release 0.1.0 (format 1): read by the core and by the host's program, and verified by ``ssh-keygen``."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit import bundle as core
from sshjit import checkpoint, krl, sshkey, wire
from sshjit.errors import Invalid, Refused
from sshjit_host.errors import BundleRefused
from sshjit_host.formats import bundle as host
from sshjit_host.openssh import keygen
from tests.support.frozen_log import FIRST_KEY, rows

FOLDER = Path(__file__).resolve().parent / "bundle-1"
TEXT = (FOLDER / "bundle.json").read_text()
SIGNATURE = (FOLDER / "bundle.json.sig").read_text()
PIN, FIRST_PIN = ((FOLDER / name).read_text().strip() for name in ("root", "first_root"))
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text())
SSH_KEYGEN = Path(shutil.which("ssh-keygen") or "ssh-keygen")


def test_the_core_reads_it_and_writes_the_same_bytes() -> None:
    found = core.read(TEXT)
    assert core.write(found) == TEXT
    for name in ("sequence", "issued", "expires", "ended", "extended", "user_ca", "host_ca", "retired"):
        assert wire.encode(getattr(found, name)) == EXPECTED[name], name
    assert (len(found.user_ca), len(found.host_ca), len(found.retired), len(found.succession)) == (2, 2, 1, 1)
    assert [provider.id for provider in found.providers] == ["acme", "partner"]
    assert all(provider.token_endpoint for provider in found.providers)


def test_the_host_s_program_reads_the_same() -> None:
    found, there = host.read(TEXT), core.read(TEXT)
    assert found.text == TEXT
    assert (found.sequence, found.issued, found.expires) == (there.sequence, there.issued, there.expires)
    for name in ("user_ca", "host_ca", "retired"):
        assert tuple(key.line for key in getattr(found, name)) == getattr(there, name)
    assert (found.ended, found.extended) == (there.ended, there.extended)
    assert found.root.fingerprint == PIN


def test_openssh_verifies_its_signature() -> None:
    signers, signature = FOLDER / "allowed_signers", FOLDER / "bundle.json.sig"
    verify: list[str | Path] = ["ssh-keygen", "-Y", "verify", "-I", "bundle", "-n", core.NAMESPACE]
    for text, good in ((TEXT, True), (TEXT.replace('"bundle":1', '"bundle":2'), False)):
        command = [*verify, "-f", str(signers), "-s", str(signature)]
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
        assert (done.returncode == 0) is good, done


def test_the_host_s_program_follows_it_from_the_first_root_and_from_the_newest() -> None:
    found = host.read(TEXT)
    keygen.check_signature(SSH_KEYGEN, TEXT.encode(), SIGNATURE, found.root)
    assert host.way(found, PIN) == ()
    steps = host.way(found, FIRST_PIN)
    assert [step.old.fingerprint for step in steps] == [FIRST_PIN]
    keygen.check_changes(SSH_KEYGEN, steps)
    with pytest.raises(BundleRefused):
        host.way(found, FIRST_KEY.fingerprint)
    host.check_succession(found, None)
    host.check_succession(found, found)


def test_a_laptop_follows_it_from_the_first_root_and_from_the_newest() -> None:
    found = core.read(TEXT)
    assert core.way(found, PIN) == ()
    assert [sshkey.parse_line(step.old).fingerprint for step in core.way(found, FIRST_PIN)] == [FIRST_PIN]
    with pytest.raises(Refused):
        core.way(found, FIRST_KEY.fingerprint)
    assert core.replaces(found, None)
    assert not core.replaces(found, found)
    assert core.replaces(replace(found, sequence=found.sequence + 1), found)
    with pytest.raises(Invalid):
        core.replaces(found, replace(found, sequence=found.sequence + 1))


def test_openssh_reads_its_revocation_list_with_every_kind_of_section_that_the_ca_writes(tmp_path: Path) -> None:
    found = core.read(TEXT)
    (tmp_path / "krl").write_bytes(core.krl_of(found))
    done = subprocess.run(
        ["ssh-keygen", "-Q", "-l", "-f", tmp_path / "krl"], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert f"# KRL version {found.sequence}" in lines
    serials = [int(line.split()[1]) for line in lines if line.startswith("serial:")]
    users = EXPECTED["refused_users"]
    assert serials[: 2 * len(users)] == [*users, *users], "under each of the two user CA keys"
    hosts = serials[2 * len(users) :]
    assert hosts
    assert hosts[: len(hosts) // 2] == hosts[len(hosts) // 2 :], "under each of the two host CA keys"
    (tmp_path / "retired.pub").write_text(f"{found.retired[0]}\n")
    asked = subprocess.run(
        ["ssh-keygen", "-Q", "-f", tmp_path / "krl", tmp_path / "retired.pub"], capture_output=True, check=False
    )
    assert b"REVOKED" in asked.stdout
    assert krl.read(core.krl_of(found)) == {sshkey.parse_line(found.retired[0]).blob}
    assert base64.b64decode(found.krl) == host.read(TEXT).revoked.data


def test_its_checkpoint_is_one_of_the_frozen_log_by_the_key_that_it_names() -> None:
    found = core.read(TEXT)
    origin, public = checkpoint.parse_verifier_key(found.log_key)
    point, _ = checkpoint.parse_note(found.checkpoint, public)
    assert point.origin == origin
    assert point.size < len(rows())
