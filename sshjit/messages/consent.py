"""Acts that count only with a signature by the person's own key, over a text that the CA builds again for itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Consent:
    """A signature over what a person saw (``sshjit/consent.py``)."""

    challenge: str
    """What ``ReadChallenge`` answered; taken once."""
    signature: str
    """Armoured SSHSIG by the key that the native login is bound to."""


@dataclass(frozen=True, slots=True)
class ReadChallenge:
    """Asks for something fresh to sign. Only native logins have a key to sign with."""

    login_id: str


@dataclass(frozen=True, slots=True)
class ChallengeReply:
    """A challenge for this login alone, until ``expires``."""

    challenge: str
    expires: int
