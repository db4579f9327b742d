"""The CA itself: policies, locks, keys, bundles, and what the operator did in an hour of need."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sshjit import events
from sshjit.events import Event
from sshjit_ca.log.lines.words import clock, where, who
from sshjit_ca.state import State


def _started(_: State, event: events.Started) -> str:
    return f"the CA of {event.installation} took up the log (epoch {event.epoch})"


def _policy(_: State, event: events.PolicyLoaded) -> str:
    return f"policy {event.digest[:12]} with {event.rules} rules is in force"


def _locked(state: State, event: events.Locked) -> str:
    what = who(state, event.target) if event.kind == "person" else event.target or ""
    return f'{event.kind} {what} was locked by {who(state, event.by)}: "{event.reason}"'.replace("  ", " ")


def _unlocked(state: State, event: events.Unlocked) -> str:
    return f'lock {event.lock} was taken away by {who(state, event.by)}: "{event.reason}"'


def _key_added(_: State, event: events.KeyAdded) -> str:
    return f"key {event.key} is there for {event.purpose}: {event.reference}"


def _key_activated(_: State, event: events.KeyActivated) -> str:
    how = ", endorsed by the one before it" if event.endorsement else ""
    return f"key {event.key} signs for {event.purpose} from now on{how}"


def _key_retired(_: State, event: events.KeyRetired) -> str:
    return f"key {event.key} is over for {event.purpose}{', and refused by hosts' if event.revoked else ''}"


def _bundle(_: State, event: events.BundleSigned) -> str:
    return f"bundle {event.sequence} was signed for hosts and laptops"


def _forgot(_: State, event: events.Forgot) -> str:
    return f"{event.erased} details from before {datetime.fromtimestamp(event.before, UTC):%Y-%m-%d} were erased"


def _emergency(_: State, event: events.EmergencyIssued) -> str:
    place = where(event.login, event.hosts)
    return f'EMERGENCY certificate {event.serial}: {place}, until {clock(event.valid_before)}: "{event.reason}"'


def _clock_confirmed(_: State, event: events.ClockConfirmed) -> str:
    return f'the operator confirmed the clock, which had moved by {event.drift:+d} s: "{event.reason}"'


def _restored(_: State, event: events.Restored) -> str:
    return f'the operator went on with an older log (epoch {event.epoch}); {event.lost} entries lost: "{event.reason}"'


LINES: dict[type[Event], Callable[[State, Any], str]] = {
    events.Started: _started,
    events.PolicyLoaded: _policy,
    events.Locked: _locked,
    events.Unlocked: _unlocked,
    events.KeyAdded: _key_added,
    events.KeyActivated: _key_activated,
    events.KeyRetired: _key_retired,
    events.BundleSigned: _bundle,
    events.Forgot: _forgot,
    events.EmergencyIssued: _emergency,
    events.ClockConfirmed: _clock_confirmed,
    events.Restored: _restored,
}
"""By the event's class."""
