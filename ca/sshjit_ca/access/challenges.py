"""Challenges: something fresh to sign, for one login, once, for a short time.

They live in memory alone. A CA that starts again has forgotten them, and whoever holds one asks for another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sshjit.login import b64url

LIFETIME = 180
"""Seconds that a person has to read, confirm, and touch a key."""
BYTES = 24
MOST = 8
"""Challenges that one login may hold; the oldest gives way."""


@dataclass(slots=True)
class Challenges:
    """The challenges that are out."""

    _out: dict[str, dict[str, int]] = field(default_factory=dict)
    """Login -> challenge -> when it is over."""

    def make(self, login_id: str, raw: bytes, now: int) -> tuple[str, int]:
        """A challenge for this login from fresh random bytes, and when it is over."""
        self._forget(now)
        out = self._out.setdefault(login_id, {})
        if len(out) >= MOST:
            del out[next(iter(out))]
        challenge = b64url(raw)
        out[challenge] = now + LIFETIME
        return challenge, out[challenge]

    def take(self, login_id: str, challenge: str, now: int) -> bool:
        """Whether the challenge is out for this login; from now on it is not."""
        ends = self._out.get(login_id, {}).pop(challenge, None)
        return ends is not None and now < ends

    def _forget(self, now: int) -> None:
        for login_id, out in list(self._out.items()):
            for challenge in [each for each, ends in out.items() if ends <= now]:
                del out[challenge]
            if not out:
                del self._out[login_id]
