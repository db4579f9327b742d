"""Signed webhooks, as Standard Webhooks 1.0.0 has them: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``.

The signature is by the specification's own library, which receivers use as well. The id is the same each time that a
message is tried, so that a receiver can drop what it has seen; the time is that of the attempt, so that a receiver
refuses an old recording. The secrets are checked here: the library would take a short one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import requests
import standardwebhooks

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
    keys = tuple(_secret(line.strip(), file) for line in text.splitlines() if line.strip())
    if not keys:
        raise Invalid("bad_secret", f"{file} is empty", hint=f"write {_PREFIX} and 32 random bytes in base64 into it")
    return keys


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


def headers(keys: Sequence[bytes], message: str, body: str, now: int) -> dict[str, str]:
    """The headers that sign a body, with one signature by each key; ``message`` is its id."""
    time = datetime.fromtimestamp(now, UTC)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(standardwebhooks.Webhook(key).sign(message, time, body) for key in keys),
        "content-type": "application/json",
        "user-agent": "ssh-jit-web",
    }


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook. Redirects are not followed and proxies are the environment's."""

    url: str
    keys: tuple[bytes, ...]

    def send(self, message: str, body: str, now: int) -> None:
        """Delivers, or raises ``Failed``: ``not_delivered``, or ``gone`` when it is of no use to try again."""
        try:
            answer = requests.post(
                self.url,
                data=body.encode(),
                headers=headers(self.keys, message, body, now),
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
