"""The second table: what nobody can get signed by our CA, though sshd would take some of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sshjit import sshcert
from sshjit.sshwire import string, text
from tests.support.certificate_maker import CertificateMaker, blob
from tests.support.sshd_oracle import HOST


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that our CA does not sign: the code of its error, and why."""

    asked: str
    code: str
    why: str
    ask: Callable[[CertificateMaker], object]


def _off_curve(maker: CertificateMaker) -> bytes:
    good = blob(maker.key("ecdsa-p256"))
    return good[:-1] + bytes([good[-1] ^ 1])


def _asked(
    key: Callable[[CertificateMaker], bytes] = lambda maker: blob(maker.key()), **terms: Any
) -> Callable[[CertificateMaker], object]:
    return lambda maker: maker.certificate(key(maker), **terms)


REFUSALS = (
    Refusal("no host at all (T1)", "no_principals", "naming nobody would mean everybody",
            _asked(host_ids=())),
    Refusal("257 hosts", "no_principals", "sshd takes no more than 256",
            _asked(host_ids=tuple(f"h{n}" for n in range(257)))),
    Refusal("the same host twice", "bad_principal", "each principal once", _asked(host_ids=(HOST, HOST))),
    *(
        Refusal(f"the login {login!a} (T2)", "bad_principal", "names are an ASCII allow-list", _asked(login=login))
        for login in ("deploy,root", "deploy\nroot", "deploy\0", "2deploy", "-deploy", "root@x", "", "d\u0435ploy")
    ),
    Refusal("serial 0 (T11)", "bad_serial", "it could not be revoked", _asked(serial=0)),
    Refusal("a lifetime of 0 s (T4)", "bad_validity", "0 means for ever elsewhere", _asked(lifetime=0)),
    Refusal("a window that is over (T4)", "grant_over", "nothing outlives the window", _asked(grant_ends=1)),
    Refusal("a login that is over (T4)", "login_over", "nothing outlives the login", _asked(login_ends=1)),
    Refusal("verify-required for a plain key (T8)", "hardware_key_needed", "sshd would ignore it",
            _asked(verify_required=True)),
    Refusal("a command with a line break", "bad_command", "one line of printable ASCII", _asked(command="id\nid")),
    Refusal("a source that is no network", "bad_network", "sshd would refuse the certificate",
            _asked(source=("here",))),
    Refusal("forwarding of something else", "bad_options", "only what is known", _asked(forwarding=("tun",))),
    Refusal("a certificate in place of a key (T6)", "certificate_as_key", "a certificate is not a key",
            _asked(lambda maker: maker.issue().blob)),
    Refusal("a key with bytes after it (T6)", "trailing_bytes", "a key is exactly a key",
            _asked(lambda maker: blob(maker.key()) + b"\0")),
    Refusal("an RSA key of 2048 bits (T6)", "weak_key", "3072 at least", _asked(lambda maker: maker.short_key())),
    Refusal("a point off its curve (T6)", "off_curve", "such keys give secrets away", _asked(_off_curve)),
    Refusal("an Ed25519 point of small order (T6)", "weak_key", "anybody can sign for it",
            _asked(lambda _: text("ssh-ed25519") + string(b"\1" + bytes(31)))),
    Refusal("a host name with a wildcard, for a host (T54)", "bad_host", "exact names only",
            lambda maker: maker.host_certificate(name="*.example.com")),
    Refusal("to read a certificate that names nobody", "no_principals", "our reader takes what our writer writes",
            lambda maker: sshcert.parse_blob(maker.forge(principals=()).blob)),
)  # fmt: skip
