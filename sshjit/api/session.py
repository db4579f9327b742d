"""Signing in: what proves a sign-in, and what the server then knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.api.views import PersonView


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
class LoginBody:
    """An ID token and what binds it to a key: ``LoginNative`` without what the front end adds."""

    provider: str
    id_token: str
    key: str
    salt: str
    signature: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The answer to a login: an opaque token that dies with it."""

    token: str
    login: LoginView


@dataclass(frozen=True, slots=True)
class ChallengeReply:
    """A challenge for this login alone, until ``expires``."""

    challenge: str
    expires: int
