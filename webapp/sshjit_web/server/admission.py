"""Who may have a thread now: so many requests a minute of one address, and of one session or token.

It is asked on the event loop before a body is read. Whoever comes too often hears so at once, with when to come again,
and the work of all others goes on. Which person it is, the CA knows: how often somebody may ask is its own limit.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from werkzeug.http import parse_cookie

from sshjit.errors import Refused
from sshjit.rates import Rates, network_of
from sshjit_web.api.calls import bearer_of
from sshjit_web.gateway import Head


class Admission:
    """For one event loop. Rates are requests a minute; 0: as many as they like."""

    def __init__(
        self, address: int, session: int, cookie: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """``cookie``: the name of the one that holds a session."""
        self._cookie = cookie
        self._addresses, self._sessions = Rates(address), Rates(session)
        self._monotonic = monotonic

    def admit(self, head: Head) -> None:
        """Counts a request, or refuses it.

        Raises:
            Refused: ``too_fast``.

        """
        now = self._monotonic()
        if seconds := self._addresses.take(network_of(head.address), now):
            raise _too_fast("address", seconds)
        for kind, shown in (("token", bearer_of(head.header("authorization"))), ("session", self._session_of(head))):
            key = hashlib.sha256(f"{kind} {shown}".encode(errors="backslashreplace")).hexdigest()[:32]
            if shown and (seconds := self._sessions.take(key, now)):
                raise _too_fast("session", seconds)

    def _session_of(self, head: Head) -> str | None:
        """What the views take for the session, whatever other cookies stand beside it."""
        return parse_cookie(head.header("cookie") or "").get(self._cookie)


def _too_fast(whose: str, seconds: int) -> Refused:
    text = f"too many requests from this {whose} within a minute"
    return Refused("too_fast", text, hint=f"try again in {seconds} s").again_after(seconds)
