"""Asks the CA for the event loop, by one connection for all questions.

When a question may be asked again, and what an answer means, is as in ``ca_client.py``: one that may have changed
something is never sent twice. A connection is opened and greeted there, in a thread; all who need it wait for the same.
"""

from __future__ import annotations

import asyncio
from functools import partial

from sshjit import ca_protocol
from sshjit.errors import SshJitError
from sshjit_web.ca_client import CaClient, Carried, broken, carried, opened, require_repeatable
from sshjit_web.ca_socket import Answer, Broken, Unsent
from sshjit_web.server.async_connection import AsyncConnection
from sshjit_web.server.threads import busy

MOST = 640
"""Questions that are not answered yet: five times as many as the CA takes at once."""


class AsyncCaClient:
    """For one event loop; ``client`` knows the CA, or several of them."""

    def __init__(self, client: CaClient) -> None:
        self._client = client
        self._connection: AsyncConnection | None = None
        self._opening: asyncio.Task[AsyncConnection] | None = None
        self.unfinished = 0
        """Questions without an answer."""

    async def carry(self, message: ca_protocol.Message, reply: type[ca_protocol.Reply], reader: int) -> Carried:
        """The answer for those who only hand it on, as ``CaClient.carry``, which says what it raises.

        Raises:
            Failed: ``busy`` too: so much is asked already.

        """
        if self.unfinished >= MOST:
            raise busy(0)
        self.unfinished += 1
        try:
            return carried(reply, opened(await self._answer(message, reader)))
        finally:
            self.unfinished -= 1

    async def _answer(self, message: ca_protocol.Message, reader: int) -> Answer:
        connection = self._connection or await self._open()
        try:
            answer = await connection.ask(message, reader)
        except (Unsent, Broken) as error:
            require_repeatable(message, error)
            return await self._again(message, reader)
        except TimeoutError:
            raise self._client.unanswered(message) from None
        if self._client.is_fenced(answer):
            connection.leave()
            return await self._again(message, reader, besides=connection.path)
        return answer

    async def _again(self, message: ca_protocol.Message, reader: int, *, besides: str = "") -> Answer:
        """One more try, on a newer connection; to the CA at ``besides`` only if no other answers."""
        connection = self._connection or await self._open(besides=besides)
        try:
            return await connection.ask(message, reader)
        except (Unsent, Broken) as error:
            raise broken(message, error) from None
        except TimeoutError:
            raise self._client.unanswered(message) from None

    async def _open(self, *, besides: str = "") -> AsyncConnection:
        if self._opening is None:
            self._opening = asyncio.create_task(self._connect(besides))
        try:
            return await asyncio.shield(self._opening)
        except SshJitError as error:
            # Its own for each who waits: an exception carries the trace of whoever raised it.
            raise type(error)(error.code, error.message, hint=error.hint).again_after(error.retry_after) from None

    async def _connect(self, besides: str) -> AsyncConnection:
        try:
            connect = partial(self._client.open, besides=besides)
            connection = await asyncio.get_running_loop().run_in_executor(None, connect)
            self._connection = AsyncConnection(
                connection, timeout=self._client.timeout, left=self._leave, ended=self._client.drop
            )
            return self._connection
        finally:
            self._opening = None

    def _leave(self, connection: AsyncConnection) -> None:
        if self._connection is connection:
            self._connection = None

    def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            self._connection.end()
