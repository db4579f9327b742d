"""Registering passkeys and using them: what only the CA's sockets carry."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.api.message import Message, Reply
from sshjit.api.passkeys import PasskeyOfferReply, PasskeysReply
from sshjit.limits import Id


@dataclass(frozen=True, slots=True)
class OfferPasskey(Message, answer=PasskeyOfferReply):
    """A native login begins a registration; the code joins the page that makes the passkey to the terminal."""

    login_id: Id


@dataclass(frozen=True, slots=True)
class ReadPasskeyOffer(Message, answer=PasskeyOfferReply):
    """How far a registration is that the login's person began."""

    login_id: Id
    code: Id


@dataclass(frozen=True, slots=True)
class ReadPasskeyOptions(Message, answer="PasskeyOptionsReply"):
    """What a browser needs to make a passkey for a registration that the login's person began."""

    login_id: Id
    code: Id


@dataclass(frozen=True, slots=True)
class PasskeyOptionsReply(Reply):
    """Of WebAuthn's creation options, what the CA says; binary values are base64url."""

    rp_id: str
    challenge: str
    user: str
    """The user handle: it names nobody."""
    algorithms: tuple[int, ...]
    exclude: tuple[str, ...]
    """Credentials that are registered already."""


@dataclass(frozen=True, slots=True)
class MakePasskey(Message, answer=PasskeyOfferReply):
    """A browser made a passkey. Nothing is registered by it: the terminal shows it, and the login's key signs."""

    login_id: Id
    code: Id
    client_data: str
    authenticator_data: str
    """Both as base64url."""


@dataclass(frozen=True, slots=True)
class ReadPasskeyChallenge(Message, answer="PasskeyChallengeReply"):
    """What the login's person has to sign with a passkey to approve a request in these words."""

    login_id: Id
    request: Id
    comment: str
    duration: int | None


@dataclass(frozen=True, slots=True)
class PasskeyChallengeReply(Reply):
    """The text to approve, whose SHA-256 is WebAuthn's challenge, and which passkeys may sign it."""

    challenge: str
    """What the text names, and the approval has to."""
    text: str
    rp_id: str
    credentials: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadPasskeys(Message, answer=PasskeysReply):
    """The person's own passkeys; everybody's for who has the permission ``passkeys`` or ``audit``, and the operator."""

    login_id: Id | None
    everybody: bool


@dataclass(frozen=True, slots=True)
class RemovePasskey(Message, answer=PasskeysReply):
    """Its owner, or the operator at the admin socket, removes a passkey: what it approved counts no more."""

    login_id: Id | None
    passkey: Id
    reason: str
