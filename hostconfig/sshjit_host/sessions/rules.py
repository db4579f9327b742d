"""When a session is over, by what its certificate says and what the bundle says since. Pure: no clock, file or process.

A session lives as long as its grant: through certificates that run out meanwhile, and longer where the grant was
extended. One by an emergency or recovery certificate ends with the certificate. It is over sooner when the bundle says
that the grant has ended, or revokes the certificate or the key that signed it.

Two clocks count. Time that has passed by the boot clock since the session began has passed, whatever the wall clock
was set to; and no host's wall clock is believed to be earlier than the newest bundle.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sshjit_host.config import Config
from sshjit_host.formats import krl_query
from sshjit_host.formats.bundle import Bundle
from sshjit_host.formats.sshkey import blob_of
from sshjit_host.formats.user_certificate import UserCertificate

ENDED = "ended"
"""The grant was ended or revoked before its time."""
REVOKED = "revoked"
"""The certificate, or the CA key that signed it, was revoked."""
WINDOW = "window"
"""The grant's window is over."""
CERTIFICATE = "certificate"
"""The emergency certificate is over."""
LOGOUT = "logout"
"""The person left."""

SENTENCES = {
    ENDED: "Your access was ended.",
    REVOKED: "Your certificate was revoked.",
    WINDOW: "The time of your access is over.",
    CERTIFICATE: "The time of your emergency certificate is over.",
}
ELSEWHERE = "the certificate is for another host or account"
"""Why a session does not open."""


@dataclass(frozen=True)
class Moment:
    """Now, by the wall clock (seconds since the epoch) and by the boot clock (seconds since the machine started)."""

    wall: float
    boot: float


@dataclass(frozen=True)
class Terms:
    """What decides about a session. ``opened`` is when it began; times are seconds since the epoch."""

    serial: int
    key_id: str
    ca: bytes
    grant: str
    grant_ends: int
    valid_before: int
    emergency: bool
    opened: Moment


@dataclass(frozen=True)
class Knowledge:
    """What the newest bundle says about grants and certificates; without a bundle, nothing."""

    issued: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    extended: dict[str, int] = field(default_factory=dict)
    revoked: bytes = b""
    """A KRL."""
    cas: frozenset[bytes] = frozenset()
    """Blobs of the keys that sign, signed or will sign certificates for users."""


def knowledge(bundle: Bundle | None) -> Knowledge:
    """What a bundle says."""
    if bundle is None:
        return Knowledge()
    apart = bundle.post_quantum.keys if bundle.post_quantum else ()
    keys = frozenset(key.blob for key in bundle.user_ca + bundle.retired + apart) | frozenset(bundle.revoked_keys())
    keys |= {blob_of(key.line) for key in bundle.user_ca_later}
    return Knowledge(bundle.issued, dict(bundle.ended), dict(bundle.extended), bundle.every_list(), keys)


def end(terms: Terms, known: Knowledge) -> int:
    """Until when the session may last, by its terms and extensions of its grant."""
    if terms.emergency:
        return terms.valid_before
    return max(terms.grant_ends, known.extended.get(terms.grant, 0))


def left(terms: Terms, known: Knowledge, now: Moment) -> float:
    """Seconds until the session must end, by the clock that says less."""
    ends = end(terms, known)
    passed = now.boot - terms.opened.boot
    return min(ends - max(now.wall, known.issued), (ends - terms.opened.wall) - passed)


def taken(terms: Terms, known: Knowledge) -> str:
    """Why the bundle takes the session away before its time; empty if it does not."""
    if terms.grant in known.ended and not terms.emergency:
        return ENDED
    if known.revoked and krl_query.revokes(known.revoked, terms.ca, terms.serial, terms.key_id):
        return REVOKED
    return ""


def is_for(certificate: UserCertificate, user: str, config: Config) -> bool:
    """Whether a certificate names this account of this host, or the way that people pass through it.

    sshd has asked that already, by the principals files. Not so where somebody wrote a line ``cert-authority`` with
    principals of their choice into ``authorized_keys``: by it the certificates of any other host would open this one.
    """
    end = f"@{config.host_id}"
    passes = any(name.startswith("via/") and name.endswith(end) for name in certificate.principals)
    # Which account people pass through by may have changed since this program was started.
    return f"{user}{end}" in certificate.principals or (passes and user not in config.logins)


def over(terms: Terms, known: Knowledge, now: Moment) -> str:
    """Why the session's time is over; empty if it is not."""
    if left(terms, known, now) > 0:
        return ""
    return CERTIFICATE if terms.emergency else WINDOW
