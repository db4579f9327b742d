"""Bodies, as the event loop reads them: their deadline, and which one goes where too many are unfinished."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import cast

import pytest

from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_web.server.bodies import BodyReader, TooLarge
from sshjit_web.server.rsgi import HTTPProtocol

PATIENCE = 20.0


class Sender:
    """Somebody who sends parts of a body, and then the end, or nothing more."""

    def __init__(self, *parts: bytes, ends: bool = False) -> None:
        self._parts = parts
        self._ends = ends

    def __call__(self) -> Awaitable[bytes]:
        return self._all()

    async def _all(self) -> bytes:
        if not self._ends:
            await asyncio.Event().wait()
        return b"".join(self._parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part
        if not self._ends:
            await asyncio.Event().wait()
        yield b""


def begin(reader: BodyReader, sender: Sender, length: int | None, address: str) -> asyncio.Task[bytes]:
    return asyncio.create_task(reader.read(cast("HTTPProtocol", sender), length, address))


async def error_of(task: asyncio.Task[bytes]) -> SshJitError:
    """What a reading ends with."""
    with pytest.raises(SshJitError) as caught:
        await asyncio.wait_for(task, PATIENCE)
    return caught.value


@pytest.mark.parametrize("length", [10, None])
def test_a_body_that_does_not_end_is_cut(length: int | None) -> None:
    async def play() -> None:
        reader = BodyReader(100, seconds=0.1)
        error = await error_of(begin(reader, Sender(b"a"), length, "192.0.2.1"))
        assert (type(error), error.code) == (Invalid, "too_slow")
        assert len(reader) == 0

    asyncio.run(play())


def test_a_body_shorter_than_its_length_is_none() -> None:
    async def play() -> None:
        error = await error_of(begin(BodyReader(100), Sender(b"bo", ends=True), 4, "192.0.2.1"))
        assert (type(error), error.code) == (Invalid, "bad_request")

    asyncio.run(play())


def test_the_oldest_of_an_address_makes_room_for_its_next() -> None:
    async def play() -> None:
        reader = BodyReader(100, seconds=PATIENCE, most=9, most_of_one=2)
        other = begin(reader, Sender(), 10, "192.0.2.9")
        oldest, younger = (begin(reader, Sender(), 10, "2001:db8::1"), begin(reader, Sender(), 10, "2001:db8::2"))
        await asyncio.sleep(0)
        whole = begin(reader, Sender(b"body", ends=True), 4, "2001:db8::3")
        error = await error_of(oldest)
        assert (type(error), error.code) == (Refused, "too_many")
        assert await whole == b"body"
        assert len(reader) == 2
        assert not other.done()
        assert not younger.done()
        other.cancel()
        younger.cancel()
        await asyncio.gather(other, younger, return_exceptions=True)
        assert other.cancelled(), "not by us: whoever cancelled it is told"
        assert younger.cancelled()
        assert len(reader) == 0
        assert not reader._by_address, "nothing is kept of addresses that have gone"

    asyncio.run(play())


def test_each_of_many_that_come_at_once_takes_the_place_of_another() -> None:
    """They come before the first that was cut has run."""

    async def play() -> None:
        reader = BodyReader(100, seconds=PATIENCE, most=9, most_of_one=2)
        old = [begin(reader, Sender(), 10, "192.0.2.1") for _ in range(2)]
        await asyncio.sleep(0)
        new = [begin(reader, Sender(), 10, "192.0.2.1") for _ in range(2)]
        assert [(await error_of(task)).code for task in old] == ["too_many", "too_many"]
        assert len(reader) == 2
        for task in new:
            task.cancel()
        await asyncio.gather(*new, return_exceptions=True)

    asyncio.run(play())


def test_the_oldest_of_all_makes_room_where_there_are_too_many() -> None:
    async def play() -> None:
        reader = BodyReader(100, seconds=PATIENCE, most=3, most_of_one=2)
        slow = [begin(reader, Sender(), 10, f"192.0.2.{number}") for number in range(3)]
        await asyncio.sleep(0)
        whole = begin(reader, Sender(b"bo", b"dy", ends=True), None, "192.0.2.9")
        error = await error_of(slow[0])
        assert (type(error), error.code) == (Failed, "busy")
        assert await whole == b"body"
        assert [task.done() for task in slow] == [True, False, False]
        for task in slow[1:]:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)

    asyncio.run(play())


@pytest.mark.parametrize("length", [101, None])
def test_a_body_beyond_the_limit_ends_the_reading(length: int | None) -> None:
    async def play() -> None:
        with pytest.raises(TooLarge):
            await asyncio.wait_for(begin(BodyReader(100), Sender(b"x" * 101), length, "192.0.2.1"), PATIENCE)

    asyncio.run(play())


def test_a_body_that_came_in_time_has_no_deadline_any_more() -> None:
    """Its view may take longer than that."""

    async def play() -> None:
        async def request() -> bytes:
            body = await reader.read(cast("HTTPProtocol", Sender(b"body", ends=True)), 4, "192.0.2.1")
            await asyncio.sleep(0.4)
            return body

        reader = BodyReader(100, seconds=0.1)
        assert await asyncio.wait_for(asyncio.create_task(request()), PATIENCE) == b"body"

    asyncio.run(play())


def test_whoever_was_cut_may_wait_for_something_else() -> None:
    """The first reason is what they hear, and the task is as if nobody had cancelled it."""

    async def play() -> None:
        async def request() -> str:
            try:
                await reader.read(cast("HTTPProtocol", Sender()), 4, "192.0.2.1")
            except SshJitError as error:
                task = asyncio.current_task()
                assert task is not None
                return f"{error.code} {task.cancelling()}"
            return "a body"

        reader = BodyReader(100, seconds=PATIENCE)
        task = asyncio.create_task(request())
        await asyncio.sleep(0)
        (reading,) = reader._unfinished
        reading.cut(Refused("too_many", "first"))
        reading.cut(Invalid("too_slow", "second"))
        assert await asyncio.wait_for(task, PATIENCE) == "too_many 0"

    asyncio.run(play())
