"""Host certificates, judged by OpenSSH's own client, which signs in with a certificate of ours."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.hosts import ADDRESS
from sshjit import profile, sshcert, sshkey
from sshjit.sshwire import string
from sshjit_ca.access.signing import sign_and_read_back
from tests.support.certificate_shop import PRINCIPAL, Shop, blob, encode_unchecked
from tests.support.judge import HOST, Judge, judge
from tests.support.waiting import PATIENCE

ALIAS = "web1.example.com"
Make = Callable[[Shop, bytes], bytes]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The CA's keys."""
    return Shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def sshd(shop: Shop) -> Iterator[Judge]:
    """A server whose host certificate changes."""
    with judge({"host": shop.doors()["host"]}, PRINCIPAL) as running:
        yield running


def ours(shop: Shop, key: bytes, *, ca: str = "host_ca", clock: int = 0) -> bytes:
    """The certificate that our CA makes for a host key."""
    issue = profile.Issue(shop.now + clock, 9, bytes(32), shop.cas[ca].public, 900)
    certificate = profile.host_certificate(HOST, (ALIAS,), sshkey.parse_blob(key), issue)
    return sign_and_read_back(certificate, shop.cas[ca])


def forged(shop: Shop, key: bytes, kind: int, *principals: bytes) -> bytes:
    """A certificate by the host CA that says what ours would not."""
    ca = shop.cas["host_ca"]
    body = encode_unchecked(key, ca.public.blob, shop.now, kind=kind, principals=principals)
    return body + string(ca.sign(body))


def ssh(shop: Shop, sshd: Judge, name: str) -> subprocess.CompletedProcess[str]:
    """Signs in with a certificate of ours, believing our host CA alone."""
    key = shop.folder / "alice-ed25519"
    certificate = shop.certificate(blob(shop.key()))
    Path(f"{key}-cert.pub").write_text(f"{sshcert.line(certificate)}\n")
    known = shop.folder / "known_hosts"
    known.write_text(f"@cert-authority * {shop.cas['host_ca'].public.line}\n")
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
        (lambda shop, key: ours(shop, key, ca="ed25519"), HOST, False),
        (lambda shop, key: ours(shop, key, ca="outsider"), HOST, False),
        (lambda shop, key: ours(shop, key, clock=-8 * 86400), HOST, False),
        (lambda shop, key: ours(shop, key, clock=3600), HOST, False),
        (lambda shop, key: forged(shop, key, sshcert.USER, HOST.encode()), HOST, False),
        (lambda shop, key: forged(shop, key, sshcert.HOST, b"other"), HOST, False),
        (lambda shop, _: ours(shop, blob(shop.key(name="mallory"))), HOST, False),
    ],
    ids=[
        "its-name", "its-alias", "another-name", "by-the-user-ca", "by-somebody-elses-ca", "over", "not-yet",
        "a-user-certificate", "for-another-host", "for-another-key",
    ],
)  # fmt: skip
def test_ssh_believes_a_host(shop: Shop, sshd: Judge, make: Make, name: str, *, accepted: bool) -> None:
    key = sshkey.parse_line(sshd.host.public_key.read_text()).blob
    path = sshd.host.public_key.with_name("ssh_host_ed25519_key-cert.pub")
    path.write_text(f"{sshcert.line(make(shop, key))}\n")
    sshd.host.reload()
    done = ssh(shop, sshd, name)
    assert (done.returncode, done.stdout) == ((0, "in\n") if accepted else (255, "")), done.stderr
    assert accepted or "Host key verification failed" in done.stderr
