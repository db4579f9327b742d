"""The dry run of an ask."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import wire
from sshjit.api.explain import ExplainReply
from sshjit.api.message import Message
from sshjit.limits import Hosts, Id


@dataclass(frozen=True, slots=True)
class Explain(Message, answer=ExplainReply):
    """What would become of this ask. Nothing is recorded. The fields are those of ``Ask``.

    The admin socket passes no ``login_id`` and names a person.
    """

    login_id: Id | None
    person: str | None
    """An id, a name or an address of somebody who signed in before; ``None``: oneself."""
    hosts: Hosts
    labels: tuple[tuple[str, str], ...]
    login: str | None
    action: str
    command: str | None
    duration: int | None
    reason: str
    start: int | None
    break_glass: bool
    address: str
    each: bool = wire.added(2, default=False, weakens=True)
    """Each host for itself; at most ``MOST_EACH``."""
