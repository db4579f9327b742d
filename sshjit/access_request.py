"""An ask as it was typed, in policy's terms: every part checked, by the CA and by the front end alike.

Hosts are looked up by each program for itself: they know different ones.
"""

from __future__ import annotations

from sshjit import names, policy
from sshjit.ca_protocol.explain import Explain
from sshjit.ca_protocol.requests import Ask
from sshjit.errors import Invalid

SHORTEST = 1
"""Seconds of the shortest window that can be asked for."""


def read(message: Ask | Explain, now: int) -> policy.Ask:
    """The ask in policy's terms; a start that is not ahead of ``now`` is none.

    Raises:
        Invalid: ``bad_duration``, ``bad_start``, and what ``sshjit.names`` refuses.

    """
    start = message.start if message.start is not None and message.start > now else None
    if message.duration is not None and message.duration < SHORTEST:
        raise Invalid("bad_duration", "a duration is at least a second")
    wrong = policy.bad_start(start, now, break_glass=message.break_glass)
    if wrong is not None:
        raise Invalid(wrong.code, wrong.message, hint=wrong.hint)
    return policy.Ask(
        login=None if message.login is None else names.login_name(message.login),
        action=message.action,
        command=None if message.command is None else names.command(message.command),
        duration=message.duration,
        reason=names.free_text(message.reason, "the reason"),
        address=names.free_text(message.address, "the address", 64) or None,
        break_glass=message.break_glass,
        start=start,
    )
