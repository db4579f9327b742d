"""The signature that a person adds to what they ask for, decide or change."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.limits import Signature


@dataclass(frozen=True, slots=True)
class ActionSignature:
    """A signature over what a person saw (``sshjit/signed_actions.py``)."""

    challenge: str
    """What ``ReadChallenge``, or the answer to an ask, named; taken once."""
    signature: Signature
    """Armoured SSHSIG by the key that the native login is bound to."""
