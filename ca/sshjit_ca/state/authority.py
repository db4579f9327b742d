"""How events of the CA itself change the state."""

from __future__ import annotations

from sshjit import events
from sshjit_ca.state.model import State


def started(state: State, event: events.Started, _: int) -> None:
    """A writer took over."""
    state.epoch = event.epoch


def policy_loaded(state: State, event: events.PolicyLoaded, _: int) -> None:
    """Another policy decides."""
    state.policy = event.digest


def bundle_signed(state: State, event: events.BundleSigned, _: int) -> None:
    """A bundle was signed."""
    state.sequence = event.sequence
