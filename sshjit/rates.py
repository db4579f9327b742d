"""How often something may happen: so many times a minute for each key, saved up for a minute at most."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, field

MINUTE = 60.0
MOST = 10_000
"""Keys that are remembered; then those that have all their times left are forgotten."""


@dataclass(slots=True)
class Rates:
    """``most`` times a minute for each key; 0: as often as it likes. Not for two threads at once."""

    most: int
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By key: how many times were left, and when."""

    def take(self, key: str, now: float) -> int:
        """0, and it counts; or the seconds until it may happen again. ``now``: by a monotonic clock."""
        if not self.most:
            return 0
        left, each_second = self._now(key, now), self.most / MINUTE
        if left < 1:
            return int((1 - left) / each_second) + 1
        if len(self._left) >= MOST:
            self._forget(now)
        self._left[key] = (left - 1, now)
        return 0

    def left(self, key: str, now: float) -> float:
        """How many times it may happen now."""
        return self._now(key, now) if self.most else math.inf

    def _now(self, key: str, now: float) -> float:
        left, when = self._left.get(key, (float(self.most), now))
        return min(float(self.most), left + (now - when) * self.most / MINUTE)

    def _forget(self, now: float) -> None:
        """Forgets whoever has all times left; where that is nobody, everybody: memory has an end."""
        kept = {key: value for key, value in self._left.items() if self._now(key, now) < self.most}
        self._left = kept if len(kept) < MOST else {}


def network_of(address: str) -> str:
    """Whom an address counts for: itself, or for IPv6 its network of 64 bits, of which one machine has all."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
    except ValueError:
        return address
