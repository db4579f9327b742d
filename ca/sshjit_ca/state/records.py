"""What the state consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import events
from sshjit.api.bodies import LockKind
from sshjit.ca_protocol.keys import Purpose
from sshjit.sshkey import MLDSA44_ED25519

_POST_QUANTUM = f"{MLDSA44_ED25519} "


@dataclass(frozen=True, slots=True)
class Login:
    """A verified sign-in. ``opened`` is what the token said; ``time`` when the CA took it."""

    opened: events.LoginOpened
    time: int
    entry: int
    """Where it stands in the log."""
    closed: bool = False

    def alive(self, now: int) -> bool:
        """Whether it can still be used."""
        return not self.closed and now < self.opened.expires


@dataclass(frozen=True, slots=True)
class BoundProvider:
    """What a provider's id means for ever: people are the same as long as both are."""

    issuer: str
    subject_claim: str


@dataclass(frozen=True, slots=True)
class RotaRecord:
    """The newest text of a rota, by SHA-256 (hex), and when it was issued."""

    digest: str
    issued: int
    text: str
    entry: int
    """Where it stands in the log."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A user certificate that was issued."""

    serial: int
    request: str
    login_id: str
    """The login that drew it, whose key is inside."""
    valid_before: int
    bastion: str = ""
    """The id of the bastion that it only passes through."""
    post_quantum: bool = False
    """Whether the post-quantum CA signed it."""


@dataclass(frozen=True, slots=True)
class Emergency:
    """A user certificate that an operator drew past every rule."""

    id: str
    serial: int
    valid_before: int


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """A host certificate that was issued. ``host`` is the host's id, ``key`` the fingerprint of the key inside."""

    host: str
    key: str
    valid_before: int
    gone: bool = False
    """The host is enrolled no more."""


@dataclass(frozen=True, slots=True)
class Host:
    """An enrolled host."""

    id: str
    name: str
    aliases: tuple[str, ...]
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]
    host_keys: tuple[str, ...]
    logins: tuple[str, ...] = ()
    """The Unix accounts that people reach there: for operators to see."""
    host_certificates: bool = True
    """Whether the host shows its certificates."""
    invitation: str | None = None
    """The fleet's invitation by which it joined."""
    seen: int = 0
    """When it was enrolled, joined, renewed its certificates or reported last."""
    via: str = ""
    """The id of the bastion through which people reach it."""
    jump_login: str = ""
    """As a bastion: the account by which people pass through."""
    post_quantum_only: bool = False
    """Whether it trusts post-quantum CA keys alone."""


@dataclass(frozen=True, slots=True)
class Invited:
    """What a host's one-time token is made from, and until when it counts."""

    nonce: str
    expires: int
    over: Literal["", "used", "revoked"] = ""
    """Why it counts no more: whoever comes with it all the same is worth an alarm."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """An invitation by which several hosts may join. Times and ``forget_after`` in seconds."""

    id: str
    nonce: str
    pattern: str
    labels: tuple[tuple[str, str], ...]
    logins: tuple[str, ...]
    uses: int
    expires: int
    forget_after: int
    used: int = 0
    revoked: bool = False
    via: str = ""
    """The id of the bastion through which people reach its hosts."""
    networks: tuple[str, ...] = ()
    """The networks that their addresses must be in."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What a host said last."""

    time: int
    bundle: int
    sessions: int
    problems: tuple[str, ...]
    only_certificates: bool = False
    """Whether its accounts are open to certificates alone."""
    reads: tuple[str, ...] | None = None
    """The later types of CA keys by which its sshd takes people's certificates; ``None``: it said nothing of that."""


@dataclass(frozen=True, slots=True)
class Probed:
    """How an operator's probe found a host. ``problems``: codes of ``ca/sshjit_ca/access/probe_findings.py``."""

    time: int
    verdict: events.ProbeVerdict
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HardwareKey:
    """A hardware key that the operator vouches for."""

    subject: str
    line: str
    time: int


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey by which its owner may sign approvals; ``credential`` and ``public_key`` are base64url."""

    id: str
    subject: str
    name: str
    rp_id: str
    credential: str
    public_key: str
    device_bound: bool
    backed_up: bool
    counter: int
    """The highest that it ever said; 0: it never counted."""
    registered: int
    counts_from: int
    used: int | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock in force. ``subjects`` are the accounts of a locked person."""

    id: str
    kind: LockKind
    target: str | None
    subjects: tuple[str, ...]
    by: str | None
    reason: str
    time: int


@dataclass(frozen=True, slots=True)
class CaKey:
    """A key of the CA's own."""

    purpose: Purpose
    fingerprint: str
    line: str
    reference: str
    state: Literal["pending", "active", "retiring", "retired"]
    added: int
    told: int | None = None
    """When the first bundle was signed that could name it."""
    alive_until: int = 0
    """The end of the last certificate that it signed."""
    revoked: bool = False
    """Whether hosts refuse it by name."""

    @property
    def post_quantum(self) -> bool:
        """Whether it signs the post-quantum dialect: that follows from its type."""
        return self.line.startswith(_POST_QUANTUM)
