"""Whose question is next: the operator's, and then whoever used the least of the CA's time.

Time is shared out between the Unix users of a socket, and what one of them gets between the people in whose names it
asks. It counts from the moment at which a question begins to be decoded, so that whoever asks much, or sends what is
slow to read or to answer, holds up nobody but themselves: through as many connections as they like. A front end that
makes people up gains nothing against other Unix users, and nothing at all against the operator.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from sshjit_ca.sockets import Socket

K = TypeVar("K", bound=Hashable)
Q = TypeVar("Q")


class _Shares(Generic[K]):
    """Who waits for a turn, by the seconds that they used. Who was away begins where those are who used the least."""

    def __init__(self) -> None:
        self._order: list[tuple[float, int, K]] = []
        self._numbers = count()
        self._used: dict[K, float] = {}
        """Of those who wait, and of those whose last turn is still ahead of the others'."""
        self._least = 0.0
        self._taken = False
        """Whose turn it is has not spent it yet."""
        self._full = _REMEMBERED
        """Entries of ``_used`` at which the superfluous ones are forgotten."""

    def __bool__(self) -> bool:
        return bool(self._order)

    def add(self, key: K) -> None:
        """One more who waits."""
        if not self._order and not self._taken:  # nobody is there to be compared with
            self._used.clear()
        used = self._used[key] = max(self._used.get(key, 0.0), self._least)
        heapq.heappush(self._order, (used, next(self._numbers), key))

    def take(self) -> K:
        """The next one, who waits no more."""
        self._least, _, key = heapq.heappop(self._order)
        self._taken = True
        return key

    def spend(self, key: K, seconds: float) -> None:
        """This much time was used by somebody who was taken."""
        self._taken = False
        self._used[key] += seconds
        if len(self._used) > self._full:
            # Who waits has used that much, or more: ``add`` saw to it.
            self._used = {one: used for one, used in self._used.items() if used >= self._least}
            self._full = 2 * len(self._used) + _REMEMBERED


_REMEMBERED = 64
"""Entries for which it is not worth while to look for those that say nothing any more."""


@dataclass(slots=True)
class _User(Generic[Q]):
    """What one Unix user asked, by the person in whose name."""

    shares: _Shares[str] = field(default_factory=_Shares)
    lines: dict[str, deque[Q]] = field(default_factory=dict)


class Turn(NamedTuple, Generic[Q]):
    """A question whose turn it is, and whose time it costs."""

    socket: Socket
    user: int
    person: str
    question: Q


class FairQueue(Generic[Q]):
    """The questions that wait."""

    def __init__(self) -> None:
        self._sockets: dict[Socket, _Shares[int]] = {"admin": _Shares(), "web": _Shares()}
        self._users: dict[tuple[Socket, int], _User[Q]] = {}
        self._size = 0
        self._taken: tuple[Socket, int, str] | None = None
        """Whose turn it is: they do not stand in line meanwhile."""

    def __bool__(self) -> bool:
        return any(self._sockets.values())

    def __len__(self) -> int:
        """How many wait."""
        return self._size

    def put(self, socket: Socket, user: int, person: str, question: Q) -> None:
        """One more question, of a Unix user in somebody's name."""
        self._size += 1
        known = self._users.setdefault((socket, user), _User())
        if person in known.lines:
            known.lines[person].append(question)
            return
        known.lines[person] = deque((question,))
        if self._taken == (socket, user, person):
            return
        if not known.shares and (self._taken is None or self._taken[:2] != (socket, user)):
            self._sockets[socket].add(user)
        known.shares.add(person)

    def take(self) -> Turn[Q] | None:
        """The next question. ``spend`` follows, before the next one is taken."""
        for socket, shares in self._sockets.items():
            if shares:
                user = shares.take()
                known = self._users[socket, user]
                person = known.shares.take()
                line = known.lines[person]
                question = line.popleft()
                self._size -= 1
                if not line:
                    del known.lines[person]
                self._taken = (socket, user, person)
                return Turn(socket, user, person, question)
        return None

    def spend(self, turn: Turn[Q], seconds: float) -> None:
        """The turn is over, and took this long."""
        known, self._taken = self._users[turn.socket, turn.user], None
        known.shares.spend(turn.person, seconds)
        if turn.person in known.lines:
            known.shares.add(turn.person)
        self._sockets[turn.socket].spend(turn.user, seconds)
        if known.shares:
            self._sockets[turn.socket].add(turn.user)
