"""The loop of ``ssh-jit-web notify``: hold the lease, follow the log, deliver what is owed, note what became of it.

One thread does all of this and all of the writing; the channels have their own. Whatever fails is said once a minute
and tried again: the notifier ends only when it is told to.
"""

from __future__ import annotations

import logging
import queue
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from sshjit.errors import SshJitError
from sshjit_web.notify.delivery import Delivery, Result, next_try
from sshjit_web.notify.ledger import Ledger, LostLease
from sshjit_web.notify.log_follower import LogFollower

LOG = logging.getLogger(__name__)
TICK = 1.0
"""Seconds between two looks at the log, when nothing else happens."""
PAGES = 20
"""Of the log, between two looks at what is owed."""
SWEEP_EVERY = 3600
QUIET = 60.0
"""Seconds in which the same problem is said once."""
LAST_WORDS = 5.0
"""Seconds that deliveries under way have to come back when the notifier is told to end."""


@dataclass
class Notifier:
    """Everything that the loop works with."""

    ledger: Ledger
    follower: LogFollower
    delivery: Delivery
    channels: tuple[str, ...]
    lease: int
    clock: Callable[[], int]
    monotonic: Callable[[], float]
    chance: Callable[[], float]
    stopping: bool = False
    _holds: bool | None = None
    _swept: int = 0
    _said: dict[str, float] = field(default_factory=dict)
    _unwritten: deque[Result] = field(default_factory=deque)

    def run(self) -> None:
        """Works until ``stop``."""
        while not self.stopping:
            more = self._trying(self._round)
            self._wait(0.0 if more else TICK)
        until = self.monotonic() + LAST_WORDS
        while self.delivery.busy and self.monotonic() < until:
            self._wait(0.2)
        self._trying(self._let_go)

    def stop(self) -> None:
        """Ends ``run`` soon; safe to call from a signal handler."""
        self.stopping = True
        self.delivery.results.put(None)

    def _round(self) -> bool:
        """Everything once; whether there is more of the log to read at once."""
        begun = self.monotonic()
        holds = self.ledger.take(self.clock())
        if holds != self._holds:
            LOG.warning("this notifier %s", "is active" if holds else "stands by: another one is active")
            self._holds = holds
        if not holds:
            return False
        self.delivery.allowed_until = begun + self.lease * 0.8
        more = self._trying(self._follow)
        self.follower.remind()
        self._begin()
        self._unwritten += self.delivery.hanging()
        self._settle()
        now = self.clock()
        if now - self._swept >= SWEEP_EVERY:
            self._swept = now
            self.ledger.orphans(self.channels, now)
            self.ledger.sweep(now)
        return more

    def _follow(self) -> bool:
        return all(self.follower.step() for _ in range(PAGES))

    def _begin(self) -> None:
        for channel in self.channels:
            if (free := self.delivery.free_threads(channel)) > 0:
                for owed in self.ledger.claim(channel, self.clock(), free):
                    self.delivery.begin(owed)

    def _wait(self, seconds: float) -> None:
        """Until something was delivered or failed, or it is time to look again; then everything that came back."""
        for result in self._results(seconds):
            if self.delivery.finished(result):
                self._unwritten.append(result)
        self._trying(self._settle)

    def _results(self, seconds: float) -> Iterable[Result]:
        try:
            first = self.delivery.results.get(timeout=seconds) if seconds else self.delivery.results.get_nowait()
            while True:
                if first is not None:
                    yield first
                first = self.delivery.results.get_nowait()
        except queue.Empty:
            return

    def _settle(self) -> bool:
        """Writes down what came back; what cannot be written now stays for the next time."""
        while self._unwritten:
            self._write(self._unwritten[0])
            self._unwritten.popleft()
        return False

    def _write(self, result: Result) -> None:
        owed, now = result.owed, self.clock()
        if not result.problem:
            self.ledger.sent(owed.id, now)
            return
        again = None if result.final else next_try(owed.tries, owed.due, now, self.chance())
        self._say(f"{owed.channel}: {result.problem}{' (given up)' if again is None else ''}")
        with suppress(LostLease):  # then it is another notifier's to try
            self.ledger.failed(owed.id, now, result.problem, next_try=again)

    def _let_go(self) -> bool:
        self.ledger.release()
        return False

    def _trying(self, act: Callable[[], bool]) -> bool:
        """Does it; what fails is said, and counts as nothing more to do."""
        try:
            return act()
        except LostLease:
            return False
        except SshJitError as error:
            self._say(str(error))
        return False

    def _say(self, problem: str) -> None:
        now = self.monotonic()
        if now - self._said.get(problem, -QUIET) >= QUIET:
            self._said = {text: when for text, when in self._said.items() if now - when < QUIET}
            self._said[problem] = now
            LOG.warning("%s", problem)
