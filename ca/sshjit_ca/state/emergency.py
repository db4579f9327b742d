"""How what an operator did in need changes the state."""

from __future__ import annotations

from sshjit import events
from sshjit_ca.state.model import State
from sshjit_ca.state.records import Emergency

MORE_BUNDLES = 2**20
"""How far a restored log skips: more bundles than can have been signed and forgotten since the newest checkpoint."""


def issued(state: State, event: events.EmergencyIssued, _: int) -> None:
    """A certificate was drawn past every rule."""
    state.emergencies[event.serial] = Emergency(event.emergency, event.serial, event.valid_before)


def restored(state: State, event: events.Restored, _: int) -> None:
    """What came after an older copy is given up. Hosts hold bundles from then and take only a higher number."""
    state.epoch = event.epoch
    state.sequence += event.lost + MORE_BUNDLES
