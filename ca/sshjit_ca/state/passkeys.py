"""How passkeys change the state."""

from __future__ import annotations

from dataclasses import replace

from sshjit import events
from sshjit_ca.state.model import State
from sshjit_ca.state.records import Passkey


def registered(state: State, event: events.PasskeyRegistered, time: int) -> None:
    """Somebody has a passkey more; from ``counts_from`` on it counts."""
    state.passkeys[event.passkey] = Passkey(
        id=event.passkey,
        subject=event.subject,
        name=event.name,
        rp_id=event.rp_id,
        credential=event.credential,
        public_key=event.public_key,
        device_bound=event.device_bound,
        backed_up=event.backed_up,
        counter=event.counter,
        registered=time,
        counts_from=event.counts_from,
    )


def accepted(state: State, event: events.PasskeyAccepted, time: int) -> None:
    """It counts at once."""
    known = state.passkeys[event.passkey]
    state.passkeys[event.passkey] = replace(known, counts_from=min(known.counts_from, time))


def removed(state: State, event: events.PasskeyRemoved, _: int) -> None:
    """It is nobody's any more."""
    del state.passkeys[event.passkey]


def used(state: State, event: events.PasskeyUsed, time: int) -> None:
    """It signed an approval. An old request is folded by itself (``log/history.py``), without the passkeys of then."""
    known = state.passkeys.get(event.passkey)
    if known is not None:
        state.passkeys[event.passkey] = replace(known, counter=event.counter, backed_up=event.backed_up, used=time)
