"""How sign-ins change the state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sshjit import events
from sshjit.addresses import mailbox
from sshjit.names import lowered
from sshjit_ca.state.model import State
from sshjit_ca.state.records import HardwareKey, Login


def login_opened(state: State, event: events.LoginOpened, time: int) -> None:
    """Somebody signed in; the newest sign-in says who they are now."""
    subject = event.subject
    if event.provider:  # else its details were erased, and a newer entry says who this is
        state.subjects[f"{event.provider}/{event.claim}"] = subject
    _own_name(state, event)
    state.logins[event.login] = Login(event, time, entry=state.size)
    state.newest_login[subject] = event.login
    state.tokens[event.token] = time
    if event.email:
        address = lowered(event.email)
        state.emails[subject] = state.emails.get(subject, frozenset()) | {address}
        box = mailbox(address)
        state.accounts_at[box] = state.accounts_at.get(box, frozenset()) | {subject}
        state.seen_in[f"{subject} {address}"] = state.size
    if event.key is not None:
        state.bound_keys[event.key] = subject


def _own_name(state: State, event: events.LoginOpened) -> None:
    """Keeps ``own_names``: a name is the subject's whose newest sign-in says so, the latest of several.

    In whatever case: directories and servers differ in whether ``Anne`` and ``anne`` are one account.
    """
    before = state.logins.get(state.newest_login.get(event.subject, ""))
    old = lowered(before.opened.own or "") if before is not None else None
    new = lowered(event.own or "")
    if new:
        state.own_names[new] = event.subject
    if old and old != new and state.own_names.get(old) == event.subject:
        others = [subject for subject in state.newest_login if subject != event.subject]
        del state.own_names[old]
        state.own_names.update(item for item in own_names(state, others).items() if item[0] == old)


def own_names(state: State, subjects: Iterable[str]) -> dict[str, str]:
    """Whose each name is, in lower case, by the newest sign-ins of ``subjects``."""
    newest = sorted((state.logins[state.newest_login[subject]] for subject in subjects), key=lambda login: login.entry)
    return {lowered(login.opened.own): login.opened.subject for login in newest if login.opened.own}


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
