"""Why a sign-in failed, carried from the provider's answer to an address of its own.

A provider's answer works once and holds a code: it is answered by a redirect, so that it leaves the address bar, the
history and what people copy, with or without JavaScript. What is shown afterwards is sealed for this browser: nobody
can make up a text and send a link to it. No database is needed, since that may be what failed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from sshjit.errors import Failed, Invalid, Refused, SshJitError

_FAMILIES: dict[str, type[SshJitError]] = {"invalid": Invalid, "refused": Refused, "failed": Failed}
_MOST = 600
"""Characters of a message or a hint that are carried."""


@dataclass(frozen=True, slots=True)
class FailedSignIn:
    """The error, its reference in the log (may be empty), and the page for which somebody signed in."""

    error: SshJitError
    reference: str
    target: str

    def seal(self, key: bytes, browser: str) -> str:
        """As it stands in an address, for this browser alone."""
        error = self.error
        texts = [error.family, error.code, error.message[:_MOST], error.hint[:_MOST], self.reference, self.target]
        text = urlsafe_b64encode(json.dumps(texts).encode()).rstrip(b"=").decode()
        return f"{text}.{_seal(text, key, browser)}"


def unseal(value: str, key: bytes, browser: str) -> FailedSignIn | None:
    """What ``seal`` made for this browser; ``None`` for anything else."""
    text, _, seal = value.partition(".")
    if not hmac.compare_digest(_seal(text, key, browser).encode(), seal.encode("utf-8", "replace")):
        return None
    family, code, message, hint, reference, target = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return FailedSignIn(_FAMILIES[family](code, message, hint=hint), reference, target)


def _seal(text: str, key: bytes, browser: str) -> str:
    return hmac.digest(key, f"failed sign-in\n{browser}\n{text}".encode("utf-8", "replace"), hashlib.sha256).hex()
