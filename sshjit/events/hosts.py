"""Hosts and their certificates."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.events.parts import detail


@dataclass(frozen=True, slots=True)
class HostAdded:
    """A host is enrolled."""

    host_id: str = detail()
    name: str = detail()
    aliases: tuple[str, ...] = detail()
    address: str = detail()
    port: int = detail()
    labels: tuple[tuple[str, str], ...] = detail()
    host_keys: tuple[str, ...] = detail()


@dataclass(frozen=True, slots=True)
class HostIssued:
    """A host certificate was signed."""

    serial: int
    certificate: str
    valid_before: int
    host: str = detail()
    key: str = detail()
