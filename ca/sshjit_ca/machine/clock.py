"""The CA's clock, and when it is not believed.

Every certificate's validity comes from this clock, so a clock that jumps could mint certificates for another time. It
is held against the machine's boot clock, which nobody sets, and against the last entry of the log. While it is not
believed nothing is signed, until an operator says that it is right now; what takes access away goes on meanwhile, by
the boot clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sshjit.errors import Failed
from sshjit_ca.machine.durable import write_durably
from sshjit_ca.machine.owner import unreadable_hint
from sshjit_ca.machine.system import UNKNOWN

_LINE = re.compile(r"(?P<boot>\S+) (?P<offset>-?\d+\.\d+)\n")
TOLERANCE = 30
"""Seconds that wall clock and boot clock may drift apart before signing stops."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the offset outlives the process, so that no restart makes a jump forgotten. Counts for one start only."""

    file: Path
    boot_id: str
    writes: bool = True
    """Whether it is kept; who only looks, does not."""

    def recall(self) -> float | None:
        """The offset that was kept since this start of the machine; ``None`` if there is none.

        Raises:
            Failed: ``no_memory``, when the file is damaged or cannot be read: a jump must not be forgotten by that.

        """
        try:
            text = self.file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            hint = unreadable_hint(self.file, error, _HINT_FILE.format(file=self.file))
            raise Failed("no_memory", f"{self.file} cannot be read: {error.strerror}", hint=hint) from None
        if (line := _LINE.fullmatch(text)) is None:
            raise Failed("no_memory", f"{self.file} is damaged", hint=_HINT_FILE.format(file=self.file))
        return float(line["offset"]) if line["boot"] == self.boot_id != UNKNOWN else None

    def keep(self, offset: float) -> None:
        """Keeps the offset; on the disk when this returns."""
        if not self.writes:
            return
        write_durably(self.file, f"{self.boot_id} {offset:.3f}\n".encode("ascii"))


class Clock:
    """``wall`` gives seconds since the epoch, ``boot`` seconds since the machine started, sleep included.

    What the two say is taken as right when nothing is known from before.
    """

    def __init__(self, wall: Callable[[], float], boot: Callable[[], float], kept: Kept | None = None) -> None:
        self.wall = wall
        self.boot = boot
        self._kept = kept
        known = None if kept is None else kept.recall()
        self.offset = wall() - boot() if known is None else known
        if known is None:
            self.settle(self.offset)

    @property
    def drift(self) -> float:
        """Seconds that the wall clock is ahead of what the boot clock makes of it."""
        return self.wall() - self.boot() - self.offset

    def now(self, last_entry: int) -> int:
        """The time in whole seconds.

        Raises:
            Failed: ``clock``, if the clock jumped, or lies before the log's last entry.

        """
        now, drift = self.wall(), self.drift
        if abs(drift) > TOLERANCE:
            raise Failed("clock", f"the clock jumped by {drift:+.0f} s; nothing is signed until confirmed", hint=_HINT)
        if (behind := last_entry - int(now)) > 0:
            raise Failed(
                "clock",
                f"the clock is {behind} s behind the log's last entry; nothing is signed",
                hint=_HINT if behind > TOLERANCE else f"wait: signing continues by itself in {behind} s",
            )
        return int(now)

    def steady(self, last_entry: int) -> int:
        """The time as the boot clock goes on counting it: for what must be done although the clock is not believed."""
        return max(int(self.boot() + self.offset), last_entry)

    def confirm(self) -> float:
        """Takes what the clocks say now as right; returns the drift that is forgiven."""
        drift = self.drift
        self.settle(self.wall() - self.boot())
        return drift

    def settle(self, offset: float) -> None:
        """From now on the two clocks are this far apart when all is well."""
        self.offset = offset
        if self._kept is not None:
            self._kept.keep(offset)


_HINT_FILE = "set the time of the CA's machine right, look at it again, and remove the file: rm {file}"
_HINT = "set the time of the CA's machine right, then: ssh-jit-ca confirm-clock"
