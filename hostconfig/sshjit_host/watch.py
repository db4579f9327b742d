"""Refreshing for as long as the process lives: when to look again, and what to say of it.

No failure ends it. The time between two looks is never longer than the interval while all is well, a little less by
chance so that hosts do not come all at once, and grows up to a minute while something is wrong.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NoReturn

from .config import Config
from .errors import HostError
from .refresh import Refresher

SPREAD = 0.2
"""Share of a pause that chance may take off."""
LONGEST_PAUSE = 60
"""Seconds at most between two looks after failures (or the interval, if that is longer)."""
REMINDER = 3600
"""Seconds after which a warning or failure that is still true is said again."""

Say = Callable[[str], None]


def pause(interval: int, failures: int, chance: float) -> float:
    """Seconds until the next look, after ``failures`` in a row; ``chance`` is from 0 to 1."""
    doubled: int = interval << min(failures, 16)
    return min(doubled, max(interval, LONGEST_PAUSE)) * (1 - SPREAD * chance)


class Reminders:
    """Passes lines on, but warnings and failures that repeat themselves only once an hour."""

    def __init__(self, say: Say, clock: Callable[[], float]) -> None:
        self._say = say
        self._clock = clock
        self._said: dict[str, float] = {}

    def change(self, line: str) -> None:
        """Pass on what a refresh says: a change at once, a warning if it was not said within the hour."""
        if line.startswith("warning: "):
            self.still_true(line)
        else:
            self._say(line)

    def still_true(self, line: str, *more: str) -> None:
        """Pass on a line, and ``more`` with it, unless it was said within the hour."""
        now = self._clock()
        if now - self._said.get(line, -REMINDER) >= REMINDER:
            self._said[line] = now
            for each in (line, *more):
                self._say(each)

    def well(self) -> None:
        """Forget failures, so that the next one is said at once."""
        self._said = {line: when for line, when in self._said.items() if line.startswith("warning: ")}


def watch(config: Config, say: Say, chances: random.Random) -> NoReturn:
    """Refresh for ever; ``say`` gets a line for each change and failure."""
    reminders = Reminders(say, time.monotonic)
    refresher = Refresher(config, reminders.change)
    failures = 0
    while True:
        try:
            refresher.refresh(time.time())
        except HostError as error:
            failures += 1
            reminders.still_true(error.message, *([f"hint: {error.hint}"] if error.hint else []))
        except Exception as error:  # noqa: BLE001 - a watcher that dies of a surprise leaves revocations unheard
            failures += 1
            reminders.still_true(f"unexpected {type(error).__name__}: {error}")
        else:
            if failures:
                say("all is well again")
            failures = 0
            reminders.well()
        time.sleep(pause(config.interval, failures, chances.random()))
