"""Polls that wait on the event loop until there is something new: a coroutine and a timer each, and never a thread.

So many wait in all, and a share of them from one address; whoever comes beyond that is answered at once, and polls as
before. All are woken by one call, a few at a time, so that other requests are answered in between.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from sshjit.rates import network_of
from sshjit_web.server.rsgi import HTTPProtocol

MOST = 4096
"""Polls that wait."""
OF_ONE = 4
"""One address has at most this part of them."""
SPREAD = 0.2
"""The random share that is taken off each wait: polls that were woken together are not over together."""
AT_ONCE = 32
"""Polls that are woken before other requests have their turn."""


def spread(seconds: float) -> float:
    """A little less than that, each time another."""
    return seconds * (1 - SPREAD * random.random())  # noqa: S311 - no secret: it spreads load


class Gone(Exception):
    """Nobody waits for the answer any more."""


class LongPolls:
    """Those that wait. For one event loop."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: dict[asyncio.Future[bool], None] = {}
        """Whether somebody still waits is what each becomes."""
        self._by_network: Counter[str] = Counter()
        self.closed = False
        """The program ends: nobody waits any more."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def wait(self, protocol: HTTPProtocol, address: str, seconds: float) -> bool:
        """Waits for ``wake`` or so many seconds; ``False``, at once, where it may not: so many wait, or the end came.

        Raises:
            Gone: the connection ended first.

        """
        network = network_of(address)
        if self.closed or len(self) >= self._most or self._by_network[network] >= self._most // OF_ONE:
            return False
        loop = asyncio.get_running_loop()
        poll: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(seconds, _end, poll, True)  # noqa: FBT003 - what the future becomes
        connection = protocol.client_disconnect()
        connection.add_done_callback(lambda _: _end(poll, False))  # noqa: FBT003 - the same
        self._waiting[poll] = None
        self._by_network[network] += 1
        try:
            if not await poll:
                raise Gone
        finally:
            timer.cancel()
            connection.cancel()
            self._waiting.pop(poll, None)
            self._by_network[network] -= 1
            if not self._by_network[network]:
                del self._by_network[network]
        return True

    def wake(self) -> None:
        """Ends the waiting of all that wait now."""
        self._wake(list(self._waiting))

    def close(self) -> None:
        """Ends the waiting for good."""
        self.closed = True
        self.wake()

    def _wake(self, polls: list[asyncio.Future[bool]]) -> None:
        for poll in polls[:AT_ONCE]:
            _end(poll, True)  # noqa: FBT003 - as above
        if rest := polls[AT_ONCE:]:
            asyncio.get_running_loop().call_soon(self._wake, rest)


def _end(poll: asyncio.Future[bool], there: bool) -> None:  # noqa: FBT001 - what the future becomes
    if not poll.done():
        poll.set_result(there)
