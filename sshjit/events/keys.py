"""The CA's own keys: known, in their turn, over."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.ca_protocol.keys import Purpose


@dataclass(frozen=True, slots=True)
class KeyAdded:
    """A key is known for a purpose. Hosts and laptops are told of it before it signs for them."""

    purpose: Purpose
    key: str
    """Fingerprint, ``SHA256:…``."""
    line: str
    """The public key as one OpenSSH line."""
    reference: str
    """Where the private half lives; never a secret."""


@dataclass(frozen=True, slots=True)
class KeyActivated:
    """From here on this key signs for its purpose; the one that did is retiring."""

    purpose: Purpose
    key: str
    endorsement: str | None
    """For ``bundle`` and ``log``: an armoured SSHSIG by the key before, over the new one's line; ``None`` for the first
    key, and for the CA keys, which bundles vouch for."""


@dataclass(frozen=True, slots=True)
class KeyDeactivated:
    """This post-quantum key signs no more, and no other in its place. It is believed until it is retired."""

    purpose: Purpose
    key: str


@dataclass(frozen=True, slots=True)
class KeyRetired:
    """Nobody is told to believe this key any more."""

    purpose: Purpose
    key: str
    revoked: bool
    """Whether hosts must also refuse it by name: what it signed may be in wrong hands."""
