"""The CA's clock, and when it is not believed.

Every certificate's validity comes from this clock, so a clock that jumps could mint certificates for another time. It
is held against the machine's boot clock, which nobody sets, and against the last entry of the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sshjit.errors import Failed

TOLERANCE = 30
"""Seconds that wall clock and boot clock may drift apart before signing stops."""


@dataclass(slots=True)
class Clock:
    """``wall`` gives seconds since the epoch, ``boot`` seconds since the machine started, sleep included."""

    wall: Callable[[], float]
    boot: Callable[[], float]
    _offset: float = field(init=False)

    def __post_init__(self) -> None:
        """What the two clocks say now is taken as right."""
        self._offset = self.wall() - self.boot()

    def now(self, last_entry: int) -> int:
        """The time in whole seconds.

        Raises:
            Failed: ``not_signing``, if the clock jumped, or lies before the log's last entry.

        """
        now = self.wall()
        drift = now - self.boot() - self._offset
        if abs(drift) > TOLERANCE:
            raise Failed(
                "not_signing",
                f"the clock jumped by {drift:+.0f} s; nothing is signed until an operator has looked",
                hint="check the time of the CA's machine, then restart ssh-jit-ca",
            )
        if int(now) < last_entry:
            raise Failed(
                "not_signing",
                f"the clock lies {last_entry - int(now)} s before the log's last entry; nothing is signed",
                hint="check the time of the CA's machine",
            )
        return int(now)
