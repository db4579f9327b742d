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


class FairQueue(Generic[P, Q]):
    """The questions that wait, by socket and peer."""

    def __init__(self) -> None:
        self._sockets: dict[Socket, OrderedDict[P, deque[Q]]] = {"admin": OrderedDict(), "web": OrderedDict()}

    def __bool__(self) -> bool:
        return any(self._sockets.values())

    def put(self, socket: Socket, peer: P, question: Q) -> None:
        """One more of a peer's."""
        self._sockets[socket].setdefault(peer, deque()).append(question)

    def take(self, most: int) -> list[tuple[Socket, P, Q]]:
        """The next questions, ``most`` at most."""
        taken: list[tuple[Socket, P, Q]] = []
        for socket, peers in self._sockets.items():
            while peers and len(taken) < most:
                peer, line = peers.popitem(last=False)
                taken.append((socket, peer, line.popleft()))
                if line:
                    peers[peer] = line
        return taken

    def give_back(self, taken: Sequence[tuple[Socket, P, Q]]) -> None:
        """Those of the questions just taken that were not answered, in their order: they are the next again."""
        for socket, peer, question in reversed(taken):
            peers = self._sockets[socket]
            peers.setdefault(peer, deque()).appendleft(question)
            peers.move_to_end(peer, last=False)
