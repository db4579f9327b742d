"""The connections to the CA, and to which of several CAs: one of them writes, and the others do not listen.

A thread has a connection to itself while it waits for an answer. Where there are several CAs, another thread asks the
one in use how it is, and once it is not well and another is, everybody goes there: who waits for an answer of the one
before stops waiting (a CA that hangs keeps its connections), and is told as if the connection had broken.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from sshjit.errors import SshJitError
from sshjit_web.ca_socket import Connection

LOG = logging.getLogger(__name__)
LOOK = 0.5
"""Seconds between two looks at the CA in use."""


class Pool:
    """Connections by ``connect``, which raises ``SshJitError`` where there is no CA; ``keep`` idle ones at most."""

    def __init__(self, addresses: Sequence[str], connect: Callable[[str], Connection], *, keep: int) -> None:
        self.addresses = tuple(addresses)
        self._connect = connect
        self._keep = keep
        self._current = self.addresses[0]
        self._idle: deque[Connection] = deque()  # its single steps need no lock, nor do the set's
        self._used: set[Connection] = set()

    def take(self) -> Connection:
        """An idle connection, which may have ended meanwhile: the next message on it finds out; or a new one."""
        try:
            connection = self._idle.pop()
        except IndexError:
            return self.new()
        self._used.add(connection)
        if connection.path == self._current:
            return connection
        self.drop(connection)  # another CA is used since this moment
        return self.new()

    def new(self, *, besides: str = "") -> Connection:
        """A connection that is certainly new: to the CA in use, or to the next that answers; ``besides``: the last one.

        Raises:
            SshJitError: of the CA in use, if none answers.

        """
        problem: SshJitError | None = None
        for address in sorted(self._from_current(), key=lambda each: each == besides):
            try:
                connection = self._connect(address)
            except SshJitError as error:
                problem = problem or error
            else:
                self._use(address)
                self._used.add(connection)
                return connection
        assert problem is not None  # noqa: S101 - there is one address at least
        raise problem

    def give(self, connection: Connection) -> None:
        """It is not needed any more."""
        self._used.discard(connection)
        if len(self._idle) < self._keep and connection.path == self._current:
            self._idle.append(connection)
        else:
            connection.close()

    def drop(self, connection: Connection) -> None:
        """It is over."""
        self._used.discard(connection)
        connection.close()

    def close(self) -> None:
        """Closes the idle connections."""
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()

    def follow(self, is_well: Callable[[str], bool]) -> None:
        """Has a thread follow the CA that writes, if there are several. ``is_well`` asks one, and waits briefly."""
        if len(self.addresses) > 1:
            threading.Thread(target=self._follow, args=(is_well,), name="ca", daemon=True).start()

    def _follow(self, is_well: Callable[[str], bool]) -> None:
        while True:
            time.sleep(LOOK)
            try:
                self.look(is_well)
            except Exception:
                LOG.exception("the CAs could not be looked at")  # whatever it is: questions find out by themselves

    def look(self, is_well: Callable[[str], bool]) -> None:
        """Goes to the first CA that is well, unless the one in use is."""
        current, *others = self._from_current()
        if not is_well(current) and (better := next(filter(is_well, others), None)) is not None:
            self._use(better)

    def _from_current(self) -> tuple[str, ...]:
        at = self.addresses.index(self._current)
        return self.addresses[at:] + self.addresses[:at]

    def _use(self, address: str) -> None:
        if address == self._current:
            return
        LOG.warning("the CA at %s is used from now on", address)
        self._current = address
        self.close()
        for connection in list(self._used):
            if connection.path != address:
                connection.abort()
