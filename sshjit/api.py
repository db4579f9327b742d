"""What a connection says over HTTP: the body of an ask. Those of all other calls are in ``sshjit/acts.py``.

The calls are listed in ``docs/protocol.md``, section 2. ``ssh-jit`` and the front end read and write these classes by
``sshjit/wire.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AskBody:
    """An ``Ask`` without what the front end adds."""

    hosts: tuple[str, ...]
    login: str | None
    action: str
    command: str | None
    duration: int | None
    reason: str
    certificate: bool
    labels: tuple[tuple[str, str], ...] = ()
    start: int | None = None
    break_glass: bool = False
