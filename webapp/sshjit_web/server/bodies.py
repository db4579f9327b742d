"""Reads the bodies of requests on the event loop: within a deadline, to a limit, and so many at a time.

Whoever is slow is cut, and only they. Where too many bodies are unfinished, the oldest one goes: that of the same
address, or of all. An honest body is there at once and is never the oldest for long, so no number of slow ones keeps
it out.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass

from granian.rsgi import ProtocolClosed, ProtocolError  # type: ignore[attr-defined]

from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit.rates import network_of
from sshjit_web.server.rsgi import HTTPProtocol

HEAD_TIME = 10.0
"""Seconds that a request's line and headers may take, or a connection may be idle."""
BODY_TIME = 10.0
"""Seconds that the body may take after that; so a request has 20 in all."""
MOST = 512
"""Unfinished bodies in all: 32 MiB at most."""
MOST_OF_ONE = 32
"""Unfinished bodies of one address."""


class TooLarge(Exception):
    """The body is larger than the limit."""


@dataclass(slots=True, eq=False)
class _Reading:
    """A body that is being read."""

    task: asyncio.Task[object]
    network: str
    error: SshJitError | None = None

    def cut(self, error: SshJitError) -> None:
        """Ends it; ``error`` is what the sender hears."""
        if self.error is None:
            self.error = error
            self.task.cancel()


class BodyReader:
    """Reads bodies of at most ``limit`` bytes. For one event loop."""

    def __init__(
        self, limit: int, *, seconds: float = BODY_TIME, most: int = MOST, most_of_one: int = MOST_OF_ONE
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._most = most
        self._most_of_one = most_of_one
        self._unfinished: dict[_Reading, None] = {}
        """All of them, the oldest first."""
        self._by_address: defaultdict[str, dict[_Reading, None]] = defaultdict(dict)

    def __len__(self) -> int:
        """How many bodies are unfinished."""
        return len(self._unfinished)

    async def read(self, protocol: HTTPProtocol, length: int | None, address: str) -> bytes:
        """The body; ``length`` is what its header says, ``None`` where it comes in chunks.

        Raises:
            TooLarge: it is larger than the limit.
            Invalid: ``too_slow``: the deadline is over; ``bad_request``: the body broke off, or its chunks are wrong.
            Refused: ``too_many``: the address has too many unfinished ones, and this is its oldest.
            Failed: ``busy``: there are too many unfinished ones, and this is the oldest.

        """
        if length is not None and length > self._limit:
            raise TooLarge
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        reading = _Reading(task, network_of(address))
        self._admit(reading)
        timer = asyncio.get_running_loop().call_later(self._seconds, reading.cut, _too_slow())
        try:
            return await (_whole(protocol, length) if length is not None else _chunked(protocol, self._limit))
        except asyncio.CancelledError:
            if reading.error is None:
                raise
            task.uncancel()
            raise reading.error from None
        finally:
            timer.cancel()
            self._dismiss(reading)

    def _admit(self, reading: _Reading) -> None:
        of_one = self._by_address.get(reading.network, ())
        if len(of_one) >= self._most_of_one:
            self._drop(next(iter(of_one)), _too_many())
        elif len(self._unfinished) >= self._most:
            self._drop(next(iter(self._unfinished)), _busy())
        self._unfinished[reading] = self._by_address[reading.network][reading] = None

    def _drop(self, reading: _Reading, error: SshJitError) -> None:
        """Makes room at once: whoever is cut runs a moment later."""
        reading.cut(error)
        self._dismiss(reading)

    def _dismiss(self, reading: _Reading) -> None:
        self._unfinished.pop(reading, None)
        of_one = self._by_address.get(reading.network)
        if of_one is not None:
            of_one.pop(reading, None)
            if not of_one:
                del self._by_address[reading.network]


async def _whole(protocol: HTTPProtocol, length: int) -> bytes:
    body = await _or_broken(protocol())
    if len(body) != length:
        raise _broken()
    return body


async def _or_broken(body: Awaitable[bytes]) -> bytes:
    try:
        return await body
    except (ProtocolClosed, ProtocolError):
        raise _broken() from None


async def _chunked(protocol: HTTPProtocol, limit: int) -> bytes:
    """A body in chunks, which Granian ends with one empty part. A second one means that the connection broke.

    Trailers look the same, and are refused as well: nobody sends any.
    """
    body, ended = bytearray(), False
    async for part in protocol:
        if ended:
            raise _broken()
        ended = not part
        body += part
        if len(body) > limit:
            raise TooLarge
    if not ended:
        raise _broken()
    return bytes(body)


def _broken() -> Invalid:
    return Invalid("bad_request", "the request's body broke off, or its chunks are wrong", hint="send it again")


def _too_slow() -> Invalid:
    return Invalid("too_slow", "the request did not arrive in time", hint="send it again")


def _too_many() -> Refused:
    error = Refused("too_many", "too many unfinished requests come from this address", hint="send fewer at a time")
    return error.again_after(_soon())


def _busy() -> Failed:
    return Failed("busy", "the front end has too much to do", hint="try again in a few seconds").again_after(_soon())


def _soon() -> int:
    """Seconds until those that are unfinished now are over; for each another, so that they do not come together."""
    return round(BODY_TIME) // 2 + random.randint(0, round(BODY_TIME))  # noqa: S311 - no secret: it spreads load
