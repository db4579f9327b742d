"""What hosts said lately, in memory alone: so that nothing is taken twice and no host can fill the log."""

from __future__ import annotations

from dataclasses import dataclass, field

from sshjit.errors import Refused

SKEW = 300
"""Seconds that a host's clock may differ from ours."""
RENEWAL_PAUSE = 60
"""Seconds between two renewals of one host."""
REPORT_PAUSE = 5
"""Seconds between two reports of one host."""
REPORT_AGAIN = 3600
"""Seconds after which a report that says nothing new is written down again."""


@dataclass(slots=True)
class Heard:
    """By host id and kind of message: the time that was said last, and when; reports not written down since."""

    _last: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    _waiting: dict[str, int] = field(default_factory=dict)

    def check(self, host: str, kind: str, said: int, now: int, pause: int) -> None:
        """Whether a text of the time ``said`` may be taken now.

        Raises:
            Refused: ``not_fresh``, ``too_soon``.

        """
        last, when = self._last.get((host, kind), (0, 0))
        if abs(now - said) > SKEW or said <= last:
            raise Refused("not_fresh", "what the host signed is of another time", hint="check the host's clock")
        if now - when < pause:
            raise Refused("too_soon", f"the host said so less than {pause} s ago")

    def note(self, host: str, kind: str, said: int, now: int) -> None:
        """It was taken."""
        self._last[host, kind] = (said, now)

    def waiting(self, host: str, *, written: bool) -> int:
        """Reports of a host that the next entry stands for, this one included."""
        count = self._waiting.get(host, 0) + 1
        self._waiting[host] = 0 if written else count
        return count
