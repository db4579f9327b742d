"""The calls of ``api/calls.py`` on the event loop: table, errors and check of sign-ins are those of Flask's threads.

Nothing here blocks: who is signed in is known from memory for a moment, and else a thread looks into the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from sshjit.errors import SshJitError
from sshjit_web import api, errors
from sshjit_web.api.calls import JSON, Asked, Call, Question
from sshjit_web.ca_client import CaClient
from sshjit_web.gateway import Answer, Head
from sshjit_web.server.async_ca_client import AsyncCaClient
from sshjit_web.sessions import Sessions
from sshjit_web.structured_log import TRACE

InThread = Callable[[Callable[[], str]], Awaitable[str]]


class _Unremembered(Exception):
    """Whether the token signs somebody in is to be looked up."""

    def __init__(self, token: str | None) -> None:
        self.token = token


class ApiCalls:
    """For one event loop."""

    def __init__(self, sessions: Sessions, client: CaClient) -> None:
        self._sessions = sessions
        self._ca = AsyncCaClient(client)

    @property
    def unfinished(self) -> int:
        """How many of them wait for the CA."""
        return self._ca.unfinished

    def close(self) -> None:
        """Ends the connection to the CA."""
        self._ca.close()

    def find(self, head: Head) -> Callable[[Asked], Question] | None:
        """The call that this is, if it is one of these."""
        found = api.calls.find(head.method, head.path)
        return None if found is None else partial(_ask, *found)

    async def answer(
        self,
        call: Callable[[Asked], Question],
        head: Head,
        header: Callable[[str], str | None],
        body: bytes,
        in_thread: InThread,
    ) -> Answer:
        """Its answer, whatever it is. ``header`` gives all lines of one; ``in_thread`` runs what may wait."""
        TRACE.set(head.trace)
        place = errors.place_of(head.method, head.path)
        try:
            return await self._answer(call, Asked(header, lambda: body, head.address, self._remembered), in_thread)
        except SshJitError as error:
            status, (headers, text) = errors.status_of(error), errors.for_program(error, errors.note(error, place))
            error.__traceback__ = error.__context__ = None  # what it holds would keep the connection
        except Exception as error:  # noqa: BLE001 - as Flask does: nobody is left without an answer
            ours, number = errors.note_defect(error, place)
            status, (headers, text) = errors.status_of(ours), errors.for_program(ours, number)
        return Answer(status, headers, text)

    async def _answer(self, call: Callable[[Asked], Question], asked: Asked, in_thread: InThread) -> Answer:
        try:
            question = call(asked)
        except _Unremembered as unremembered:
            login_id = await in_thread(partial(self._sessions.login_id, "api", unremembered.token))
            question = call(Asked(asked.header, asked.data, asked.address, lambda _: login_id))
        status, text = question.answer(await self._ca.carry(question.message, question.reply, asked.reader()))
        if text is None:
            return Answer(status, [], b"")
        body = text.encode()
        return Answer(status, [("Content-Type", JSON), ("Content-Length", str(len(body)))], body)

    def _remembered(self, token: str | None) -> str:
        if (login_id := self._sessions.remembered("api", token)) is None:
            raise _Unremembered(token)
        return login_id


def _ask(call: Call, parts: tuple[str, ...], asked: Asked) -> Question:
    return call(asked, *parts)
