"""Enrolled hosts."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.messages.views import HostView


@dataclass(frozen=True, slots=True)
class AddHost:
    """The operator enrols a host. ``host_keys`` are its public keys, one OpenSSH line each."""

    name: str
    aliases: tuple[str, ...]
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]
    host_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostReply:
    """The enrolled host, and a certificate line for each of its host keys, in the same order."""

    host: HostView
    certificates: tuple[str, ...]
    bundle_root: str
    """``SHA256:…`` of the bundle key: what the host pins."""
    bundle_key: str
    """The bundle key as one OpenSSH line."""


@dataclass(frozen=True, slots=True)
class ReadHosts:
    """Hosts, by name. Over the web door a login is needed; the admin door passes ``None``."""

    login_id: str | None


@dataclass(frozen=True, slots=True)
class HostsReply:
    """Hosts, by name."""

    hosts: tuple[HostView, ...]
