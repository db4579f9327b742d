"""How the CA's own keys change the state: ``pending -> active -> retiring -> retired``.

At any time at most one key of a purpose is active: it signs. Pending and retiring ones are trusted beside it, so that a
change of keys is never a moment at which something true is refused.
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


def active(state: State, purpose: Purpose) -> CaKey | None:
    """The key that signs for a purpose; ``None`` before the first one."""
    for key in state.keys.values():  # at every certificate: a generator would take twice as long
        if key.purpose == purpose and key.state == "active":
            return key
    return None


def trusted(state: State, purpose: Purpose) -> list[CaKey]:
    """The keys that are believed, the active one first, then the newest."""
    newest_first = [key for key in reversed(of(state, purpose)) if key.state in TRUSTED]
    return sorted(newest_first, key=lambda key: key.state != "active")


def added(state: State, event: events.KeyAdded, time: int) -> None:
    """A key is known."""
    state.keys[event.key] = CaKey(event.purpose, event.key, event.line, event.reference, "pending", time)


def activated(state: State, event: events.KeyActivated, _: int) -> None:
    """A key has its turn; the one before it ends its own."""
    before = active(state, event.purpose)
    new = state.keys[event.key]
    if before is not None:
        state.keys[before.fingerprint] = replace(before, state="retiring")
        if event.purpose == "bundle" and event.endorsement is not None:
            state.succession.append((before.line, new.line, event.endorsement))
    state.keys[event.key] = replace(new, state="active")


def retired(state: State, event: events.KeyRetired, _: int) -> None:
    """A key is over."""
    state.keys[event.key] = replace(state.keys[event.key], state="retired", revoked=event.revoked)


def used(state: State, event: Event, time: int) -> None:
    """What other events mean for the keys: until when something is alive that one signed, and who was told of it."""
    match event:
        case events.Issued(valid_before=until):
            _signed(state, "user_ca", until)
        case events.EmergencyIssued(valid_before=until) | events.ProbeIssued(valid_before=until):
            _signed(state, "user_ca", until)
        case events.HostIssued(valid_before=until):
            _signed(state, "host_ca", until)
        case events.BundleSigned():
            for key in state.keys.values():
                if key.told is None:
                    state.keys[key.fingerprint] = replace(key, told=time)
        case _:
            pass


def _signed(state: State, purpose: Purpose, until: int) -> None:
    key = active(state, purpose)
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
