"""How sign-ins change the state."""

from __future__ import annotations

from dataclasses import replace

from sshjit import events
from sshjit_ca.state.model import State
from sshjit_ca.state.records import Login


def login_opened(state: State, event: events.LoginOpened, time: int) -> None:
    """Somebody signed in; the newest sign-in says who they are now."""
    subject = event.subject
    state.subjects[f"{event.provider}/{event.claim}"] = subject
    state.logins[event.login] = Login(event, time)
    state.newest_login[subject] = event.login
    state.tokens.add(event.token)
    if event.email:
        state.emails[subject] = state.emails.get(subject, frozenset()) | {event.email.casefold()}
    if event.key is not None:
        state.keys[event.key] = subject


def login_closed(state: State, event: events.LoginClosed, _: int) -> None:
    """A login is over."""
    state.logins[event.login] = replace(state.logins[event.login], closed=True)
