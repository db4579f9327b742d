"""The threads in which views run: each job is done once, or refused once, and no thread is lost."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

import pytest

from sshjit.errors import Failed
from sshjit_web import listener
from sshjit_web.server import threads
from sshjit_web.server.threads import Job, Threads
from tests.support.waiting import PATIENCE


def started(number: int = 1) -> Threads:
    made = Threads(number)
    made.start(asyncio.get_running_loop())
    return made


async def ended(*jobs: Job) -> None:
    await asyncio.wait_for(asyncio.gather(*(job.ended for job in jobs)), PATIENCE)


def nobody(error: Failed) -> None:
    raise AssertionError(error)


def test_what_was_begun_in_time_is_not_refused_when_the_time_to_wait_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked would hear that it was not done, and it is."""
    monkeypatch.setattr(threads, "WAIT_TIME", 0.3)
    first, begun, second = threading.Event(), threading.Event(), threading.Event()
    refused: list[Failed] = []

    def work() -> None:
        begun.set()
        assert second.wait(PATIENCE)

    async def play() -> None:
        made = started()
        before = made.give(lambda: _wait(first), nobody)
        job = made.give(work, refused.append)
        first.set()
        await ended(before)
        if not await asyncio.to_thread(begun.wait, PATIENCE) or refused:
            pytest.fail("it did not begin in time")
        await asyncio.sleep(0.6)
        assert not job.ended.done()
        second.set()
        await ended(job)
        assert refused == []
        made.stop()

    asyncio.run(play())


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


def test_of_a_job_that_is_done_no_timer_is_left() -> None:
    """It would keep the request, with its body, for as long as anybody may wait."""
    go = threading.Event()

    async def play() -> None:
        made = started()
        jobs = [made.give(lambda: _wait(go), nobody) for _ in range(3)]
        go.set()
        await ended(*jobs)
        await asyncio.sleep(0)
        assert all(timer.cancelled() for timer in asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]
        made.stop()

    asyncio.run(play())


def test_a_job_that_fails_ends_and_its_thread_goes_on() -> None:
    done: list[str] = []

    def leave() -> None:
        raise SystemExit

    async def play() -> None:
        made = started()
        await ended(made.give(leave, nobody))
        await ended(made.give(lambda: done.append("next"), nobody))
        made.stop()

    asyncio.run(play())
    assert done == ["next"]


class Overtaken(deque[Job]):
    """Ended jobs, among which another thread puts one just when the loop has seen that there is none left."""

    meanwhile: Callable[[], None] | None = None

    def __bool__(self) -> bool:
        there = len(self) > 0
        if not there and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return there


def test_a_job_that_ends_while_the_loop_looks_wakes_it_again() -> None:
    async def play() -> None:
        made = started()
        late = Job(lambda: None, nobody, asyncio.get_running_loop().create_future())
        made._ended = jobs = Overtaken()
        jobs.meanwhile = lambda: made._tell(late)
        await ended(made.give(lambda: None, nobody))
        await ended(late)
        made.stop()

    asyncio.run(play())


def test_an_end_waits_for_what_was_begun_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        _wait(go)
        done.set()

    async def play() -> None:
        made = started()
        made.give(work, nobody)
        threading.Timer(0.3, go.set).start()
        made.stop()
        assert done.is_set()
        go.clear()
        stuck = started()
        stuck.give(lambda: _wait(go), nobody)
        monkeypatch.setattr(threads, "END_TIME", 0.2)
        stuck.stop()

    asyncio.run(play())
    go.set()


def test_a_job_that_outlasts_the_end_ends_its_thread_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop is closed by then, and nobody waits for it any more."""
    monkeypatch.setattr(threads, "END_TIME", 0.2)
    failures: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    go = threading.Event()

    async def play() -> list[threading.Thread]:
        stuck = started()
        stuck.give(lambda: _wait(go), nobody)
        stuck.stop()
        return stuck._threads

    left = asyncio.run(play())
    go.set()
    for thread in left:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert not failures


def test_what_was_begun_is_over_before_the_program_is_killed() -> None:
    assert threads.WAIT_TIME + threads.END_TIME < listener.END_TIME
