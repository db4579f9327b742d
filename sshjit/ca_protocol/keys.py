"""The CA's own keys, as the operator lists and changes them (admin socket)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.api.message import Message, Reply

Purpose = Literal["user_ca", "host_ca", "bundle", "log"]
"""What a key of the CA's own signs: each has its own, so that none can stand in for another."""


KeyKind = Literal["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-3072", "rsa-4096", "mldsa44-ed25519"]
"""The kinds of keys that the CA makes itself."""


KeyState = Literal["pending", "active", "retiring", "retired"]


@dataclass(frozen=True, slots=True)
class ReadKeys(Message, answer="KeysReply"):
    """Every key that the CA ever had."""


@dataclass(frozen=True, slots=True)
class AddKey(Message, answer="KeyReply"):
    """A key for a purpose: either one that exists, by its reference, or a new file of this kind."""

    purpose: Purpose
    reference: str | None
    make: KeyKind | None
    passphrase: str | None
    """Where the CA reads what a new file is encrypted by: an absolute path, or the name of a systemd credential."""


@dataclass(frozen=True, slots=True)
class ActivateKey(Message, answer="KeyReply"):
    """From now on this key signs. ``now``: although hosts and laptops may not have heard of it."""

    purpose: Purpose
    key: str
    """Fingerprint, or the beginning of one that names a single key."""
    now: bool


@dataclass(frozen=True, slots=True)
class DeactivateKey(Message, answer="KeyReply"):
    """This post-quantum key signs no more, and none in its place."""

    purpose: Purpose
    key: str


@dataclass(frozen=True, slots=True)
class RetireKey(Message, answer="KeyReply"):
    """This key is not believed any more. ``now``: although certificates live that it signed; they are refused."""

    purpose: Purpose
    key: str
    now: bool


@dataclass(frozen=True, slots=True)
class KeyView:
    """One key. Times are ``None`` for what has not happened."""

    purpose: Purpose
    fingerprint: str
    line: str
    state: KeyState
    reference: str
    added: int
    told: int | None
    """When hosts and laptops could first hear of it."""
    ready: int | None
    """From when on it may be activated, or retired, without harm; ``None`` while that is not known."""
    revoked: bool
    problem: str
    """Why it could not sign just now; empty when it could."""


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """How it is with a key that signs or will."""

    purpose: Purpose
    fingerprint: str
    state: KeyState
    device: str
    """Where it lives: a file, an agent, a token."""
    problem: str
    """Why it could not sign just now; empty when it could."""
    hint: str
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class KeysReply(Reply):
    """Keys by purpose, oldest first."""

    keys: tuple[KeyView, ...]


@dataclass(frozen=True, slots=True)
class KeyReply(Reply):
    """The key as it is now."""

    key: KeyView
