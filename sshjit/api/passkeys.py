"""Passkeys over HTTP: what a browser made and signed, what is registered, and what people sign of it."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import wire
from sshjit.api.action_signature import ActionSignature
from sshjit.api.message import Message, Reply
from sshjit.api.views import PersonView
from sshjit.limits import Id, Name


@dataclass(frozen=True, slots=True)
class PasskeyAssertion:
    """What a browser's authenticator signed; the texts but ``challenge`` are base64url without padding."""

    challenge: Id
    """What ``ReadPasskeyChallenge`` named; taken once."""
    credential: str
    client_data: str
    authenticator_data: str
    signature: str


@dataclass(frozen=True, slots=True)
class PasskeyView:
    """A registered passkey."""

    id: str
    person: PersonView
    name: str
    fingerprint: str
    """What people compare (``sshjit.passkeys.fingerprint``)."""
    device_bound: bool
    """Its authenticator says that it never leaves its device; else it may be synced."""
    backed_up: bool
    registered: int
    counts_from: int
    """When approvals by it count."""
    used: int | None
    """When it signed an approval last."""


@dataclass(frozen=True, slots=True)
class PasskeysReply(Reply):
    """Passkeys, oldest first."""

    passkeys: tuple[PasskeyView, ...]


@dataclass(frozen=True, slots=True)
class MadePasskey:
    """What a browser made, as the CA read it: what ``RegisterPasskey`` signs."""

    rp_id: str
    credential: str
    public_key: str
    device_bound: bool
    backed_up: bool
    fingerprint: str


@dataclass(frozen=True, slots=True)
class PasskeyOfferReply(Reply):
    """A registration that a terminal began: its code, when it is over, and what a browser made for it so far."""

    code: str
    expires: int
    made: MadePasskey | None = None


@dataclass(frozen=True, slots=True)
class RegisterPasskey(Message, answer=PasskeysReply):
    """Registers what a browser made for the offer with this code, signed by the key of the native login."""

    login_id: Id
    code: Id
    name: Name
    rp_id: Name
    credential: str
    public_key: str
    device_bound: bool
    backed_up: bool
    consent: ActionSignature | None


@dataclass(frozen=True, slots=True)
class ShownPasskey:
    """What was shown of a passkey to whoever signs that it counts; fields as in ``PasskeyView``."""

    person: PersonView
    name: str
    fingerprint: str
    device_bound: bool
    registered: int


@dataclass(frozen=True, slots=True)
class AcceptPasskey(Message, answer=PasskeysReply):
    """Lets a new passkey of somebody else count at once.

    Over the web socket it needs the permission ``passkeys`` and a signature; the admin socket passes neither.
    """

    login_id: Id | None
    passkey: Id
    consent: ActionSignature | None
    shown: ShownPasskey | None
    """What it was shown as, signed too; ``None`` at the admin socket alone."""


@dataclass(frozen=True, slots=True)
class RegisterPasskeyBody:
    """A ``RegisterPasskey`` without what the front end adds; the code stands in the path."""

    name: Name
    rp_id: Name
    credential: str
    public_key: str
    device_bound: bool
    backed_up: bool
    consent: ActionSignature | None


@dataclass(frozen=True, slots=True)
class AcceptPasskeyBody:
    """An ``AcceptPasskey`` without what the front end adds; the passkey stands in the path."""

    consent: ActionSignature | None
    shown: ShownPasskey | None


@dataclass(frozen=True, slots=True)
class RemovePasskeyBody:
    """Why a passkey is removed; it stands in the path."""

    reason: str = wire.added(2, default="")
