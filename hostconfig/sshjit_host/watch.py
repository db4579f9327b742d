"""Refreshes until the process ends, or once: when to do it again, what to print, and what the CA hears.

No failure ends it. While all is well, the front end keeps the question until it has a newer bundle, and the next one
follows at once. Where it does not, the time between two refreshes is the interval, less a random share so that not
all hosts come at once; while something is wrong it grows up to a minute.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NoReturn

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.front_end import fetch
from sshjit_host.front_end.fetch import Poll
from sshjit_host.front_end.host_report import Reporter
from sshjit_host.refresh import Refresher

SPREAD = 0.2
"""The largest random share that is taken off a pause."""
LONGEST_PAUSE = 60
"""The most seconds between two refreshes after failures (or the interval, if that is longer)."""
SHORTEST_WAIT = 20
"""Seconds to which the front end's wait goes down where something on the way cuts it."""
PACE = 1.0
"""Seconds from one question to the next at least, however quickly the front end answers."""
REMINDER = 3600
"""Seconds after which a warning or failure that is still true is printed again."""

Say = Callable[[str], None]


def pause(interval: int, failures: int, chance: float) -> float:
    """Seconds until the next refresh, after ``failures`` in a row; ``chance`` is from 0 to 1."""
    doubled: int = interval << min(failures, 16)
    return min(doubled, max(interval, LONGEST_PAUSE)) * (1 - SPREAD * chance)


def rest(poll: Poll, took: float, usual: float) -> float:
    """Seconds until the next question, after one that took so long; ``usual`` is the pause without waiting."""
    idle = poll.offer is None and not poll.cut and took < PACE
    return usual if idle or not poll.waits else max(0.0, PACE - took)


class Reminders:
    """Passes lines on, but a warning or failure that repeats itself only once an hour."""

    def __init__(self, say: Say, clock: Callable[[], float]) -> None:
        self._say = say
        self._clock = clock
        self._said: dict[str, float] = {}

    def change(self, line: str) -> None:
        """Pass on a line of a refresh: a change at once, a warning if it was not printed within the hour."""
        if line.startswith("warning: "):
            self.still_true(line)
        else:
            self._say(line)

    def still_true(self, line: str, *more: str) -> None:
        """Pass on a line, and ``more`` with it, unless it was printed within the hour."""
        now = self._clock()
        if now - self._said.get(line, -REMINDER) >= REMINDER:
            self._said[line] = now
            for each in (line, *more):
                self._say(each)

    def recovered(self) -> None:
        """Forget failures, so that the next one is printed at once."""
        self._said = {line: when for line, when in self._said.items() if line.startswith("warning: ")}


def watch(config: Config, say: Say, chances: random.Random) -> NoReturn:
    """Refresh for ever; ``say`` gets a line for each change and failure."""
    reminders = Reminders(say, time.monotonic)
    refresher = Refresher(config, reminders.change)
    reporter = Reporter(config)
    failures, wait = 0, fetch.WAIT
    while True:
        began, poll = time.monotonic(), fetch.Poll(None)
        try:
            poll = refresher.refresh(time.time(), wait)
        except HostError as error:
            failures += 1
            reminders.still_true(error.message, *([f"hint: {error.hint}"] if error.hint else []))
        except Exception as error:  # noqa: BLE001 - if the watcher died of an unexpected error, revocations would be missed
            failures += 1
            reminders.still_true(f"unexpected {type(error).__name__}: {error}")
        else:
            if failures:
                say("all is well again")
            failures = 0
            reminders.recovered()
        _report(refresher, reporter, reminders.still_true)
        if poll.cut:
            wait = max(SHORTEST_WAIT, wait // 2)
        usual = pause(config.interval, failures, chances.random())
        time.sleep(rest(poll, time.monotonic() - began, usual))


def once(config: Config, say: Say) -> None:
    """One refresh, of which the CA hears too. Raises ``HostError`` for what is wrong, once that is reported."""
    refresher, reporter = Refresher(config, say), Reporter(config)
    try:
        refresher.refresh(time.time())
    except HostError:
        _report(refresher, reporter, say)
        raise
    _report(refresher, reporter, say)


def _report(refresher: Refresher, reporter: Reporter, say: Say) -> None:
    """Tell the CA what is wrong here; that it was not told is only worth a line where something is."""
    try:
        held = refresher.held()
        if held is not None:
            reporter.report(held, time.time())
    except HostError as error:
        if reporter.waiting:
            say(f"warning: the CA was not told of this host's problems: {error.message}")
