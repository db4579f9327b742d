"""A sign-in under way: what we must know when the provider answers, sealed into the state that it hands back.

Nothing is kept of a sign-in that somebody began, so that begun ones, however many, take no room from anybody's. Only
the browser that began it can open the seal, only for the provider that it began at, and only while its time lasts. It
is encrypted, since the page for which somebody signs in is none of the provider's business. That it counts once, the
database says (``Store.use_state``), when the provider has given tokens for it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LIFETIME = 600
"""Seconds that a person may take at the provider."""
MAX_STATE = 1500
"""Characters of a state of ours; the page for which somebody signs in has 400 at most."""
_SALT = 16
_NONCE = bytes(12)
"""Each state has a key of its own, which encrypts once."""


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in that a browser began and the provider has not answered yet."""

    target: str
    """The page to show afterwards: a path of ours."""
    expires: int
    """In whole seconds since the epoch."""
    fresh: bool = False
    """The person was to authenticate again."""

    def seal(self, key: bytes, browser: str, provider: str) -> str:
        """The state, for this browser and provider. ``key``: the session key."""
        salt = secrets.token_bytes(_SALT)
        text = json.dumps([self.expires, self.fresh, self.target]).encode()
        return _encoded(salt + _cipher(key, salt, browser, provider).encrypt(_NONCE, text, None))


def unseal(state: str, key: bytes, browser: str, provider: str, *, now: int) -> PendingSignIn | None:
    """What ``seal`` made for this browser and provider, while it lasts; ``None`` for anything else."""
    if not state.isascii() or len(state) > MAX_STATE:
        return None
    try:
        sealed = urlsafe_b64decode(state + "=" * (-len(state) % 4))
        text = _cipher(key, sealed[:_SALT], browser, provider).decrypt(_NONCE, sealed[_SALT:], None)
    except (ValueError, InvalidTag):
        return None
    expires, fresh, target = json.loads(text)
    # Base64 has many spellings of the same bytes; a state that counts once has one.
    return PendingSignIn(target, expires, fresh) if now < expires and _encoded(sealed) == state else None


def _encoded(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _cipher(key: bytes, salt: bytes, browser: str, provider: str) -> AESGCM:
    place = f"sign-in\n{provider}\n{browser}\n".encode("utf-8", "replace")
    return AESGCM(hmac.digest(key, place + salt, hashlib.sha256))
