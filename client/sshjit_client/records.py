"""What the client remembers: the installation it was set up with, the newest bundle, and the login."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.api.session import LoginView


@dataclass(frozen=True, slots=True)
class Settings:
    """``config.json``: one installation. ``root`` is the pinned bundle key, ``SHA256:…``."""

    version: int
    url: str
    installation: str
    root: str
    provider: str | None
    """The provider to sign in at, where there are several."""


@dataclass(frozen=True, slots=True)
class HeldBundle:
    """``bundle.json``: the newest bundle that was accepted, and the server's ETag for it."""

    sequence: int
    bundle: str
    signature: str
    etag: str


@dataclass(frozen=True, slots=True)
class Session:
    """``session.json``: the login as the CA knows it, the API's token, and the private key that it is bound to."""

    url: str
    token: str
    login: LoginView
    key: str
    """Path of the private key; its public half lies beside it as ``.pub``."""
    public: str
    """The public key as one OpenSSH line."""
