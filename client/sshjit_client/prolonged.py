"""The asks for more time in a grant, on a terminal: who asked when and why, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sshjit.api.details import ExtensionView
from sshjit.api.views import RequestState
from sshjit.durations import show as lasting
from sshjit_client.show import at, decision, rough


def lines(extensions: Iterable[ExtensionView], now: int) -> Iterator[str]:
    """Two for each: the ask, and its outcome."""
    for each in extensions:
        why = f": {each.reason}" if each.reason else ""
        yield f"{lasting(each.duration)} more, asked {at(each.asked)} by {each.person.name}{why}"
        yield "; ".join(_outcome(each, now))


def _outcome(each: ExtensionView, now: int) -> Iterator[str]:
    yield from map(decision, each.decisions)
    if each.how is not None:
        if each.how != "reviewed":
            yield "approved by the rule"
        if each.ends is not None:
            yield f"open until {at(each.ends)}"
    elif each.state is RequestState.PENDING:
        yield f"pending, {rough(each.pending_until - now)} left"
    elif each.state is not RequestState.DENIED:
        yield f"{each.state.value}{f': {each.closing}' if each.closing else ''}"
