"""What every connection is shown: people, certificates, and how to reach a host."""

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
