"""Enrolled hosts: what operators and admins say about them."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.messages.consent import Consent


@dataclass(frozen=True, slots=True)
class HostView:
    """An enrolled host. ``labels`` are pairs, sorted by key."""

    name: str
    id: str
    aliases: tuple[str, ...]
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AddHost:
    """Enrols a host. ``host_keys`` are its public keys, one OpenSSH line each; with none it joins by a token.

    Over the web door it needs the permission ``hosts`` and a signature; the admin door passes neither.
    """

    name: str
    aliases: tuple[str, ...]
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]
    host_keys: tuple[str, ...]
    login_id: str | None = None
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class InviteHost:
    """Makes a new one-time token for an enrolled host without keys (admin door: a token never passes the web)."""

    name: str


@dataclass(frozen=True, slots=True)
class CertifyHost:
    """The operator renews the certificates of a host's registered keys (admin door), in their order."""

    name: str


@dataclass(frozen=True, slots=True)
class LabelHost:
    """Replaces all labels of a host. Who may, and how, as for ``AddHost``."""

    name: str
    labels: tuple[tuple[str, str], ...]
    login_id: str | None
    consent: Consent | None


@dataclass(frozen=True, slots=True)
class RemoveHost:
    """Forgets a host and revokes what is alive for it. Who may, and how, as for ``AddHost``."""

    name: str
    reason: str
    login_id: str | None
    consent: Consent | None


@dataclass(frozen=True, slots=True)
class Invitation:
    """The secret by which a new host proves that it is the one that was meant; it never travels back."""

    token: str
    expires: int


@dataclass(frozen=True, slots=True)
class HostReply:
    """The enrolled host, and a certificate line for each of its host keys, in the same order."""

    host: HostView
    certificates: tuple[str, ...]
    bundle_root: str
    """``SHA256:…`` of the bundle key: what the host pins."""
    bundle_key: str
    """The bundle key as one OpenSSH line."""
    invitation: Invitation | None
    """For a host that has no keys yet, at the admin door alone."""


@dataclass(frozen=True, slots=True)
class ReadHosts:
    """Hosts, by name. Over the web door a login is needed; the admin door passes ``None``."""

    login_id: str | None


@dataclass(frozen=True, slots=True)
class HostsReply:
    """Hosts, by name."""

    hosts: tuple[HostView, ...]
