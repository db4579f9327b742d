"""An error as HTTP and the CA's sockets carry it."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import wire


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """Why not. ``family`` is ``invalid``, ``refused`` or ``failed`` (``sshjit/errors.py``).

    ``retry_after``: seconds after which the same may be sent again; 0: nobody knows.
    """

    family: str
    code: str
    message: str
    hint: str
    retry_after: int = wire.added(2, default=0)
