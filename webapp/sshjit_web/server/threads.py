"""The threads in which views run: so many at a time, and so many requests that wait for one.

The event loop gives a job and awaits its end. A job whose client has gone before its turn is not run, and one whose
turn does not come in time is refused by the loop: also where no thread gets free any more. Such a job keeps its place
until a thread has passed it over, so that no more wait than may.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TypeVar

from sshjit.errors import Failed

T = TypeVar("T")
LOG = logging.getLogger(__name__)
WAITING = 8
"""Requests that may wait for each thread."""
SHED = 3.0
"""Seconds that the last one waited for its turn, from which on nobody more is taken who would have to wait: those who
wait already get an answer, instead of nobody in time."""
WAIT_TIME = 10.0
"""Seconds after which a request that waited is refused: whoever asked has given up, or soon will."""
LEAST, SPREAD = 2, 4
"""Seconds after which somebody who found no room may come again, and the random share on top."""
END_TIME = 20.0
"""Seconds that jobs under way have when the program ends."""


@dataclass(slots=True, eq=False)
class Job:
    """One request's view. ``refuse`` answers in its place."""

    work: Callable[[], None]
    refuse: Callable[[Failed], None]
    ended: asyncio.Future[None]
    given: float = 0.0
    """When, by the monotonic clock."""
    skipped: bool = False
    """Nobody waited for it any more before its turn came, so it is not done."""
    _taken: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> bool:
        """Whether whoever asks is the first: a thread that would work, or the loop that gives it up."""
        return self._taken.acquire(blocking=False)

    def abandon(self, _connection: object = None) -> None:
        """On the loop: nobody waits for it any more."""
        if self.take():
            self.skipped = True
            self.end()

    def expire(self) -> None:
        """On the loop: its turn did not come in time."""
        if self.take():
            self.refuse(busy(WAIT_TIME))
            self.end()

    def end(self) -> None:
        """On the loop: whoever gave it goes on."""
        if not self.ended.done():
            self.ended.set_result(None)


class Threads:
    """``number`` threads. All methods but the threads' own run on the event loop."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._unfinished = 0
        self._ended: deque[Job] = deque()
        self._told = False
        self._waited = 0.0
        """Seconds that the last job whose turn came had waited for it."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: list[threading.Thread] = []

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Starts them."""
        self._loop = loop
        for at in range(self._number):
            thread = threading.Thread(target=self._work, name=f"view-{at}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Ends them, after what they have begun."""
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + END_TIME
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    @property
    def unfinished(self) -> int:
        """How many jobs wait, or are done now."""
        return self._unfinished

    @property
    def all_busy(self) -> bool:
        """Whether what is given now has to wait."""
        return self._unfinished >= self._number

    def give(self, work: Callable[[], None], refuse: Callable[[Failed], None]) -> Job:
        """Lets a thread do ``work``; its ``ended`` is to be awaited.

        Raises:
            Failed: ``busy``: too many wait already.

        """
        assert self._loop is not None  # noqa: S101 - start() came before
        if self._unfinished >= self._number * (1 + WAITING) or (self.all_busy and self._waited >= SHED):
            raise busy(self._waited)
        job = Job(work, refuse, self._loop.create_future(), time.monotonic())
        if self.all_busy:
            timer = self._loop.call_later(WAIT_TIME, job.expire)
            job.ended.add_done_callback(lambda _: timer.cancel())
        self._unfinished += 1
        self._jobs.put(job)
        return job

    async def result(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises, in a thread.

        Raises:
            Failed: ``busy``: too many wait already, or its turn does not come in time.

        """
        results, errors = list[T](), list[BaseException]()

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - whoever waits for it hears of it
                errors.append(error)

        await self.give(run, errors.append).ended
        if errors:
            raise errors.pop()
        return results.pop()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._waited = time.monotonic() - job.given
                if job.take():
                    job.work()
            except BaseException:
                LOG.exception("a view's thread failed")
            self._tell(job)

    def _tell(self, job: Job) -> None:
        """Wakes the loop, once for all that ended meanwhile: each waking is a system call."""
        self._ended.append(job)
        if not self._told and self._loop is not None:
            self._told = True
            with suppress(RuntimeError):  # the loop is closed: the program ended without waiting for this job
                self._loop.call_soon_threadsafe(self._collect)

    def _collect(self) -> None:
        self._told = False  # first, so that whatever ends from now on wakes the loop again
        while self._ended:
            job = self._ended.popleft()
            self._unfinished -= 1
            job.end()


def busy(waited: float) -> Failed:
    """The error of a request that finds no room. ``waited``: seconds that others waited for theirs.

    Who comes again then meets those who wait now no more; who is told at the same time comes at another.
    """
    seconds = random.randint(LEAST, LEAST + 2 * math.ceil(waited) + SPREAD)  # noqa: S311 - no secret: it spreads load
    text = "the front end has too much to do"
    return Failed("busy", text, hint=f"try again in {seconds} s").again_after(seconds)
