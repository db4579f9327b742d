"""Host certificates, judged by OpenSSH's own client, which signs in with a certificate of ours."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.hosts import ADDRESS
from sshjit import profile, sshcert, sshkey
from sshjit.sshwire import string
from sshjit_ca.access.issuance import sign_and_read_back
from tests.support.certificate_maker import PRINCIPAL, CertificateMaker, blob, encode_unchecked
from tests.support.sshd_oracle import HOST, SshdOracle, running_sshd
from tests.support.waiting import PATIENCE

ALIAS = "web1.example.com"
Make = Callable[[CertificateMaker, bytes], bytes]


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> CertificateMaker:
    """The CA's keys."""
    return CertificateMaker(tmp_path_factory.mktemp("maker"))


@pytest.fixture(scope="module")
def sshd(maker: CertificateMaker) -> Iterator[SshdOracle]:
    """A server whose host certificate changes."""
    with running_sshd({"host": maker.trusted_by_port()["host"]}, PRINCIPAL) as running:
        yield running


def ours(maker: CertificateMaker, key: bytes, *, ca: str = "host_ca", clock: int = 0) -> bytes:
    """The certificate that our CA makes for a host key."""
    issue = profile.Issue(maker.now + clock, 9, bytes(32), maker.cas[ca].public, 900)
    certificate = profile.host_certificate(HOST, (ALIAS,), sshkey.parse_blob(key), issue)
    return sign_and_read_back(certificate, maker.cas[ca])


def forged(maker: CertificateMaker, key: bytes, kind: int, *principals: bytes) -> bytes:
    """A certificate by the host CA that says what ours would not."""
    ca = maker.cas["host_ca"]
    body = encode_unchecked(key, ca.public.blob, maker.now, kind=kind, principals=principals)
    return body + string(ca.sign(body))


def ssh(maker: CertificateMaker, sshd: SshdOracle, name: str) -> subprocess.CompletedProcess[str]:
    """Signs in with a certificate of ours, believing our host CA alone."""
    key = maker.folder / "alice-ed25519"
    certificate = maker.certificate(blob(maker.key()))
    Path(f"{key}-cert.pub").write_text(f"{sshcert.line(certificate)}\n")
    known = maker.folder / "known_hosts"
    known.write_text(f"@cert-authority * {maker.cas['host_ca'].public.line}\n")
    options = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}",
               "GlobalKnownHostsFile=none", f"HostKeyAlias={name}", "IdentityAgent=none")  # fmt: skip
    command = ["ssh", "-F", "none", "-i", str(key), "-p", str(sshd.ports["host"]), "-l", sshd.host.login]
    command += [part for option in options for part in ("-o", option)] + [ADDRESS, "echo in"]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


@pytest.mark.parametrize(
    ("make", "name", "accepted"),
    [
        (ours, HOST, True),
        (ours, ALIAS, True),
        (ours, "db1", False),
        (lambda maker, key: ours(maker, key, ca="ed25519"), HOST, False),
        (lambda maker, key: ours(maker, key, ca="outsider"), HOST, False),
        (lambda maker, key: ours(maker, key, clock=-8 * 86400), HOST, False),
        (lambda maker, key: ours(maker, key, clock=3600), HOST, False),
        (lambda maker, key: forged(maker, key, sshcert.USER, HOST.encode()), HOST, False),
        (lambda maker, key: forged(maker, key, sshcert.HOST, b"other"), HOST, False),
        (lambda maker, _: ours(maker, blob(maker.key(name="mallory"))), HOST, False),
    ],
    ids=[
        "its-name", "its-alias", "another-name", "by-the-user-ca", "by-somebody-elses-ca", "over", "not-yet",
        "a-user-certificate", "for-another-host", "for-another-key",
    ],
)  # fmt: skip
def test_ssh_believes_a_host(
    maker: CertificateMaker, sshd: SshdOracle, make: Make, name: str, *, accepted: bool
) -> None:
    key = sshkey.parse_line(sshd.host.public_key.read_text()).blob
    path = sshd.host.public_key.with_name("ssh_host_ed25519_key-cert.pub")
    path.write_text(f"{sshcert.line(make(maker, key))}\n")
    sshd.host.reload()
    done = ssh(maker, sshd, name)
    assert (done.returncode, done.stdout) == ((0, "in\n") if accepted else (255, "")), done.stderr
    assert accepted or "Host key verification failed" in done.stderr
