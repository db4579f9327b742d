"""How times, people and requests read on a terminal. Everything here returns text; ``terminal.py`` makes it inert."""

from __future__ import annotations

import time

from sshjit import durations
from sshjit.messages import PersonView, RequestState, RequestView
from sshjit_client.terminal import table

_DAY = 24 * 3600


def at(moment: int) -> str:
    """A moment by this machine's clock: ``14:32`` today, ``24 Dec 14:32`` else."""
    local = time.localtime(moment)
    near = abs(moment - time.time()) < _DAY / 2
    return time.strftime("%H:%M" if near else "%d %b %H:%M", local)


def short(request: str) -> str:
    """The beginning of a request's id, long enough for people; ``request`` commands take such a prefix."""
    return request[:12]


def person(who: PersonView) -> str:
    """``Dana Doe <dana@example.com> (partner)``."""
    return f"{who.name}{f' <{who.email}>' if who.email else ''} ({who.provider})"


def what(request: RequestView) -> str:
    """``postgres@db1, migrate, 1 h``."""
    action = "" if request.action == "shell" else f", {request.action}"
    hosts = ",".join(request.hosts)
    return f"{request.login}@{hosts}{action}, {durations.show(request.duration)}"


def standing(request: RequestView, now: int) -> str:
    """Where a request stands, with the time that counts next."""
    if request.state is RequestState.PENDING:
        return f"pending, {durations.show(max(request.pending_until - now, 0))} left"
    if request.state is RequestState.APPROVED and request.ends is not None:
        return f"open until {at(request.ends)}"
    if request.state is RequestState.APPROVED and request.use_by is not None:
        return f"approved, use by {at(request.use_by)}"
    return request.state.value


def requests(found: tuple[RequestView, ...], now: int, *, theirs: bool) -> str:
    """Requests as a table; ``theirs`` adds who asks."""
    rows = [["ID", *(["WHO"] if theirs else []), "WHAT", "STATE", "ASKED", "WHY"]]
    for request in found:
        who = [request.requester.name] if theirs else []
        rows.append([short(request.id), *who, what(request), standing(request, now), at(request.asked), request.reason])
    return table(rows)


def details(request: RequestView, now: int) -> str:
    """Everything that an approver should know before they say yes."""
    missing = [f"{step.missing} of {step.role}{' (signed)' if step.signed else ''}" for step in request.steps]
    said = [f"{d.verdict} by {d.person.name}{f': {d.comment}' if d.comment else ''}" for d in request.decisions]
    where = "by a sign-in on a web page" if request.channel == "web" else "by a sign-in with a key"
    rows = [
        ["request", request.id],
        ["who", person(request.requester)],
        ["what", f"{request.login}@{','.join(request.hosts)}"],
        ["action", f"{request.action}{f': {request.command}' if request.command else ''}"],
        ["how long", f"{durations.show(request.duration)}, by certificates of {durations.show(request.certificate)}"],
        ["why", request.reason or "(no reason given)"],
        ["rule", request.rule],
        ["asked", f"{at(request.asked)} {where}, from {request.address}"],
        ["state", standing(request, now)],
        ["said", "; ".join(said) or "nothing yet"],
        [
            "missing",
            " and ".join(m for m, step in zip(missing, request.steps, strict=True) if step.missing) or "nothing",
        ],
    ]
    return table(rows)
