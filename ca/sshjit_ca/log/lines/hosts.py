"""Hosts: enrolled, labelled, certified, heard of, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sshjit import events
from sshjit.events import Event
from sshjit_ca.log.lines.words import clock, who
from sshjit_ca.state import State


def _host_issued(_: State, event: events.HostIssued) -> str:
    return f"host certificate {event.serial} for {event.host}"


def _host(_: State, event: events.HostAdded) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in event.labels)
    return f"host {event.name} ({labels}) at {event.address} port {event.port} was enrolled"


def _host_invited(_: State, event: events.HostInvited) -> str:
    return f"host {event.name} may join by a token until {clock(event.expires)}"


def _host_joined(_: State, event: events.HostJoined) -> str:
    return f"host {event.name} joined with {len(event.host_keys)} keys"


def _host_labelled(state: State, event: events.HostLabelled) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in event.labels)
    return f"host {event.name} was labelled {labels} by {who(state, event.by)}"


def _host_removed(state: State, event: events.HostRemoved) -> str:
    return f'host {event.name} ({event.host_id}) was removed by {who(state, event.by)}: "{event.reason}"'


def _host_reported(_: State, event: events.HostReported) -> str:
    said = "; ".join((*(f"ended {grant}" for grant in event.ended), *event.problems)) or "all is well"
    return f"host {event.name} has bundle {event.bundle} and {event.sessions} sessions: {said}"


LINES: dict[type[Event], Callable[[State, Any], str]] = {
    events.HostIssued: _host_issued,
    events.HostAdded: _host,
    events.HostInvited: _host_invited,
    events.HostJoined: _host_joined,
    events.HostLabelled: _host_labelled,
    events.HostRemoved: _host_removed,
    events.HostReported: _host_reported,
}
"""By the event's class."""
