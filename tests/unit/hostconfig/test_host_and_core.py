"""The host's own readers against the core's: what the CA writes the host takes, and both see the same in it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit import bundle as core
from sshjit import sshkey as core_keys
from sshjit.api.hosts import HostReport
from sshjit_ca.access import host_statements
from sshjit_ca.handlers import host_enrolment
from sshjit_ca.keys import krl as ca_krl
from sshjit_host.formats import bundle, krl, sshkey
from sshjit_host.front_end import host_report
from tests.support.host_machine import Authority, line, make_key, run


@pytest.mark.parametrize("serials", [[], [1], [7, 2**40 + 1, 2**64 - 1]])
def test_the_cas_revocation_lists_pass_and_openssh_reads_them_alike(
    serials: list[int], authority: Authority, tmp_path: Path
) -> None:
    data = ca_krl.write([([core_keys.parse_line(line(authority.user_ca))], serials)], version=3, time=1_700_000_000)
    assert krl.read(data).keys == ()
    (tmp_path / "krl").write_bytes(data)
    shown = run("ssh-keygen", "-Q", "-l", "-f", tmp_path / "krl")
    assert [int(text.split()[1]) for text in shown.splitlines() if text.startswith("serial:")] == serials


def test_a_bundle_reads_the_same_in_both(authority: Authority) -> None:
    text = authority.offer(ended=[["req-00000001", 5]], extended=[["req-00000002", 6]])["bundle"]
    there, here = core.read(text), bundle.read(text)
    assert core.write(there) == here.text
    assert (there.installation, there.sequence, there.issued, there.expires, there.root) == (
        here.installation,
        here.sequence,
        here.issued,
        here.expires,
        here.root.line,
    )
    assert there.user_ca == tuple(key.line for key in here.user_ca)
    assert there.host_ca == tuple(key.line for key in here.host_ca)
    assert base64.b64decode(there.krl) == here.revoked.data
    assert (there.ended, there.extended) == (here.ended, here.extended)


def test_the_fields_are_the_cores(authority: Authority) -> None:
    assert set(json.loads(core.write(core.read(authority.offer()["bundle"])))) == bundle._FIELDS


@pytest.mark.parametrize("kind", [("ed25519",), ("ecdsa", "-b", "256"), ("ecdsa", "-b", "384"), ("rsa", "-b", "3072")])
def test_keys_and_fingerprints_are_the_cores_and_openssh_s(kind: tuple[str, ...], tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", "-t", *kind)
    read = sshkey.read_line(line(key))
    assert read.blob == core_keys.parse_line(line(key)).blob
    assert read.fingerprint == run("ssh-keygen", "-l", "-f", key).split()[1]


def test_a_hosts_report_is_signed_in_the_words_that_the_ca_builds() -> None:
    message: dict[str, Any] = {"name": "web1", "host_key": "ssh-ed25519 AAAA", "time": 7, "problems": ("it's late",)}
    message |= {"bundle": 12, "sessions": 0, "ended": []}
    there = HostReport("web1", "ssh-ed25519 AAAA", 7, 12, 0, (), ("it's late",), "a signature")
    assert host_report.text("lab", message) == host_statements.report_text("lab", there)
    closed = replace(there, only_certificates=True)
    told = {**message, "only_certificates": True}
    assert host_report.text("lab", told) == host_statements.report_text("lab", closed)
    for kinds in ((), ("ssh-mldsa44-ed25519",)):  # none is a word too
        said = host_report.text("lab", {**message, "reads": kinds})
        assert said == host_statements.report_text("lab", replace(there, reads=kinds))
    assert host_report.MOST == host_enrolment.MAX_PROBLEMS
    assert host_report.LONGEST == host_enrolment.MAX_PROBLEM
