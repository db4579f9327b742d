"""An error as HTTP and the CA's sockets carry it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """Why not. ``family`` is ``invalid``, ``refused`` or ``failed`` (``sshjit/errors.py``)."""

    family: str
    code: str
    message: str
    hint: str
