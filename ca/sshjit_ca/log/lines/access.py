"""Sign-ins, requests, what was said about them, and certificates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sshjit import durations, events, requests
from sshjit.events import Event
from sshjit_ca.log.lines.words import clock, moment, quoted, where, who
from sshjit_ca.state import State


def _login(_: State, event: events.LoginOpened) -> str:
    how = f"with key {event.key}" if event.key else "in a browser"
    return f"{event.name} ({event.provider}) signed in {how}, until {clock(event.expires)}"


def _logout(state: State, event: events.LoginClosed) -> str:
    if event.by == event.subject:
        return f"{who(state, event.subject)} signed out"
    return f'{who(state, event.subject)} was signed out by {who(state, event.by)}: "{event.reason}"'


def _asked(state: State, event: events.Asked) -> str:
    subject, place, long = who(state, event.subject), where(event.login, event.hosts), durations.show(event.duration)
    if event.extends is not None:
        return f"{subject} asked to extend {place} by {long}{quoted(event.reason)}"
    verb = "BROKE THE GLASS" if event.break_glass else "asked"
    way = " on a web page" if event.via == "web" else ""
    what = "" if event.action == "shell" else f" for {event.action}"
    start = "" if event.start is None else f" from {moment(event.start)}"
    return f"{subject} {verb}{way} for {place}{what}, {long}{start}{quoted(event.reason)}"


def _decided(state: State, event: events.Decided) -> str:
    verb = "approved" if event.verdict == "approve" else "denied"
    most = "" if event.duration is None else f", for {durations.show(event.duration)} at most"
    requester = who(state, state.requests[event.request].asked.subject)
    return f"{who(state, event.subject)} {verb} what {requester} asked{most}{quoted(event.comment)}"


_WHY = {
    "automatic": "rule {rule!r} allowed it",
    "reviewed": "every approval is there",
    "break_glass": "the glass of rule {rule!r} was broken",
}


def _opened(state: State, event: events.Opened) -> str:
    asked = state.requests[event.request].asked
    place, subject = where(asked.login, asked.hosts), who(state, asked.subject)
    why = _WHY[event.how].format(rule=asked.rule)
    if asked.extends is not None:
        return f"{place} stays open to {subject} until {clock(event.ends)}: {why}"
    start = "is" if asked.start is None else f"from {moment(asked.start)} on is"
    return f"{place} {start} open to {subject} until {clock(event.ends)}: {why}"


def _closed(state: State, event: events.Closed) -> str:
    asked = state.requests[event.request].asked
    place = where(asked.login, asked.hosts)
    words = requests.sentence(event.state)
    what = f"{place} for {who(state, asked.subject)}" + ("" if asked.extends is None else " (to be extended)")
    by = "by time" if event.by is None and not event.reason else f"by {who(state, event.by)}"
    return f"{what} is {words}, {by}{quoted(event.reason)}"


def _commented(state: State, event: events.Commented) -> str:
    requester = state.requests[event.request].asked.subject
    whose = "their own request" if requester == event.subject else f"what {who(state, requester)} asked"
    return f"{who(state, event.subject)} said about {whose}{quoted(event.comment)}"


def _reviewed(state: State, event: events.Reviewed) -> str:
    whose = who(state, state.requests[event.request].asked.subject)
    return f"{who(state, event.subject)} found the break-glass access of {whose} {event.verdict}{quoted(event.comment)}"


def _issued(_: State, event: events.Issued) -> str:
    place = where(event.login, event.hosts)
    return f"certificate {event.serial} for {event.person}: {place}, until {clock(event.valid_before)}"


def _revoked(state: State, event: events.CertificateRevoked) -> str:
    return f'certificate {event.serial} is revoked by {who(state, event.by)}: "{event.reason}"'


def _turned(state: State, event: events.Turned) -> str:
    times = f" ({event.count} times)" if event.count > 1 else ""
    return f"{who(state, event.subject)} was refused {event.asked}{times}: {event.answer}"


def _hardware_key(state: State, event: events.HardwareKeyRegistered) -> str:
    return f"hardware key {event.key} was registered for {who(state, event.subject)}"


def _hardware_key_removed(state: State, event: events.HardwareKeyRemoved) -> str:
    return f'hardware key {event.key} of {who(state, event.subject)} was removed: "{event.reason}"'


LINES: dict[type[Event], Callable[[State, Any], str]] = {
    events.LoginOpened: _login,
    events.LoginClosed: _logout,
    events.Asked: _asked,
    events.Decided: _decided,
    events.Opened: _opened,
    events.Closed: _closed,
    events.Commented: _commented,
    events.Reviewed: _reviewed,
    events.Issued: _issued,
    events.CertificateRevoked: _revoked,
    events.Turned: _turned,
    events.HardwareKeyRegistered: _hardware_key,
    events.HardwareKeyRemoved: _hardware_key_removed,
}
"""By the event's class."""
