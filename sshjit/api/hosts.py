"""Enrolled hosts as they are shown, and what hosts say for themselves (``docs/protocol.md``, section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sshjit import wire
from sshjit.api.effects import AffectedView
from sshjit.api.message import Message, Reply
from sshjit.api.outcomes import Done
from sshjit.api.views import PostQuantumWord
from sshjit.limits import AtMost, HostKeys, Id, KeyLine, Lineage, Logins, Name, ReadTypes, Signature, Signatures


@dataclass(frozen=True, slots=True)
class HostView:
    """An enrolled host. ``labels`` are pairs, sorted by key."""

    name: str
    id: str
    aliases: tuple[str, ...]
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]
    via: str = wire.added(2, default="")
    """The name of the bastion through which people reach it; empty: directly."""
    jump_login: str = wire.added(2, default="")
    """As a bastion: the Unix account by which people pass through; empty: it is none."""
    post_quantum: PostQuantumWord = wire.added(2, default="no")
    """Whether it takes post-quantum certificates."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """The secret by which a new host proves that it is the one that was meant; it never travels back."""

    token: str
    expires: int


@dataclass(frozen=True, slots=True)
class HostReply(Reply):
    """The enrolled host, and a certificate line for each of its host keys, in the same order."""

    host: HostView
    certificates: tuple[str, ...]
    bundle_root: str
    """``SHA256:…`` of the bundle key: what the host pins."""
    bundle_key: str
    """The bundle key as one OpenSSH line."""
    invitation: Invitation | None
    """For a host that has no keys yet, at the admin socket alone."""
    left_out: tuple[str, ...] = wire.added(2, default=())
    """Types of host keys that were offered and that this CA does not certify: the host goes on without them."""
    closes: tuple[AffectedView, ...] = wire.added(2, default=())
    """After labelling: the open grants that give no further certificate because of it."""
    ask_again: tuple[AffectedView, ...] = wire.added(2, default=())
    """After labelling: the waiting requests that have to be made again."""
    logins: tuple[str, ...] = wire.added(2, default=())
    """At the admin socket: the Unix accounts that people reach on the host."""
    warnings: tuple[str, ...] = wire.added(2, default=())
    """At the admin socket, of a host that was added: what is probably not as it was meant, a sentence each."""
    ended: tuple[AffectedView, ...] = wire.added(2, default=())
    """After labelling: the open grants that were revoked because of it, where that was asked for."""
    sooner: tuple[AffectedView, ...] = wire.added(2, default=())
    """After labelling: the open grants that end sooner because of it."""


@dataclass(frozen=True, slots=True)
class ProbedView:
    """How an operator's probe found a host last: ``ok``, ``bad`` or ``unreachable``, with codes that say why."""

    name: str
    verdict: str
    problems: tuple[str, ...]
    time: int


@dataclass(frozen=True, slots=True)
class HostsReply(Reply):
    """Hosts, by name."""

    hosts: tuple[HostView, ...]
    certified: tuple[tuple[str, int], ...] = wire.added(2, default=())
    """Names of hosts that show certificates, and until when those of all their keys last; 0: one key has none."""
    logins: tuple[tuple[str, tuple[str, ...]], ...] = wire.added(2, default=())
    """At the admin socket: names of hosts, and the Unix accounts that people reach there."""
    probed: tuple[ProbedView, ...] = wire.added(2, default=())
    """At the admin socket: the hosts that were probed, and how they were found last."""


@dataclass(frozen=True, slots=True)
class JoinHost(Message, answer="HostReply"):
    """A new host proves the token and each of its keys, and gets certificates for them."""

    name: str
    host_keys: HostKeys
    """Public keys, one OpenSSH line each."""
    mac: str
    """HMAC by the token over name and keys, base64url: the token itself stays where it is."""
    signatures: Signatures
    """An SSHSIG by each key, in the same order, namespace ``join@ssh-jit``."""
    invitation: Id = wire.added(2, default="", weakens=True)
    """The id of the fleet's invitation that the token is of; empty: the token is for this host alone."""
    logins: Logins = wire.added(2, default=(), weakens=True)
    """The Unix accounts that the host lets people into. Operators are shown them; nothing is decided by them."""
    address: Name = wire.added(2, default="", weakens=True)
    """Of a fleet's host: where people connect to; empty: its name."""
    port: int = wire.added(2, default=0, weakens=True)
    """Of a fleet's host; 0: 22."""
    host_certificates: bool = wire.added(2, default=True, weakens=True)
    """Whether the host shows its certificates. If not, clients trust the keys that it proved."""
    jump_login: Name = wire.added(2, default="", weakens=True)
    """The Unix account by which it lets people pass through to hosts behind it; empty: it is no bastion."""


@dataclass(frozen=True, slots=True)
class LeaveHost(Message, answer=Done):
    """A host says, by one of its registered keys, that it is no longer to be reached; the CA removes it."""

    name: str
    host_key: KeyLine
    time: int
    """The host's clock, as for ``SignHost``."""
    signature: Signature
    """SSHSIG by ``host_key``, namespace ``leave@ssh-jit``."""


@dataclass(frozen=True, slots=True)
class SignHost(Message, answer="HostReply"):
    """A host renews the certificates of its registered keys."""

    name: str
    host_keys: HostKeys
    time: int
    """The host's clock; a text is taken for five minutes, and no older one after it."""
    signatures: Signatures
    """An SSHSIG by each key, in the same order, namespace ``renew@ssh-jit``."""
    host_certificates: bool | None = wire.added(2, default=None, weakens=True)
    """Whether the host shows its certificates from now on; ``None``: as before. If not, clients trust its keys."""


@dataclass(frozen=True, slots=True)
class HostReport(Message, answer=Done):
    """A host says how it is."""

    name: str
    host_key: KeyLine
    time: int
    bundle: int
    """The sequence of the bundle that it believes."""
    sessions: int
    """Sessions by certificates of ours that are open. 0 from a host that tells of each by ``ReportSessions``."""
    ended: Annotated[tuple[Id, ...], AtMost(64, "too_many")]
    """Grants whose sessions it has ended since its last report."""
    problems: Annotated[tuple[str, ...], AtMost(16, "too_many")]
    """What its doctor found, a sentence each."""
    signature: Signature
    """SSHSIG by ``host_key``, namespace ``report@ssh-jit``."""
    only_certificates: bool = wire.added(2, default=False)
    """Whether its accounts are open to certificates alone."""
    checkpoint: str = wire.added(2, default="")
    """The checkpoint of the bundle that it believes, where something is wrong: a CA that lost entries hears of it."""
    reads: ReadTypes | None = wire.added(2, default=None)
    """The types of CA keys, beside those that every OpenSSH knows, by which its sshd, as it is configured, takes
    people's certificates; ``None``: it says nothing of that."""
    lineage: Lineage = wire.added(2, default="")
    """The ``lineage`` of that bundle, as it is there."""
