"""The sockets that the CA listens at: opened, looked after while it runs, and closed.

Whoever cleans up a folder, or starts another program with the same configuration, may take a socket's file away. Nobody
could connect any more, while the CA believed that all is well. So it looks every few seconds, and listens anew; unless
somebody else listens there by now.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sshjit.errors import Failed
from sshjit_ca import sockets
from sshjit_ca.service.connection import Connection, Listening
from sshjit_ca.sockets import Bound, Socket

_log = logging.getLogger(__name__)
LOOK = 2.0
"""Seconds between two looks at the files."""
SHOWN = 600.0
"""Seconds for which the CA's status shows that a file was gone, also after it is there again."""
BACKLOG = 3
"""Rounds of the loop in which what had connected before is still accepted."""
LEAVE = 1.0
"""Seconds that peers have to read their last answers."""


class Listeners:
    """All sockets, and everybody who is connected."""

    def __init__(
        self, listening: Sequence[Listening], meet: Callable[[Listening], Connection], problems: dict[Socket, str]
    ) -> None:
        """``meet`` makes what speaks to a peer; ``problems`` gets what is wrong with a socket."""
        self._listening = listening
        self._meet = meet
        self._problems = problems
        self._bound: dict[Socket, Bound] = {}
        self._servers: dict[Socket, asyncio.Server] = {}
        self._shown: dict[Socket, float] = {}
        self._connections = set[Connection]()

    async def open(self) -> None:
        """Listens at all of them. Raises ``Failed`` as ``sockets.listen`` does."""
        bound = {each.socket: sockets.listen(each.path, each.users) for each in self._listening}
        for each in self._listening:
            await self._serve(each, bound[each.socket])

    async def watch(self) -> None:
        """Looks after the files, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            for each in self._listening:
                await self._look(each)

    async def close(self) -> None:
        """Takes no new peers. Those who had connected before are still met."""
        for _ in range(BACKLOG):
            await asyncio.sleep(0)
        for each in self._listening:
            self._servers[each.socket].close()
            sockets.unlink(each.path, self._bound[each.socket])

    async def leave(self) -> None:
        """Ends every connection once its peer read what was sent, or did not in time."""
        for connection in list(self._connections):
            connection.close()
        until = time.monotonic() + LEAVE
        while self._connections and time.monotonic() < until:  # noqa: ASYNC110 - a stop is no place for more events
            await asyncio.sleep(0.01)

    async def _serve(self, listening: Listening, bound: Bound) -> None:
        def met() -> Connection:
            connection = self._meet(listening)
            connection.ended = self._connections.discard
            self._connections.add(connection)
            return connection

        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(met, sock=bound.socket, start_serving=False)
        self._bound[listening.socket], self._servers[listening.socket] = bound, server
        await server.start_serving()  # where ``watch`` may be cancelled: then the file is known, and taken away

    async def _look(self, listening: Listening) -> None:
        where, bound = listening.socket, self._bound[listening.socket]
        if sockets.is_there(listening.path, bound):
            if time.monotonic() >= self._shown.get(where, 0.0):
                self._problems.pop(where, None)
            return
        at = datetime.now(UTC)
        if where not in self._problems:
            _log.error("%s was removed or replaced; listening anew", listening.path)
        try:
            bound = _listen_anew(listening)
        except (Failed, OSError) as error:
            if not self._problems.get(where, "").startswith(_NOBODY):
                _log.error("%s", error)
            self._problems[where] = f"{_NOBODY} to the {where} socket: its file was removed or replaced"
            return
        self._servers[where].close()
        await self._serve(listening, bound)
        self._shown[where] = time.monotonic() + SHOWN
        self._problems[where] = (
            f"the file of the {where} socket was removed or replaced at {at:%H:%M:%S} UTC; the CA listens there again"
        )


_NOBODY = "nobody can connect"
_SOMEBODY = frozenset({0, errno.EAGAIN})
"""What connecting says where somebody listens: also one who has too much to do just now."""


def _listen_anew(listening: Listening) -> Bound:
    """Listens again, unless somebody answers at that place: who took over must not be cut off."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        if probe.connect_ex(str(listening.path)) in _SOMEBODY:
            raise Failed("not_listening", f"another program listens at {listening.path}")
    return sockets.listen(listening.path, listening.users)
