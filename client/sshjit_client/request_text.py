"""How times, people and requests read on a terminal. Everything here returns text; ``terminal.py`` makes it inert.

Lists and single lines are here; a whole request is ``request_details.py``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sshjit import durations
from sshjit.api.views import DecisionView, PersonView, RequestState, RequestView
from sshjit.terminal_text import cut, table
from sshjit_client.times import at, rough

_HOSTS = 3
"""Hosts that a line names before it counts the others."""
_WHY = 16
"""Columns that a reason needs at least to be worth reading."""
GLASS = "BREAK-GLASS"
"""The mark of what goes past the ordinary rules."""


def short(request: str) -> str:
    """The beginning of a request's id, long enough for people; ``request`` commands take such a prefix."""
    return request[:12]


def person(who: PersonView) -> str:
    """``Dana Doe <dana@example.com> (partner)``."""
    return f"{who.name}{f' <{who.email}>' if who.email else ''} ({who.provider})"


def hosts(names: Sequence[str]) -> str:
    """``web1,web2,web3 +9``."""
    more = len(names) - _HOSTS
    return ",".join(names) if more <= 1 else f"{','.join(names[:_HOSTS])} +{more}"


def where(login: str, names: Sequence[str], action: str, *, glass: bool) -> str:
    """``postgres@db1, migrate``; by break-glass with the mark before it."""
    return f"{f'{GLASS} ' if glass else ''}{login}@{hosts(names)}{'' if action == 'shell' else f', {action}'}"


def what(request: RequestView) -> str:
    """``postgres@db1, migrate, 1 h``; of an extension ``postgres@db1, 1 h more``."""
    named = where(request.login, request.hosts, request.action, glass=request.break_glass)
    return f"{named}, {durations.show(request.duration)}{' more' if request.extends else ''}"


def standing(request: RequestView, now: int) -> str:
    """Where a request stands, with the time that counts next."""
    text = _standing(request, now)
    return f"{text}, not reviewed" if request.review_by is not None and request.review is None else text


def _standing(request: RequestView, now: int) -> str:
    if request.state is RequestState.PENDING:
        return f"pending, {rough(request.pending_until - now)} left"
    if request.state is not RequestState.APPROVED:
        return request.state.value
    if request.extends:
        return "granted" if request.ends is None else f"granted, until {at(request.ends)}"
    if request.start is not None and request.start > now:
        return f"approved, opens {at(request.start)}"
    if request.ends is None:
        return "approved"
    use_by = request.ends if request.use_by is None or request.certificates else request.use_by
    unused = f", to be used by {at(use_by)}" if use_by < request.ends else ""
    return f"open until {at(request.ends)}{unused}"


def decision(said: DecisionView) -> str:
    """``approved by Bob, signed, for 30 min at most, 14:32: looks right``."""
    signed = ", signed" if said.signed else ""
    length = f", for {durations.show(said.duration)} at most" if said.duration is not None else ""
    comment = f": {said.comment}" if said.comment else ""
    verdict = "approved" if said.verdict == "approve" else "denied"
    return f"{verdict} by {said.person.name}{signed}{length}, {at(said.time)}{comment}"


def requests(found: Iterable[RequestView], now: int, *, theirs: bool, columns: int = 0) -> str:
    """Requests as a table; ``theirs`` adds who asks.

    ``columns``: how wide it may be, 0: as wide as it gets. Where that is too little, each takes two lines.
    """
    head, rows, whys = ["ID", *(["WHO"] if theirs else []), "WHAT", "STATE"], [], []
    for request in found:
        who = [request.requester.name] if theirs else []
        rows.append([short(request.id), *who, what(request), standing(request, now)])
        whys.append([at(request.asked), request.reason])
    wide = table([[*head, "ASKED", "WHY"], *([*row, *why] for row, why in zip(rows, whys, strict=True))]).split("\n")
    room = wide[0].index("WHY") + _WHY
    if not columns or columns >= room:
        return "\n".join(cut(line, columns) for line in wide) if columns else "\n".join(wide)
    lines = table([head, *rows]).split("\n")
    below = table([["", *why] for why in whys], indent="  ").split("\n")
    pairs = [lines[0], *(line for pair in zip(lines[1:], below, strict=True) for line in pair)]
    return "\n".join(cut(line, columns) for line in pairs)
