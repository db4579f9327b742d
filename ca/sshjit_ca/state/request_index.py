"""What stands of somebody's requests for a host, so that an ask need not look at everything that they ever asked."""

from __future__ import annotations

from collections.abc import Sequence

from sshjit.requests import Request
from sshjit_ca.state.model import State


def standing(state: State, subject: str, action: str, host_id: str) -> Sequence[str]:
    """The subject's requests for ``action`` on this host, perhaps among others, that nobody closed; oldest first."""
    return state.alike.get(_key(subject, action, host_id), ())


def add(state: State, request: Request) -> None:
    """A request was made. One that extends another is for nothing new."""
    asked = request.asked
    for host_id in asked.host_ids if asked.extends is None else ():
        state.alike.setdefault(_key(asked.subject, asked.action, host_id), []).append(request.id)


def remove(state: State, request: Request) -> None:
    """A request was closed, or is forgotten."""
    asked = request.asked
    for host_id in asked.host_ids:
        key = _key(asked.subject, asked.action, host_id)
        ids = state.alike.get(key, [])
        if request.id in ids:
            ids.remove(request.id)
            if not ids:
                del state.alike[key]


def _key(subject: str, action: str, host_id: str) -> str:
    return f"{subject} {action} {host_id}"


def extensions(state: State, grant: Request) -> list[Request]:
    """Every request to extend a grant, oldest first."""
    own = state.requests_of.get(grant.asked.subject, ())
    return [each for each in map(state.requests.__getitem__, own) if each.asked.extends == grant.id]
