"""Certificates for the table that a real sshd judges: those that our CA makes, and those that no CA should.

``issue`` goes the CA's own way: profile, encoder, signer, read back. ``forge`` writes whatever it is told, with no
check at all; ``by_ssh_keygen`` shows what OpenSSH's own tool lets through.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sshjit import profile, sshcert, sshkey
from sshjit.profile import Issue, UserTerms
from sshjit.sshkey import PublicKey
from sshjit.sshwire import string, text, u32, u64
from sshjit_ca.access.issuance import sign_and_read_back
from sshjit_ca.keys import krl
from sshjit_ca.keys.files import FileKey, load, make
from tests.support.installation import make_key
from tests.support.softkey import PRESENT, VERIFIED, SoftEcdsaKey, SoftKey
from tests.support.sshd_oracle import HOST, Offer, TrustedBySshd

LOGIN: Final = "deploy"
PRINCIPAL = f"{LOGIN}@{HOST}"
CEILING = 15 * 60
REVOKED = 4711
GRANT = "req-0123456789"
SUBJECT = "sub-0123456789"
CA_KINDS: Final = ("ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-3072")
SUBJECT_KINDS = (*CA_KINDS, "rsa-4096", "sk-ed25519", "sk-ecdsa-p256")
_BITS = {"ecdsa-p256": ("ecdsa", 256), "ecdsa-p384": ("ecdsa", 384), "ecdsa-p521": ("ecdsa", 521)}
_OTHERS = ("outsider", "host_ca", "old")
"""CA keys beside the active ones: nobody's, the host CA's, and one that is being retired."""


@dataclass(slots=True)
class CertificateMaker:
    """The keys, and ``now``: one time for the whole table, in seconds since the epoch."""

    folder: Path
    now: int = field(default_factory=lambda: int(time.time()))
    cas: dict[str, FileKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Makes the CA keys."""
        for kind in CA_KINDS:
            make(self.folder / f"ca-{kind}", kind)
            self.cas[kind] = load(self.folder / f"ca-{kind}")
        for name in _OTHERS:
            make(self.folder / name)
            self.cas[name] = load(self.folder / name)

    def trusted_by_port(self) -> Mapping[str, TrustedBySshd]:
        """What the hosts of the table believe."""
        active = [self.cas[kind].public for kind in CA_KINDS]
        old = self.cas["old"].public
        every = _lines([*active, old])
        revoking = self._krl(active, REVOKED)
        return {
            "host": TrustedBySshd(every, revoking),
            "retired": TrustedBySshd(_lines(active), revoking),
            "ca revoked": TrustedBySshd(every, self._krl(active, keys=[old])),
            "empty KRL": TrustedBySshd(every, self._krl(active)),
            "0 bytes for a KRL": TrustedBySshd(every, b""),
            "no KRL": TrustedBySshd(every, None),
            "half a KRL": TrustedBySshd(every, revoking[: len(revoking) // 2]),
        }

    def key(self, kind: str = "ed25519", name: str = "alice") -> FileKey | SoftKey:
        """Somebody's key of one of ``SUBJECT_KINDS``."""
        if kind.startswith("sk-"):
            return SoftKey() if kind == "sk-ed25519" else SoftEcdsaKey()
        family, bits = _BITS.get(kind) or (("rsa", int(kind[4:])) if kind.startswith("rsa") else (kind, None))
        path = make_key(self.folder / f"{name}-{kind}", family, bits)
        return load(path)

    def short_key(self) -> bytes:
        """An RSA key of 2048 bits, in wire format."""
        public = make_key(self.folder / "short", "rsa", 2048).with_suffix(".pub").read_text()
        return base64.b64decode(public.split()[1])

    def certificate(self, key: bytes, *, ca: str = "ed25519", clock: int = 0, serial: int = 7, **terms: Any) -> bytes:
        """A certificate by our CA for a key in wire format, ``clock`` seconds from now; ``terms`` replace usual ones.

        Raises ``SshJitError`` as the CA does.
        """
        now = self.now + clock
        decided: dict[str, Any] = {
            "grant": GRANT,
            "subject": SUBJECT,
            "person": "acme/alice@example.com",
            "login": LOGIN,
            "host_ids": (HOST,),
            "command": None,
            "forwarding": (),
            "source": (),
            "verify_required": False,
            "lifetime": 300,
            "grant_ends": now + 8 * 3600,
            "login_ends": now + 8 * 3600,
            **terms,
        }
        signer = self.cas[ca]
        issue = Issue(now, serial, secrets.token_bytes(profile.NONCE_BYTES), signer.public, CEILING)
        certificate = profile.user_certificate(UserTerms(**decided), sshkey.parse_blob(key), issue)
        return sign_and_read_back(certificate, signer)

    def issue(self, kind: str = "ed25519", **changes: Any) -> Offer:
        """The usual certificate, or what is changed of it, offered by the key that it is for."""
        key = self.key(kind)
        return Offer(self.certificate(blob(key), **changes), key.sign)

    def hardware(self, *, touched: bool = True, verified: bool = True, kind: str = "sk-ed25519") -> Offer:
        """A certificate that wants the PIN, offered by a hardware key that says this of touch and PIN."""
        key = self.key(kind)
        assert isinstance(key, SoftKey)
        key.flags = PRESENT * touched | VERIFIED * verified
        return Offer(self.certificate(key.blob, verify_required=True), key.sign)

    def host_certificate(self, ca: str = "host_ca", name: str = HOST) -> Offer:
        """A host certificate of ours over somebody's key, offered as if it were a user's."""
        key = self.key()
        issue = Issue(self.now, 8, secrets.token_bytes(32), self.cas[ca].public, CEILING)
        certificate = profile.host_certificate(name, (), sshkey.parse_blob(blob(key)), issue)
        return Offer(sign_and_read_back(certificate, self.cas[ca]), key.sign)

    def forge(
        self,
        *,
        ca: str = "ed25519",
        key: FileKey | None = None,
        signed: Callable[[bytes], bytes] | None = None,
        **said: Any,
    ) -> Offer:
        """A certificate that says anything; ``signed`` replaces the CA's signature."""
        subject = key or self.key()
        signer = self.cas[ca]
        body = encode_unchecked(blob(subject), said.pop("ca_blob", signer.public.blob), self.now, **said)
        return Offer(body + string((signed or signer.sign)(body)), subject.sign)

    def by_ssh_keygen(self, *options: str) -> Offer:
        """A certificate as ssh-keygen makes it when told no more than ``options``."""
        key, ca = self.key("ed25519", "keygen"), self.folder / "ca-ed25519"
        path = self.folder / "keygen-ed25519"
        subprocess.run(["ssh-keygen", "-q", "-s", ca, "-I", "by hand", *options, f"{path}.pub"], check=True)
        made = path.with_name(f"{path.name}-cert.pub").read_text()
        return Offer(base64.b64decode(made.split()[1]), key.sign)

    def _krl(self, cas: Iterable[PublicKey], *serials: int, keys: Iterable[PublicKey] = ()) -> bytes:
        return krl.write([(list(cas), serials)], version=1, time=self.now, keys=keys)


def blob(key: FileKey | SoftKey) -> bytes:
    """A key in wire format."""
    return key.blob if isinstance(key, SoftKey) else key.public.blob


def encode_unchecked(
    key: bytes,
    ca: bytes,
    now: int,
    *,
    kind: int = sshcert.USER,
    serial: int = 7,
    key_id: bytes = b"forged",
    principals: Iterable[bytes] = (PRINCIPAL.encode(),),
    valid: tuple[int, int] = (-60, 300),
    critical: Iterable[tuple[str, bytes]] = (),
    extensions: Iterable[tuple[str, bytes]] = (),
) -> bytes:
    """A certificate up to its signature, laid out as PROTOCOL.certkeys says; ``valid`` counts from now."""
    length = int.from_bytes(key[:4], "big")
    plain, body = key[4 : 4 + length].decode(), key[4 + length :]
    return b"".join(
        (
            text(sshcert.certificate_type(plain)),
            string(secrets.token_bytes(32)),
            body,
            u64(serial),
            u32(kind),
            string(key_id),
            string(b"".join(map(string, principals))),
            *(u64(now + offset) for offset in valid),
            *(string(b"".join(text(name) + string(value) for name, value in each)) for each in (critical, extensions)),
            string(b""),
            string(ca),
        )
    )


def sha1_signature(private: rsa.RSAPrivateKey, data: bytes) -> bytes:
    """What RSA keys signed with before 2017."""
    return text(sshkey.RSA) + string(private.sign(data, padding.PKCS1v15(), hashes.SHA1()))  # noqa: S303 - refused


def _lines(keys: Iterable[PublicKey]) -> tuple[str, ...]:
    return tuple(key.line for key in keys)
