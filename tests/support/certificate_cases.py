"""The table: what is offered to a real sshd, what it must answer, and what it must write about that in its log.

The host trusts five CA keys of ours and one that is being retired, for the principal ``deploy@web1``. What our
CA does not sign in the first place stands in ``certificate_refusals.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.certificate_maker import (
    CA_KINDS,
    GRANT,
    LOGIN,
    PRINCIPAL,
    REVOKED,
    SUBJECT,
    CertificateMaker,
    blob,
    sha1_signature,
)
from tests.support.sshd_oracle import HOST, NO_TERMINAL, Act, Offer


@dataclass(frozen=True, slots=True)
class Case:
    """One line: ``offered`` and ``why`` for readers; ``log``: a pattern of what sshd writes."""

    offered: str
    sshd: Literal["accepts", "refuses"]
    why: str
    log: str
    offer: Callable[[CertificateMaker], Offer]
    port: str = "host"
    act: Act = "command"
    output: str | None = None
    """All that the session prints, where it matters; ``denied``: sshd let the person in, and refused the service."""


_IN = r"Accepted publickey for .* \(serial 7\) CA "
_NOT_LISTED = "name is not a listed principal|does not contain an authorized principal"
_UNREADABLE = "parse key|bad key|parse publickey packet"
_REVOKED = "revoked by file|revoked"
_PLAIN = "asked\nagent\n"


def _accepted(offered: str, offer: Callable[[CertificateMaker], Offer], why: str = "in order", **more: Any) -> Case:
    return Case(offered, "accepts", why, more.pop("log", _IN), offer, **more)


def _refused(offered: str, log: str, offer: Callable[[CertificateMaker], Offer], why: str, **more: Any) -> Case:
    return Case(offered, "refuses", why, log, offer, **more)


def _issued(**terms: Any) -> Callable[[CertificateMaker], Offer]:
    return lambda maker: maker.issue(**terms)


def _forged(**said: Any) -> Callable[[CertificateMaker], Offer]:
    return lambda maker: maker.forge(**said)


def _changed(maker: CertificateMaker, place: bytes) -> Offer:
    """Our certificate with one bit of ``place`` turned after it was signed."""
    honest = maker.issue()
    at = honest.blob.index(place)
    return Offer(honest.blob[:at] + bytes([honest.blob[at] ^ 1]) + honest.blob[at + 1 :], honest.sign)


def _sha1_subject(maker: CertificateMaker) -> Offer:
    key = maker.key("rsa-3072")
    private = key._private  # type: ignore[union-attr]
    assert isinstance(private, rsa.RSAPrivateKey)
    return Offer(
        maker.issue("rsa-3072").blob, lambda data: sha1_signature(private, data), "ssh-rsa-cert-v01@openssh.com"
    )


def _sha1_ca(maker: CertificateMaker) -> Offer:
    private = maker.cas["rsa-3072"]._private
    assert isinstance(private, rsa.RSAPrivateKey)
    return maker.forge(ca="rsa-3072", signed=lambda body: sha1_signature(private, body))


KEYS = tuple(
    _accepted(f"{kind} key", _issued(kind=kind)) for kind in (*CA_KINDS, "rsa-4096", "sk-ed25519", "sk-ecdsa-p256")
)
CAS = tuple(
    _accepted(f"signed by a CA key {kind}", _issued(ca=kind), "rsa-sha2-512" if kind.startswith("rsa") else "in order")
    for kind in CA_KINDS
)
TIMES = (
    _refused("over since a minute", "expired", _issued(clock=-360), "expired"),
    _refused("from a clock one hour ahead (T10, T66)", "not yet valid", _issued(clock=3600),
             "sshd's clock decides as well; the CA backdates by 60 s"),
    _refused("forged: begins in an hour (T10)", "not yet valid", _forged(valid=(3600, 7200)), "not yet valid"),
    _accepted("a day was asked for (T4)", _issued(lifetime=86400), "the CA capped it at 15 minutes"),
)  # fmt: skip
NAMES = (
    _accepted("for two hosts, one of them this one", _issued(host_ids=("db1", HOST))),
    _accepted("for 256 hosts, the last of them this one", _issued(host_ids=(*(f"h{n}" for n in range(255)), HOST))),
    _refused("for another host", _NOT_LISTED, _issued(host_ids=("db1",)), "each host has its own principals"),
    _refused("for another login on this host", _NOT_LISTED, _issued(login="postgres"), "the login's file decides"),
    _refused("for a later machine of this name (T67)", _NOT_LISTED, _issued(host_ids=(f"{HOST}~2",)),
             "a machine's id, not its name, is in the principal"),
    _refused("forged: the bare login (T1)", _NOT_LISTED, _forged(principals=(LOGIN.encode(),)),
             "hosts trust no bare login"),
    _refused("by ssh-keygen: no principal at all (T1)", f"{_NOT_LISTED}|lacks principal", lambda s: s.by_ssh_keygen(),
             "means everybody elsewhere; not beside a principals file"),
    _refused("forged: two principals in one, with a comma (T2)", _NOT_LISTED,
             _forged(principals=(f"x,{PRINCIPAL}".encode(),)), "sshd compares whole names"),
    _refused("forged: the principal and a line break (T2)", _NOT_LISTED,
             _forged(principals=(f"{PRINCIPAL}\n".encode(),)), "sshd compares whole names"),
    _refused("forged: the principal, a NUL and more (T2)", _UNREADABLE,
             _forged(principals=(f"{PRINCIPAL}\0more".encode(),)), "not a name"),
    _accepted("forged: the principal and a NUL (T2)", _forged(principals=(f"{PRINCIPAL}\0".encode(),)),
              "sshd drops one NUL at the end: our profile cannot write it"),
    _refused("forged: a wildcard (T54)", _NOT_LISTED, _forged(principals=(b"*", f"*@{HOST}".encode())),
             "no wildcards in user certificates"),
)  # fmt: skip
OPTIONS = (
    _accepted("an exact command; the client asks for another", _issued(command="echo forced"),
              "what was approved runs, not what was asked for", output="forced\n"),
    _accepted("an exact command; the client asks for a terminal", _issued(command="echo forced"),
              "only shells get one", act="terminal", output="denied"),
    _accepted("a shell, with a terminal", _issued(), "permit-pty", act="terminal",
              log=rf"(?s){_IN}.*(Starting session: command on pts/|{NO_TERMINAL})"),
    _accepted("port forwarding that the rule does not give", _issued(), "refused to the session",
              act="port", output="denied"),
    _accepted("port forwarding that the rule gives", _issued(forwarding=("port",)), "permit-port-forwarding",
              act="port", output="forwarded"),
    _accepted("agent forwarding that the rule does not give", _issued(), "the session has no agent",
              act="agent", output=_PLAIN),
    _accepted("agent forwarding that the rule gives", _issued(forwarding=("agent",)), "permit-agent-forwarding",
              act="agent", output="asked\nagent forwarded\n"),
    _accepted("from an address that it names", _issued(source=("192.0.2.0/24", "127.0.0.0/8")), "source-address"),
    _refused("from an address that it does not name", "not from a permitted source address",
             _issued(source=("192.0.2.0/24",)), "source-address"),
    _accepted("an extension that sshd does not know", _issued(), "grant@ssh-jit is for our own hook",
              log=r'(?s)extension "grant@ssh-jit" is not supported.*' + _IN),
    _refused("forged: a critical option that sshd does not know", "not supported|Unsupported|unsupported",
             _forged(critical=(("never-heard@ssh-jit", b""),)), "critical means so"),
    _accepted("a key id of 200 bytes (T9)", _issued(person="p" * 300), "sshd's line stays whole, with serial and CA",
              log=rf"Accepted publickey .* ID {GRANT} {SUBJECT} p{{{200 - len(GRANT + SUBJECT) - 2}}} "
                  r"\(serial 7\) CA ED25519 SHA256:\S{43}\s"),
    _accepted("a person's name with a line break (T9)", _issued(person="eve\nAccepted publickey for root"),
              "the key id is one line of allowed characters",
              log=r"ID \S+ \S+ eve_Accepted_publickey_for_root \(serial 7\)"),
    _accepted("forged: a key id of 1200 bytes (T9)", _forged(key_id=b"k" * 1200),
              "sshd's line has no place left for serial and CA: ours end at 200",
              log=r"Accepted publickey .* ID k+\s*\n"),
)  # fmt: skip
HARDWARE = (
    _accepted("hardware key, touched and PIN given", lambda s: s.hardware(), "verify-required is met"),
    _accepted("hardware key sk-ecdsa, touched and PIN given", lambda s: s.hardware(kind="sk-ecdsa-p256"),
              "verify-required is met"),
    _refused("hardware key without the PIN", "user verification", lambda s: s.hardware(verified=False),
             "verify-required"),
    _refused("hardware key without a touch", "user presence", lambda s: s.hardware(touched=False), "always demanded"),
    _accepted("forged: verify-required over a plain key (T8)", _forged(critical=(("verify-required", b""),)),
              "sshd ignores it there: so our CA refuses to sign it"),
)  # fmt: skip
REVOCATION = (
    _refused("a revoked serial", _REVOKED, _issued(serial=REVOKED), "the list names it"),
    _refused("a revoked serial, by a CA key of another type", _REVOKED, _issued(serial=REVOKED, ca="ecdsa-p384"),
             "the list names it under every CA key"),
    _accepted("the serial after a revoked one", _issued(serial=REVOKED + 1), log=rf"\(serial {REVOKED + 1}\)"),
    _accepted("a revoked serial, where the list is empty", _issued(serial=REVOKED), "a valid list that names nothing",
              log=rf"\(serial {REVOKED}\)", port="empty KRL"),
    _accepted("a revoked serial, where the list is a file of 0 bytes (T31)", _issued(serial=REVOKED),
              "sshd takes it for an empty list: our host program never writes one", log=rf"\(serial {REVOKED}\)",
              port="0 bytes for a KRL"),
    _refused("in order, where the list is missing (T31)", "in revoked keys file", _issued(), "sshd refuses everybody",
             port="no KRL"),
    _refused("in order, where the list is cut in half (T31)", "in revoked keys file", _issued(),
             "sshd refuses everybody", port="half a KRL"),
    _accepted("by a CA key that is being retired", _issued(ca="old"), "hosts still trust it"),
    _refused("by a CA key that was retired", "Failed publickey", _issued(ca="old"), "hosts trust it no more",
             port="retired"),
    _refused("by a trusted CA key that the list revokes", _REVOKED, _issued(ca="old"), "the list counts first",
             port="ca revoked"),
    _accepted("by another CA key there", _issued(), port="ca revoked"),
)  # fmt: skip
FORGERIES = (
    _refused("by a CA of somebody else", "Failed publickey", _issued(ca="outsider"), "not trusted"),
    _refused("by our host CA", "Failed publickey", _issued(ca="host_ca"), "user and host CA are apart"),
    _refused("a host certificate", "Failed publickey", lambda s: s.host_certificate(), "not a user's, nor by its CA"),
    _refused("a host certificate by the user CA", "not a user certificate|Failed publickey",
             lambda s: s.host_certificate("ed25519"), "not a user's"),
    _refused("forged: neither for a user nor for a host", _UNREADABLE, _forged(kind=3), "no such kind"),
    _refused("signed by another key than the one it names", _UNREADABLE,
             lambda s: s.forge(signed=s.cas["outsider"].sign), "the signature does not fit"),
    _refused("the principal changed after signing", _UNREADABLE, lambda s: _changed(s, PRINCIPAL.encode()),
             "the signature does not fit"),
    _refused("an extension changed after signing", _UNREADABLE, lambda s: _changed(s, b"permit-pty"),
             "the signature does not fit"),
    _refused("signed with SHA-1 by an RSA CA key (T12)", f"signature algorithm|Failed publickey|{_UNREADABLE}",
             _sha1_ca, "sshd takes SHA-2 only"),
    _refused("offered by an RSA key that signs with SHA-1 (T12)", "not in PubkeyAcceptedAlgorithms|Failed publickey",
             _sha1_subject, "sshd takes SHA-2 only"),
    _refused("beside a key that it is not for", "Failed publickey",
             lambda s: Offer(s.issue().blob, s.key(name="mallory").sign), "the key must sign as well"),
    _refused("the key without its certificate", "Failed publickey|Connection closed",
             lambda s: Offer(blob(s.key()), s.key().sign), "plain keys open nothing"),
    _refused("forged: the CA key is itself a certificate (T6)", _UNREADABLE,
             lambda s: s.forge(ca_blob=s.issue().blob), "no chains in OpenSSH"),
    _accepted("by ssh-keygen: serial 0 (T11)", lambda s: s.by_ssh_keygen("-n", PRINCIPAL, "-V", "-1m:+5m"),
              "sshd does not mind, and no list can revoke it: our encoder cannot write it", log=r"\(serial 0\)"),
    _accepted("by ssh-keygen: valid for ever (T4)", lambda s: s.by_ssh_keygen("-n", PRINCIPAL, "-z", "7"),
              "sshd does not mind: our encoder cannot write it"),
)  # fmt: skip
CASES = (*KEYS, *CAS, *TIMES, *NAMES, *OPTIONS, *HARDWARE, *REVOCATION, *FORGERIES)
