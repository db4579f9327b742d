"""How the CA's own keys change the state: ``pending -> active -> retiring -> retired``.

At any time at most one key of a purpose and a dialect is active: it signs. Pending and retiring ones are trusted beside
it, so that a change of keys is never a moment at which something true is refused. The dialect, classical or
post-quantum, follows from the key's type. A classical key of each purpose is always active; a post-quantum one may not
be.
"""

from __future__ import annotations

from dataclasses import replace

from sshjit import events
from sshjit.ca_protocol.keys import Purpose
from sshjit.events import Event
from sshjit_ca.state.model import State
from sshjit_ca.state.records import CaKey

TRUSTED = ("pending", "active", "retiring")
"""The states in which hosts and laptops believe a key."""


def of(state: State, purpose: Purpose) -> list[CaKey]:
    """Every key that ever was one of this purpose, oldest first."""
    return [key for key in state.keys.values() if key.purpose == purpose]


def active(state: State, purpose: Purpose, *, post_quantum: bool = False) -> CaKey | None:
    """The key that signs for a purpose in a dialect; ``None`` before the first one, or while no one does."""
    for key in state.keys.values():  # at every certificate: a generator would take twice as long
        if key.purpose == purpose and key.state == "active" and key.post_quantum == post_quantum:
            return key
    return None


def trusted(state: State, purpose: Purpose, *, post_quantum: bool = False) -> list[CaKey]:
    """The keys that are believed in a dialect, the active one first, then the newest."""
    every = reversed(of(state, purpose))
    newest_first = [key for key in every if key.state in TRUSTED and key.post_quantum == post_quantum]
    return sorted(newest_first, key=lambda key: key.state != "active")


def added(state: State, event: events.KeyAdded, time: int) -> None:
    """A key is known."""
    state.keys[event.key] = CaKey(event.purpose, event.key, event.line, event.reference, "pending", time)


def activated(state: State, event: events.KeyActivated, _: int) -> None:
    """A key has its turn; the one before it ends its own."""
    new = state.keys[event.key]
    before = active(state, event.purpose, post_quantum=new.post_quantum)
    if before is not None:
        state.keys[before.fingerprint] = replace(before, state="retiring")
        if event.purpose == "bundle" and event.endorsement is not None and not new.post_quantum:
            state.succession.append((before.line, new.line, event.endorsement))
    state.keys[event.key] = replace(new, state="active")


def deactivated(state: State, event: events.KeyDeactivated, _: int) -> None:
    """A key signs no more, and no other in its place."""
    state.keys[event.key] = replace(state.keys[event.key], state="retiring")


def retired(state: State, event: events.KeyRetired, _: int) -> None:
    """A key is over."""
    state.keys[event.key] = replace(state.keys[event.key], state="retired", revoked=event.revoked)


def used(state: State, event: Event, time: int) -> None:
    """What other events mean for the keys: until when something is alive that one signed, and who was told of it."""
    match event:
        case events.Issued(valid_before=until, post_quantum=dialect):
            _signed(state, "user_ca", until, post_quantum=dialect)
        case (
            events.EmergencyIssued(valid_before=until, post_quantum=dialect)
            | events.ProbeIssued(valid_before=until, post_quantum=dialect)
        ):
            _signed(state, "user_ca", until, post_quantum=dialect)
        case events.HostIssued(valid_before=until, post_quantum=dialect):
            _signed(state, "host_ca", until, post_quantum=dialect)
        case events.BundleSigned():
            for key in state.keys.values():
                if key.told is None:
                    state.keys[key.fingerprint] = replace(key, told=time)
        case _:
            pass


def _signed(state: State, purpose: Purpose, until: int, *, post_quantum: bool) -> None:
    key = active(state, purpose, post_quantum=post_quantum)
    if key is not None and until > key.alive_until:  # to the full minute, or every certificate would make a new record
        alive_until = until + -until % 60
        state.keys[key.fingerprint] = CaKey(  # spelt out: ``replace`` takes three times as long
            key.purpose,
            key.fingerprint,
            key.line,
            key.reference,
            key.state,
            key.added,
            key.told,
            alive_until,
            key.revoked,
        )
