"""Passkeys of people who approve: registered, counting, used, removed."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.events.parts import detail


@dataclass(frozen=True, slots=True)
class PasskeyRegistered:
    """Somebody registered a passkey, by a signature with the key of a native sign-in."""

    passkey: str
    subject: str
    login_id: str
    """The sign-in whose key signed."""
    rp_id: str
    """For which name (WebAuthn's RP id) browsers use it."""
    device_bound: bool
    """Its authenticator says that it never leaves its device."""
    backed_up: bool
    counter: int
    counts_from: int
    """When approvals by it begin to count, unless somebody accepts it before."""
    name: str = detail()
    credential: str = detail()
    """WebAuthn's credential id, as base64url."""
    public_key: str = detail()
    """As a COSE key, as base64url."""
    text: str = detail()
    """What the sign-in's key signed."""
    signature: str = detail()
    """Armoured SSHSIG over that."""


@dataclass(frozen=True, slots=True)
class PasskeyAccepted:
    """An admin or the operator vouches for a new passkey: it counts at once."""

    passkey: str
    subject: str
    by: str | None
    """The subject who signed that; ``None``: the operator."""


@dataclass(frozen=True, slots=True)
class PasskeyRemoved:
    """A passkey counts no more, nor does what it approved and is not over."""

    passkey: str
    subject: str
    by: str | None
    """Its owner; ``None``: the operator."""
    reason: str = detail()


@dataclass(frozen=True, slots=True)
class PasskeyUsed:
    """A passkey signed an approval, which is the next entry. The detail proves it (``log/passkey_proofs.py``)."""

    passkey: str
    subject: str
    request: str
    counter: int
    """The authenticator's; 0 where it does not count."""
    backed_up: bool
    text: str = detail()
    """What was approved: its SHA-256 is the challenge that was signed."""
    client_data: str = detail()
    authenticator_data: str = detail()
    signature: str = detail()
    """These three as base64url, as the browser gave them."""


@dataclass(frozen=True, slots=True)
class PasskeyRefused:
    """A passkey signed rightly and its counter went back: there may be a copy of it."""

    passkey: str
    subject: str
    request: str
    counter: int
    held: int
    """The highest that was known."""
