"""A real sshd and a real ssh believe certificates by CA keys of every kind, and by no other key."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import debian
from sshjit import profile, sshcert, sshkey
from sshjit.profile import Issue, UserTerms
from sshjit.sshkey import PublicKey
from sshjit_ca.keys import Signer, files
from tests.support.devices import KINDS, ssh_key
from tests.support.host_machine import ME, Host, make_key
from tests.support.waiting import PATIENCE


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that sshd trusts."""
    with tempfile.TemporaryDirectory(prefix="test-cas-", dir=debian.cache()) as found:
        Path(found).chmod(0o755)
        yield Path(found)


def public(path: Path) -> PublicKey:
    return sshkey.parse_line(Path(f"{path}.pub").read_text())


def issue(signer: Signer, serial: int) -> Issue:
    return Issue(int(time.time()), serial, b"n" * 32, signer.public, 900)


def sealed(certificate: sshcert.Certificate, signer: Signer) -> str:
    signed = sshcert.encode(certificate)
    return sshcert.line(sshcert.seal(signed, signer.sign(signed))) + "\n"


def user_terms() -> UserTerms:
    now = int(time.time())
    return UserTerms(
        grant="req-0000000000000001",
        subject="sub-0000000000000001",
        person="acme/alice",
        login=ME,
        host_ids=("web1",),
        command=None,
        forwarding=(),
        source=(),
        verify_required=False,
        lifetime=300,
        grant_ends=now + 300,
        login_ends=now + 300,
    )


def log_in(host: Host, key: Path, known: Path) -> int:
    """The exit code of ssh, with the host believed only by its certificate."""
    options = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}")
    words = [
        word for option in (*options, "GlobalKnownHostsFile=/dev/null", "HostKeyAlias=web1") for word in ("-o", option)
    ]
    command = ["ssh", "-F", "none", "-q", "-i", str(key), "-p", str(host.port), "-l", ME, *words, "127.0.0.1", "true"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=PATIENCE).returncode


@pytest.mark.parametrize("kind", KINDS)
def test_user_and_host_certificates_by_every_kind_of_key(kind: str, folder: Path) -> None:
    user_ca, host_ca, stranger = (files.load(ssh_key(folder / name, kind)) for name in ("user_ca", "host_ca", "other"))
    host = Host(folder, folder / "unused", "http://127.0.0.1:9", "SHA256:" + "A" * 43)
    (folder / "principals").write_text(f"{ME}@web1\n")
    host.write_sshd_config(
        after=f"TrustedUserCAKeys {folder}/user_ca.pub\nAuthorizedPrincipalsFile {folder}/principals\n"
        f"HostCertificate {folder}/host_key-cert.pub\n"
    )
    certificate = profile.host_certificate("web1", (), public(folder / "host_key"), issue(host_ca, 1))
    (folder / "host_key-cert.pub").write_text(sealed(certificate, host_ca))
    key = make_key(folder / "person")
    known, unknown = folder / "known", folder / "unknown"
    known.write_text(f"@cert-authority web1 {host_ca.public.line}\n")
    unknown.write_text(f"@cert-authority web1 {stranger.public.line}\n")
    beside = folder / "person-cert.pub"
    with host.sshd() as log:
        for signer, believed, code in ((user_ca, known, 0), (stranger, known, 255), (user_ca, unknown, 255)):
            beside.write_text(sealed(profile.user_certificate(user_terms(), public(key), issue(signer, 7)), signer))
            assert log_in(host, key, believed) == code, log.read_text()
        beside.write_text(sealed(profile.host_certificate("web1", (), public(key), issue(user_ca, 8)), user_ca))
        assert log_in(host, key, known) == 255  # a host certificate, by the user CA even, opens nothing
        said = log.read_text()
    assert (
        f"CA {user_ca.public.type.removeprefix('ssh-').partition('-')[0].upper()} {user_ca.public.fingerprint}" in said
    )
