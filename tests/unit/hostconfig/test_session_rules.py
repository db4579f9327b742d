"""When a session is over, what its certificate says, and what is kept for the CA: without any process."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit import sshcert
from sshjit_host.formats import user_certificate
from sshjit_host.formats.sshkey import read_line
from sshjit_host.machine import files
from sshjit_host.openssh import pam_hook
from sshjit_host.sessions import rules
from sshjit_host.sessions import spool as session_spool
from sshjit_host.sessions.rules import Knowledge, Moment, Terms
from sshjit_host.sessions.spool import Spool
from tests.support.host_machine import Authority, line, make_key, run
from tests.support.session_host import user_certificate as make_certificate

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
GRANT = "req-0123456789abcdef"
OPENED = Moment(1_000_000, 500)
TERMS = Terms(
    serial=7,
    key_id="x",
    ca=b"ca",
    grant=GRANT,
    grant_ends=1_003_600,
    valid_before=1_000_300,
    emergency=False,
    opened=OPENED,
)


def after(seconds: float, *, wall: float | None = None) -> Moment:
    return Moment(OPENED.wall + (seconds if wall is None else wall), OPENED.boot + seconds)


def test_it_lasts_as_long_as_the_grant_and_its_extension() -> None:
    known = Knowledge()
    assert not rules.over(TERMS, known, after(3599))
    assert rules.over(TERMS, known, after(3600)) == "window"
    longer = Knowledge(extended={GRANT: 1_007_200})
    assert not rules.over(TERMS, longer, after(7199))
    assert rules.over(TERMS, longer, after(7200)) == "window"
    assert rules.end(TERMS, Knowledge(extended={GRANT: 1_000_100})) == 1_003_600, "the newer certificate knows"


def test_an_emergency_lasts_as_long_as_its_certificate() -> None:
    urgent = replace(TERMS, emergency=True)
    assert not rules.over(urgent, Knowledge(), after(299))
    assert rules.over(urgent, Knowledge(), after(300)) == "certificate"
    assert not rules.over(urgent, Knowledge(ended={GRANT: 1}), after(1))


def test_a_clock_that_is_set_back_keeps_nothing() -> None:
    assert rules.over(TERMS, Knowledge(), after(3600, wall=-86_400)) == "window"
    assert rules.over(TERMS, Knowledge(issued=1_003_600), after(10, wall=10)) == "window", "the bundle knows"
    assert rules.over(TERMS, Knowledge(), after(10, wall=3600)) == "window", "set forward, it ends early"


def test_an_ended_grant_takes_it_away() -> None:
    assert rules.taken(TERMS, Knowledge(ended={GRANT: 1})) == "ended"
    assert rules.taken(TERMS, Knowledge(ended={"req-other000000": 1})) == ""


SPECIFICATIONS = (
    "serial: 7\n",
    "serial: 1-6\nserial: 8-100\n",
    "serial: 5-9\n",
    "serial: 5-90000000\n",
    "".join(f"serial: {number}\n" for number in range(1, 60, 2)),
    "".join(f"serial: {number}\n" for number in range(2, 60, 2)),
    "serial: 1\nserial: 100000\nserial: 7000000000000\n",
    f"id: {GRANT} alice\n",
    "id: somebody\n",
)


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_a_revocation_list_says_the_same_to_ssh_keygen(specification: str, authority: Authority) -> None:
    data = authority.krl(specification)
    listed = authority.folder / "asked.krl"
    listed.write_bytes(data)
    for serial, identity in ((7, "x"), (8, f"{GRANT} alice"), (1, "x"), (7_000_000_000_000, "x")):
        key = make_certificate(authority, serial, grant=GRANT, ends=1, key_id=identity)
        verdict = subprocess.run(
            ["ssh-keygen", "-Q", "-f", listed, f"{key}-cert.pub"], check=False, capture_output=True
        )
        certificate = read(Path(f"{key}-cert.pub"))
        terms = replace(TERMS, serial=certificate.serial, key_id=certificate.key_id, ca=certificate.ca)
        assert rules.taken(terms, Knowledge(revoked=data)) == ("revoked" if verdict.returncode else "")


def test_a_revoked_ca_key_takes_its_sessions_away(authority: Authority) -> None:
    listed = authority.folder / "keys.krl"
    run("ssh-keygen", "-q", "-k", "-f", listed, f"{authority.user_ca}.pub")
    blob = read_line(line(authority.user_ca)).blob
    assert rules.taken(replace(TERMS, ca=blob), Knowledge(revoked=listed.read_bytes())) == "revoked"
    assert rules.taken(TERMS, Knowledge(revoked=listed.read_bytes())) == ""


def read(path: Path) -> user_certificate.UserCertificate:
    kind, text = path.read_text().split()[:2]
    (certificate,) = user_certificate.of_session(f"publickey {kind} {text}\n")
    return certificate


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*-user-cert.pub")), ids=lambda path: path.name)
def test_certificates_of_every_type_are_read_as_the_core_reads_them(path: Path) -> None:
    text = path.read_text()
    certificate, core = read(path), sshcert.parse_line(text)[0]
    assert certificate.digest == hashlib.sha256(base64.b64decode(text.split()[1])).hexdigest()
    assert (certificate.serial, certificate.key_id) == (core.serial, core.key_id)
    assert certificate.principals == core.principals
    assert (certificate.valid_after, certificate.valid_before) == (core.valid_after, core.valid_before)
    assert certificate.ca == core.ca_blob


def test_the_grant_stands_in_the_certificate_and_emergencies_are_told_apart(authority: Authority) -> None:
    plain = read(Path(f"{make_certificate(authority, 31, grant=GRANT, ends=1_900_000_000)}-cert.pub"))
    assert (plain.grant, plain.grant_ends, plain.emergency) == (GRANT, 1_900_000_000, False)
    for number, identity in enumerate(("urgent-0123456789 operator emergency", "recovery", "recovery 2026 safe")):
        key = make_certificate(authority, 32 + number, grant=GRANT, ends=1_900_000_000, key_id=identity)
        assert read(Path(f"{key}-cert.pub")).emergency
    none = make_certificate(authority, 36, grant="", ends=0)
    assert read(Path(f"{none}-cert.pub")).emergency, "what names no grant ends with the certificate"
    lying = make_certificate(authority, 37, grant=GRANT, ends=1, key_id="req-x alice urgent-0 operator emergency")
    assert not read(Path(f"{lying}-cert.pub")).emergency


@pytest.mark.parametrize(
    "auth_info", ["", "password", "publickey ssh-ed25519 AAAA\n", "hostbased x-cert-v01@openssh.com A"]
)
def test_other_ways_in_have_no_certificate(auth_info: str) -> None:
    assert user_certificate.of_session(auth_info) == ()


def test_two_certificates_are_both_seen(authority: Authority) -> None:
    """Where sshd asks for two keys, one by another CA does not hide ours."""
    shown = []
    for serial in (51, 52):
        key = make_certificate(authority, serial, grant=GRANT, ends=1)
        shown.append(f"publickey {' '.join(Path(f'{key}-cert.pub').read_text().split()[:2])}\n")
    assert [each.serial for each in user_certificate.of_session("".join(shown))] == [51, 52]


def test_a_ca_key_is_seen_in_a_certificate_wherever_it_stands_in_it(authority: Authority) -> None:
    blob = read_line(line(authority.user_ca)).blob
    other = read_line(line(make_key(authority.folder / "another"))).blob
    for length in range(1, 8):
        key = make_certificate(authority, 41, grant=GRANT, ends=1, key_id="x" * length)
        text = Path(f"{key}-cert.pub").read_text().split()[1]
        assert sum(shown in text for shown in pam_hook.appearances(blob)) == 1
        assert not any(shown in text for shown in pam_hook.appearances(other))


def event(**more: Any) -> dict[str, Any]:
    return {"kind": "start", "session": "ses-0", **more}


def test_events_are_numbered_once_for_ever(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "reports")
    spool.prepare()
    for _ in range(3):
        spool.add(event(), 1_000.0)
    assert [each["number"] for each in spool.waiting(2)] == [1_000_000, 1_000_001]
    spool.remove_up_to(1_000_002)
    again = Spool(tmp_path / "reports")
    again.prepare()
    again.add(event(), 5.0)
    assert [each["number"] for each in again.waiting(9)] == [1_000_003], "also when the clock was set back"


def test_the_spool_is_bounded_and_counts_what_it_drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_spool, "MOST", 3)
    spool = Spool(tmp_path / "reports")
    spool.prepare()
    for number in range(5):
        spool.add(event(n=number), 1_000.0)
    assert [each["n"] for each in spool.waiting(9)] == [2, 3, 4]
    assert spool.lost == 2
    spool.lost_was_told(2)
    assert spool.lost == 0


def test_half_an_event_is_passed_over(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "reports")
    spool.prepare()
    spool.add(event(n=1), 1.0)
    spool.add(event(n=2), 1.0)
    files.write(next((tmp_path / "reports").glob("*1000.json")), b'{"n":')
    assert [each["n"] for each in spool.waiting(9)] == [2]
    assert spool.size == 1


def test_a_post_quantum_certificate_is_read_by_its_own_name() -> None:
    certificate = read(VECTORS / "post-quantum" / "mldsa44-ed25519-user-cert.pub")
    assert (certificate.serial, certificate.key_id, certificate.principals) == (7, "vector", ("deploy@web1",))
    assert certificate.ca.startswith(b"\0\0\0\x0bssh-ed25519")
