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


@dataclass(frozen=True, slots=True)
class HostInvited:
    """A one-time token was made for a host. ``nonce`` alone makes no token: that takes the CA's secret too."""

    nonce: str
    expires: int
    host_id: str = detail()
    name: str = detail()


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


@dataclass(frozen=True, slots=True)
class HostLabelled:
    """A host's labels are others now."""

    by: str | None
    host_id: str = detail()
    name: str = detail()
    labels: tuple[tuple[str, str], ...] = detail()


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


@dataclass(frozen=True, slots=True)
class HostIssued:
    """A host certificate was signed."""

    serial: int
    certificate: str
    valid_before: int
    host: str = detail()
    key: str = detail()
