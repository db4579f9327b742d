"""The two answers that belong to no topic: it was done, and why not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more to say than that it was done."""


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """Why not. ``family`` is ``invalid``, ``refused`` or ``failed`` (``sshjit/errors.py``)."""

    family: str
    code: str
    message: str
    hint: str
