"""The indexes of requests, as a look at every request would make them."""

from __future__ import annotations

from sshjit.api.views import RequestState
from sshjit_ca.state import State


def check_indexes(state: State) -> None:
    """Each index says what a scan says."""
    every = list(state.requests.values())
    waiting: dict[str, list[str]] = {}
    extensions: dict[str, list[str]] = {}
    alike: dict[str, list[str]] = {}
    for request in every:
        if request.state is RequestState.PENDING:
            waiting.setdefault(request.asked.subject, []).append(request.id)
        asked = request.asked
        if asked.extends is None:
            for host in asked.host_ids if request.closed is None else ():
                alike.setdefault(f"{asked.subject} {asked.action} {host}", []).append(request.id)
        elif asked.extends in state.requests:
            extensions.setdefault(asked.extends, []).append(request.id)
    assert state.waiting == waiting
    assert state.extensions == extensions
    assert state.alike == alike
    assert state.open.keys() == {each.id for each in every if each.state is RequestState.APPROVED}
    assert all(state.requests[name].approved == since for name, since in state.open.items())
    assert state.unreviewed.keys() == {each.id for each in every if each.unreviewed}
