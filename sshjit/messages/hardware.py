"""Hardware keys that the operator vouches for: only these meet a rule's ``hardware_key`` (admin door)."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.messages.views import PersonView


@dataclass(frozen=True, slots=True)
class RegisterHardwareKey:
    """The operator has seen that this ``sk-`` key is a device in the person's hands."""

    person: str
    """A person's id, or ``provider/address``."""
    key: str
    """The public key as one OpenSSH line."""


@dataclass(frozen=True, slots=True)
class RemoveHardwareKey:
    """The device is not vouched for any more."""

    fingerprint: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReadHardwareKeys:
    """Every registered hardware key."""


@dataclass(frozen=True, slots=True)
class HardwareKeyView:
    """A registered hardware key."""

    fingerprint: str
    type: str
    person: PersonView
    since: int


@dataclass(frozen=True, slots=True)
class HardwareKeysReply:
    """Hardware keys, oldest first; after registering or removing, the one that it was about."""

    keys: tuple[HardwareKeyView, ...]
