"""Requests by what is asked about them, so that nobody waits while everything that anybody ever asked is looked at.

What waits, is open, or is to be reviewed is known as it was recorded: ``sshjit.requests.state_at`` says how it stands
by now. Keys and order come from facts alone, since details may be erased.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sshjit import events
from sshjit.requests import Request
from sshjit_ca.state.model import State


def standing(state: State, subject: str, action: str, host_id: str) -> Sequence[str]:
    """The subject's requests for ``action`` on this host, perhaps among others, that nobody closed; oldest first."""
    return state.alike.get(_key(subject, action, host_id), ())


def unanswered(state: State) -> list[Request]:
    """Every request that waits, oldest first."""
    every = [state.requests[each] for own in state.waiting.values() for each in own]
    return sorted(every, key=lambda request: request.time)


def opened(state: State) -> list[Request]:
    """Every request that was approved and not closed, in the order in which they were approved."""
    return [state.requests[each] for each in state.open]


def newest_grants(state: State, rule: str) -> Iterator[Request]:
    """Every request under a rule that was approved, whatever became of it, in order from the newest back."""
    return (state.requests[each] for each in reversed(state.granted.get(rule, ())))


def going_on(state: State) -> list[Request]:
    """Every request that nobody closed, oldest first."""
    return sorted([*unanswered(state), *opened(state)], key=lambda request: request.time)


def add(state: State, request: Request) -> None:
    """A request was made. One that extends another is for nothing new."""
    asked = request.asked
    state.waiting.setdefault(asked.subject, []).append(request.id)
    if asked.extends is not None:
        state.extensions.setdefault(asked.extends, []).append(request.id)
    for host_id in asked.host_ids if asked.extends is None else ():
        state.alike.setdefault(_key(asked.subject, asked.action, host_id), []).append(request.id)


def open_(state: State, request: Request, time: int) -> None:
    """A request was approved."""
    _take_out(state.waiting, request.asked.subject, request.id)
    state.open[request.id] = time
    if request.asked.extends is None:
        state.granted.setdefault(request.asked.rule, []).append(request.id)
    if request.asked.review_within is not None:
        state.unreviewed[request.id] = time


def review(state: State, event: events.Reviewed) -> None:
    """Somebody looked at a break-glass access."""
    state.unreviewed.pop(event.request, None)


def forget(state: State, request: Request) -> None:
    """A request is at hand no more. What nobody reviewed is not forgotten; a grant is so before what made it longer."""
    close(state, request)
    state.extensions.pop(request.id, None)
    _take_out(state.granted, request.asked.rule, request.id)


def close(state: State, request: Request) -> None:
    """A request was closed."""
    asked = request.asked
    _take_out(state.waiting, asked.subject, request.id)
    state.open.pop(request.id, None)
    for host_id in asked.host_ids:
        _take_out(state.alike, _key(asked.subject, asked.action, host_id), request.id)


def _take_out(index: dict[str, list[str]], key: str, request_id: str) -> None:
    ids = index.get(key, [])
    if request_id in ids:
        ids.remove(request_id)
        if not ids:
            del index[key]


def _key(subject: str, action: str, host_id: str) -> str:
    return f"{subject} {action} {host_id}"


def extensions(state: State, grant: Request) -> list[Request]:
    """Every request to extend a grant, oldest first."""
    return [state.requests[each] for each in state.extensions.get(grant.id, ())]
