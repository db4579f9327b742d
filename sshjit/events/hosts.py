"""Hosts and their certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.events.parts import added, detail


@dataclass(frozen=True, slots=True)
class HostAdded:
    """A host is enrolled."""

    by: str | None
    """The subject whose signature did it; ``None``: the operator."""
    host_id: str = detail()
    name: str = detail()
    aliases: tuple[str, ...] = detail()
    address: str = detail()
    port: int = detail()
    labels: tuple[tuple[str, str], ...] = detail()
    host_keys: tuple[str, ...] = detail()
    logins: tuple[str, ...] = added(default=(), detail=True)
    """The Unix accounts that people are to reach there, as far as the CA was told."""
    host_certificates: bool = added(default=True)
    """Whether the host shows its certificates."""
    invitation: str | None = added(default=None)
    """The fleet's invitation by which the host joined by itself."""
    via: str = added(default="", detail=True)
    """The id of the bastion through which people reach it; empty: they reach it directly."""
    jump_login: str = added(default="", detail=True)
    """As a bastion: the Unix account by which people pass through; empty: it is none."""


@dataclass(frozen=True, slots=True)
class HostInvited:
    """A one-time token was made for a host. ``nonce`` alone makes no token: that takes the CA's secret too."""

    nonce: str
    expires: int
    host_id: str = detail()
    name: str = detail()


@dataclass(frozen=True, slots=True)
class FleetInvited:
    """A token was made by which several hosts may join, each by itself. ``nonce`` as for ``HostInvited``."""

    invitation: str
    nonce: str
    uses: int
    expires: int
    forget_after: int
    """Seconds after which a host of it is removed that neither renewed its certificates nor reported."""
    pattern: str = detail()
    """Which names its hosts may have."""
    labels: tuple[tuple[str, str], ...] = detail()
    logins: tuple[str, ...] = detail()
    via: str = added(default="", detail=True)
    """The id of the bastion through which people reach them."""
    networks: tuple[str, ...] = added(default=(), detail=True)
    """The networks that their addresses must be in, as they say them when they join; none: ``invitations`` decides."""


@dataclass(frozen=True, slots=True)
class InvitationEnded:
    """An invitation counts no more: a fleet's, by its id, or a single host's."""

    invitation: str | None
    host_id: str = detail()
    name: str = detail()
    """Of the host, or the fleet's pattern."""
    reason: str = detail()


JoinProblem = Literal["used", "revoked", "used_up", "not_in_pattern", "name_taken", "key_taken"]


@dataclass(frozen=True, slots=True)
class JoinRefused:
    """Somebody proved a token, and a host may not join by it (again). ``count`` such attempts since the last entry."""

    invitation: str | None
    """The fleet's; ``None``: the token was for one host."""
    problem: JoinProblem
    count: int
    name: str = detail()
    """That it wanted to join as."""
    keys: tuple[str, ...] = detail()
    """Fingerprints of the keys that it proved."""


@dataclass(frozen=True, slots=True)
class HostJoined:
    """A host proved the token and its keys."""

    host_id: str = detail()
    name: str = detail()
    host_keys: tuple[str, ...] = detail()
    logins: tuple[str, ...] = added(default=(), detail=True)
    """The Unix accounts that it lets people into."""
    host_certificates: bool = added(default=True)
    """Whether the host shows its certificates."""
    jump_login: str = added(default="", detail=True)
    """The account by which it lets people pass through."""


@dataclass(frozen=True, slots=True)
class HostShowed:
    """A host shows its certificates from now on, or none any more, by its own word."""

    host_certificates: bool
    host_id: str = detail()
    name: str = detail()


@dataclass(frozen=True, slots=True)
class HostLabelled:
    """A host's labels are others now."""

    by: str | None
    host_id: str = detail()
    name: str = detail()
    labels: tuple[tuple[str, str], ...] = detail()


@dataclass(frozen=True, slots=True)
class HostChanged:
    """A host has other aliases, another address, other accounts, or another way to it now."""

    by: str | None
    host_id: str = detail()
    name: str = detail()
    aliases: tuple[str, ...] = detail()
    address: str = detail()
    port: int = detail()
    logins: tuple[str, ...] = detail()
    via: str = added(default="", detail=True)
    """The id of the bastion through which people reach it; empty: they reach it directly."""
    jump_login: str = added(default="", detail=True)
    """As a bastion: the Unix account by which people pass through; empty: it is none."""


@dataclass(frozen=True, slots=True)
class HostDialectSet:
    """The operator says whether a host trusts post-quantum CA keys alone from now on."""

    post_quantum_only: bool
    host_id: str = detail()
    name: str = detail()


@dataclass(frozen=True, slots=True)
class HostKeyAdded:
    """A host that had joined proved one more key, beside those that it had."""

    host_id: str = detail()
    name: str = detail()
    host_key: str = detail()


@dataclass(frozen=True, slots=True)
class HostRemoved:
    """A host is enrolled no more; the next machine of its name gets another id."""

    by: str | None
    host_id: str = detail()
    name: str = detail()
    reason: str = detail()
    cause: Literal["removed", "left", "absent"] = added(default="removed")
    """``removed`` by somebody, ``left`` by the host's own word, ``absent`` for longer than its invitation allows."""


@dataclass(frozen=True, slots=True)
class HostReported:
    """How a host says it is. ``count`` reports said this since the last such entry."""

    bundle: int
    sessions: int
    count: int
    host_id: str = detail()
    name: str = detail()
    ended: tuple[str, ...] = detail()
    """Grants whose sessions it ended."""
    problems: tuple[str, ...] = detail()
    only_certificates: bool = added(default=False)
    """Whether its accounts are open to certificates alone."""
    reads: tuple[str, ...] | None = added(default=None)
    """The later types of CA keys by which its sshd takes people's certificates; ``None``: it said nothing of that."""


@dataclass(frozen=True, slots=True)
class HostIssued:
    """A host certificate was signed."""

    serial: int
    certificate: str
    valid_before: int
    host: str = detail()
    key: str = detail()
    post_quantum: bool = added(default=False)
    """Whether the post-quantum CA signed it."""
