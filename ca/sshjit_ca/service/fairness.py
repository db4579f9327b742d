"""Whose question is next: the operator's first, then one of each peer in turn. How long it takes is decided elsewhere.

A peer that asks much, or much that is slow to answer, so holds up itself: whoever comes with one question waits for one
of everybody else's.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from sshjit_ca.sockets import Socket

P = TypeVar("P", bound=Hashable)
Q = TypeVar("Q")


class Fair(Generic[P, Q]):
    """The questions that wait, by door and peer."""

    def __init__(self) -> None:
        self._doors: dict[Socket, OrderedDict[P, deque[Q]]] = {"admin": OrderedDict(), "web": OrderedDict()}

    def __bool__(self) -> bool:
        return any(self._doors.values())

    def put(self, door: Socket, peer: P, question: Q) -> None:
        """One more of a peer's."""
        self._doors[door].setdefault(peer, deque()).append(question)

    def take(self, most: int) -> list[tuple[Socket, P, Q]]:
        """The next questions, ``most`` at most."""
        found: list[tuple[Socket, P, Q]] = []
        for door, peers in self._doors.items():
            while peers and len(found) < most:
                peer, line = peers.popitem(last=False)
                found.append((door, peer, line.popleft()))
                if line:
                    peers[peer] = line
        return found

    def give_back(self, taken: Sequence[tuple[Socket, P, Q]]) -> None:
        """Those of the questions just taken that were not answered, in their order: they are the next again."""
        for door, peer, question in reversed(taken):
            peers = self._doors[door]
            peers.setdefault(peer, deque()).appendleft(question)
            peers.move_to_end(peer, last=False)
