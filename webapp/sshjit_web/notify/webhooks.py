"""Signed webhooks, as Standard Webhooks 1.0.0 has them: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``.

The signature is HMAC-SHA256 over ``id.timestamp.body``. The id is the same each time that a message is tried, so that a
receiver who saw it can drop the second; the time is that of the attempt, so that an old recording is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

import requests

from sshjit.errors import Failed, Invalid

CONNECT, READ = 5.0, 10.0
"""Seconds."""
_PREFIX = "whsec_"
MIN_SECRET, MAX_SECRET = 24, 64
"""Bytes of a secret, as the specification wants them."""
GONE = 410
"""The receiver wants no more of it: not tried again."""


def secrets(text: str, file: str) -> tuple[bytes, ...]:
    """The keys in a secret file, one a line; each signs, so that a receiver can move from one to the next.

    Raises:
        Invalid: ``bad_secret``.

    """
    found = tuple(_secret(line.strip(), file) for line in text.splitlines() if line.strip())
    if not found:
        raise Invalid("bad_secret", f"{file} is empty", hint=f"write {_PREFIX} and 32 random bytes in base64 into it")
    return found


def _secret(line: str, file: str) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(_PREFIX), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if not key or not line.startswith(_PREFIX):
        raise Invalid("bad_secret", f"a line of {file} is not {_PREFIX} and base64")
    if not MIN_SECRET <= len(key) <= MAX_SECRET:
        raise Invalid("bad_secret", f"a secret of {file} has {len(key)} bytes, not {MIN_SECRET} to {MAX_SECRET}")
    return key


def headers(keys: Sequence[bytes], message: str, body: bytes, now: int) -> dict[str, str]:
    """What makes a body believable; ``message`` is its id."""
    signed = b".".join((message.encode(), str(now).encode(), body))
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        "content-type": "application/json",
        "user-agent": "ssh-jit-web",
    }


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver. Redirects are not followed and proxies are the environment's."""

    url: str
    keys: tuple[bytes, ...]

    def send(self, message: str, body: str, now: int) -> None:
        """Delivers, or raises ``Failed``: ``not_delivered``, or ``gone`` when it is of no use to try again."""
        data = body.encode()
        try:
            answer = requests.post(
                self.url,
                data=data,
                headers=headers(self.keys, message, data, now),
                timeout=(CONNECT, READ),
                allow_redirects=False,
                stream=True,  # the answer's status is all that counts, its body is not read
            )
        except requests.RequestException as error:
            raise Failed("not_delivered", f"the receiver cannot be reached ({type(error).__name__})") from None
        answer.close()
        if answer.status_code == GONE:
            raise Failed("gone", "the receiver wants no more messages (410)")
        if not 200 <= answer.status_code < 300:
            raise Failed("not_delivered", f"the receiver answered {answer.status_code}")
