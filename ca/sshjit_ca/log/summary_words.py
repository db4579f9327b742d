"""Who, where, when and by which CA: the words that the log's lines for people share."""

from __future__ import annotations

from datetime import UTC, datetime

from sshjit import events
from sshjit_ca.state import State


def who(state: State, subject: str | None) -> str:
    """A subject's name and provider; ``the operator`` for nobody."""
    if subject is None:
        return "the operator"
    newest = state.newest_login.get(subject)
    return subject if newest is None else f"{state.logins[newest].opened.name} ({state.logins[newest].opened.provider})"


def clock(time: int) -> str:
    """A time of day, UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S")


def moment(time: int) -> str:
    """Day and time, UTC: for what may be days away."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M UTC")


def where(login: str, hosts: tuple[str, ...]) -> str:
    """``deploy@web1``; with many hosts the first and how many more."""
    if not hosts:
        return "access that was forgotten"
    more = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
    return f"{login}@{hosts[0]}{more}"


def quoted(text: str) -> str:
    """``: "text"``, or nothing where nothing was said."""
    return f': "{text}"' if text else ""


def dialect(event: events.Issued | events.HostIssued | events.EmergencyIssued | events.ProbeIssued) -> str:
    """Of a certificate that the post-quantum CA signed: a word before it."""
    return "post-quantum " if event.post_quantum else ""
