"""How sign-ins change the state."""

from __future__ import annotations

from dataclasses import replace

from sshjit import events
from sshjit_ca.state.model import State
from sshjit_ca.state.records import HardwareKey, Login


def login_opened(state: State, event: events.LoginOpened, time: int) -> None:
    """Somebody signed in; the newest sign-in says who they are now."""
    subject = event.subject
    if event.provider:  # else the detail was erased, and a newer entry says who this is
        state.subjects[f"{event.provider}/{event.claim}"] = subject
    state.logins[event.login] = Login(event, time, entry=state.size)
    state.newest_login[subject] = event.login
    state.tokens[event.token] = time
    if event.email:
        address = event.email.casefold()
        state.emails[subject] = state.emails.get(subject, frozenset()) | {address}
        state.seen_in[f"{subject} {address}"] = state.size
    if event.key is not None:
        state.bound_keys[event.key] = subject


def login_closed(state: State, event: events.LoginClosed, _: int) -> None:
    """A login is over."""
    state.logins[event.login] = replace(state.logins[event.login], closed=True)


def hardware_key_registered(state: State, event: events.HardwareKeyRegistered, time: int) -> None:
    """A key is vouched for, and is this person's and nobody else's."""
    state.hardware_keys[event.key] = HardwareKey(event.subject, event.key_line, time)
    state.bound_keys[event.key] = event.subject


def hardware_key_removed(state: State, event: events.HardwareKeyRemoved, _: int) -> None:
    """A key is vouched for no more; it stays this person's."""
    del state.hardware_keys[event.key]
