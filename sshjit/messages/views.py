"""What is shown: people, certificates, hosts, log entries, as pages and terminals show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PersonView:
    """Somebody, as the pages and the terminal show them. ``id`` is the CA's own name for (provider, subject)."""

    id: str
    provider: str
    name: str
    email: str | None


@dataclass(frozen=True, slots=True)
class LoginView:
    """A verified sign-in that the CA knows."""

    id: str
    kind: Literal["web", "native"]
    person: PersonView
    roles: tuple[str, ...]
    signed_in: int
    expires: int
    fingerprint: str | None
    """``SHA256:…`` of the key that this login is bound to; ``None`` for web logins."""
    permissions: tuple[str, ...]
    groups: tuple[str, ...]
    """As the provider named them."""
    verified: tuple[str, ...]
    """The addresses that roles may name, case-folded."""
    own: str | None
    """The Unix name that ``@own`` stands for."""
    auth_time: int | None
    """When the person last proved to the provider who they are; ``None``: it does not say."""
    mfa: bool
    hardware_key: bool
    """Whether this login's key is a hardware key that the operator vouches for."""


@dataclass(frozen=True, slots=True)
class RouteView:
    """How to reach one host of a certificate."""

    host: str
    host_id: str
    aliases: tuple[str, ...]
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class CertificateView:
    """An issued user certificate, in the one-line form that ssh reads."""

    text: str
    serial: int
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    request: str
    login: str
    action: str
    grant_ends: int
    routes: tuple[RouteView, ...]


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
class EntryView:
    """One entry of the log: the fact, and the detail as long as it is kept."""

    index: int
    time: int
    kind: str
    summary: str
    """One line for people, made from fact and detail."""
    fact: str
    """The fact's canonical JSON: the bytes of the leaf."""
    detail: str | None
    """The detail's canonical JSON, or ``None`` when it was erased."""
