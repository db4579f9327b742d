"""People and requests as text: single lines, and tables. ``requests/request_details.py`` shows a whole request.

These functions return plain text; ``console/terminal.py`` makes it inert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sshjit import durations, passkeys
from sshjit.api.views import DecisionView, PersonView, RequestState, RequestView
from sshjit.terminal_text import cut, inert, table, width
from sshjit_client.console.times import at, rough

_HOSTS = 3
"""Hosts that a line names; it counts the others."""
_WHY = 16
"""The fewest columns in which a reason is worth reading."""
_REASON = 40
"""Columns of a reason that a sentence quotes."""
BREAK_GLASS_MARK = "BREAK-GLASS"
"""The mark of access past the ordinary rules."""


def short(request: str) -> str:
    """The beginning of a request's id, long enough for people; every command takes it."""
    return request[:12]


def person(who: PersonView) -> str:
    """``Dana Doe <dana@example.com> (partner)``."""
    return f"{who.name}{f' <{who.email}>' if who.email else ''} ({who.provider})"


def hosts(names: Sequence[str]) -> str:
    """``web1,web2,web3 +9``."""
    more = len(names) - _HOSTS
    return ",".join(names) if more <= 1 else f"{','.join(names[:_HOSTS])} +{more}"


def where(login: str, names: Sequence[str], action: str, *, break_glass: bool) -> str:
    """``postgres@db1, migrate``; for break-glass with the mark in front."""
    mark = f"{BREAK_GLASS_MARK} " if break_glass else ""
    return f"{mark}{login}@{hosts(names)}{'' if action == 'shell' else f', {action}'}"


def what(request: RequestView) -> str:
    """``postgres@db1, migrate, 1 h``; for an extension ``postgres@db1, 1 h more``."""
    named = where(request.login, request.hosts, request.action, break_glass=request.break_glass)
    return f"{named}, {durations.show(request.duration)}{' more' if request.extends else ''}"


def reason_is_lost(request: RequestView, reason: str) -> bool:
    """Whether ``reason`` was typed for a request that exists already, with another reason."""
    return reason not in ("", request.reason)


def already_requested(request: RequestView, now: int, reason: str) -> str:
    """``already requested 12 min ago (req-…, reason "CHG-20 …")``, and whether ``reason`` was not recorded."""
    ago = f"already requested {rough(now - request.asked)} ago"
    quoted = f', reason "{cut(request.reason, _REASON)}"' if request.reason else ""
    lost = "; your new reason was NOT recorded" if reason_is_lost(request, reason) else ""
    return f"{ago} ({short(request.id)}{quoted}){lost}"


def state_text(request: RequestView, now: int) -> str:
    """The state of a request, with the time that counts next."""
    text = "out of date, ask again" if request.blocked else _state_text(request, now)
    return f"not reviewed; {text}" if request.review_by is not None and request.review is None else text


def _left(request: RequestView, now: int) -> str:
    """``, 58 min left`` of a window that is open; of what waits the state says it."""
    begun = request.start is None or request.start <= now
    if request.state is not RequestState.APPROVED or request.ends is None or request.blocked or not begun:
        return ""
    return f", {rough(request.ends - now)} left"


def _state_text(request: RequestView, now: int) -> str:
    if request.state is RequestState.PENDING:
        begins = f", for {at(request.start)}" if request.start is not None and request.start > now else ""
        return f"pending{begins}, {rough(request.pending_until - now)} left"
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


def decision(view: DecisionView) -> str:
    """``approved by Bob, signed, for 30 min at most, 14:32: looks right``."""
    signed = f", {passkeys.by(view)}" if view.signed or view.passkey or view.not_signed else ""
    length = f", for {durations.show(view.duration)} at most" if view.duration is not None else ""
    comment = f": {view.comment}" if view.comment else ""
    verdict = "approved" if view.verdict == "approve" else "denied"
    return f"{verdict} by {view.person.name}{signed}{length}, {at(view.time)}{comment}"


def requests(
    views: Iterable[RequestView],
    now: int,
    *,
    theirs: bool,
    columns: int = 0,
    page: Callable[[str], str] | None = None,
) -> str:
    """Requests as a table; ``theirs`` adds the requester, ``page`` gives the address of each.

    ``columns``: how wide it may be; 0: as wide as it gets, with one line for each request. If the table is too wide,
    each request takes two or three lines, of which only the reason is cut: ``ssh-jit show`` has all of it. An address
    is never cut.
    """
    head, rows, whys, pages = ["ID", *(["REQUESTER"] if theirs else []), "ACCESS", "STATUS"], [], [], []
    for request in views:
        who = [request.requester.name] if theirs else []
        mark = "not signed; " if request.not_signed else ""
        rows.append([short(request.id), *who, what(request), f"{mark}{state_text(request, now)}{_left(request, now)}"])
        whys.append([rough(now - request.asked), request.reason])
        pages.append([page(request.id)] if page is not None else [])
    if not columns:
        whole = [[*row, *why, *link] for row, why, link in zip(rows, whys, pages, strict=True)]
        return table([[*head, "AGE", "REASON", *(["PAGE"] if page is not None else [])], *whole])
    wide = table([[*head, "AGE", "REASON"], *([*row, *why] for row, why in zip(rows, whys, strict=True))]).split("\n")
    if columns >= wide[0].index("REASON") + _WHY:
        lines, below = [cut(line, columns) for line in wide], list[list[str]]([] for _ in rows)
    else:
        lines, below = _narrow(head, rows, whys, columns)
    under = [
        [*(cut(f"    {inert(line)}", columns) for line in one), *(f"    {inert(address)}" for address in link)]
        for one, link in zip(below, pages, strict=True)
    ]
    return "\n".join([lines[0], *(line for top, one in zip(lines[1:], under, strict=True) for line in (top, *one))])


def _narrow(
    head: list[str], rows: list[list[str]], whys: list[list[str]], columns: int
) -> tuple[list[str], list[list[str]]]:
    """The lines of a table without reasons, and perhaps without the state; and what stands below each of them."""
    lines, below = (
        table([head, *rows]).split("\n"),
        [[f"requested {age} ago{f': {why}' if why else ''}"] for age, why in whys],
    )
    if max(map(width, lines)) > columns:
        below = [[row[-1], *line] for row, line in zip(rows, below, strict=True)]
        lines = table([head[:-1], *(row[:-1] for row in rows)]).split("\n")
    return lines, below
