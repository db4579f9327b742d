"""Words for the keys of people, in the log's lines: hardware keys, and passkeys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sshjit import events, passkeys
from sshjit.events import Event
from sshjit_ca.state import State

Who = Callable[[State, str | None], str]
"""Gives a person's name; of nobody, the operator's."""


def key_lines(who: Who, moment: Callable[[int], str]) -> dict[type[Event], Callable[[State, Any], str]]:
    """What tells such an event in a line, by its class."""

    def hardware_key(state: State, event: events.HardwareKeyRegistered) -> str:
        return f"hardware key {event.key} was registered for {who(state, event.subject)}"

    def hardware_key_removed(state: State, event: events.HardwareKeyRemoved) -> str:
        return f'hardware key {event.key} of {who(state, event.subject)} was removed: "{event.reason}"'

    def passkey(state: State, event: events.PasskeyRegistered) -> str:
        kind, until = passkeys.kind(device_bound=event.device_bound), moment(event.counts_from)
        subject = who(state, event.subject)
        return f'{subject} registered the {kind} passkey {event.passkey} "{event.name}"; it counts from {until}'

    def accepted(state: State, event: events.PasskeyAccepted) -> str:
        return f"the new passkey {event.passkey} of {who(state, event.subject)} was accepted by {who(state, event.by)}"

    def removed(state: State, event: events.PasskeyRemoved) -> str:
        why = f': "{event.reason}"' if event.reason else ""
        return f"the passkey {event.passkey} of {who(state, event.subject)} was removed by {who(state, event.by)}{why}"

    def used(state: State, event: events.PasskeyUsed) -> str:
        return f"the passkey {event.passkey} of {who(state, event.subject)} signed the approval of {event.request}"

    def refused(state: State, event: events.PasskeyRefused) -> str:
        whose, back = who(state, event.subject), f"from {event.held} to {event.counter}"
        why = f"its counter went back {back}, so there may be a copy of it"
        return f"the passkey {event.passkey} of {whose} was refused for {event.request}: {why}"

    return {
        events.HardwareKeyRegistered: hardware_key,
        events.HardwareKeyRemoved: hardware_key_removed,
        events.PasskeyRegistered: passkey,
        events.PasskeyAccepted: accepted,
        events.PasskeyRemoved: removed,
        events.PasskeyUsed: used,
        events.PasskeyRefused: refused,
    }
