"""A whole request on a terminal: what an approver must know before they say yes, and whoever asks ``show``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sshjit.api.details import ExtensionView, PastView, RequesterView, RequestReply
from sshjit.api.views import RequestState, RequestView, StepView
from sshjit.durations import show as lasting
from sshjit.styles import Styles
from sshjit.terminal_text import table, width
from sshjit_client.request_text import GLASS, decision, person, short, standing, where
from sshjit_client.times import at, rough

Rows = list[tuple[str, str]]
_WHY = 24
"""Columns that a reason takes at least, beside what else is told in a line."""


def request_details(reply: RequestReply, now: int, paint: Styles) -> str:
    """The request, and where the server says so, who is asking and why the reader is asked."""
    lines = list(_head(reply.request, paint))
    lines += paint.fields(_ask(reply.request) + _answers(reply, now), indent="")
    if reply.about is not None:
        lines += ["", paint("strong", "who is asking"), *paint.fields(_about(reply.about, now))]
        lines += _past("open now", reply.about.live, paint)
        lines += _past("before", reply.about.recent, paint) if reply.about.recent is not None else []
    if reply.because:
        roles = f"you hold {' and '.join(reply.because)}"
        lines += ["", *paint.fields([("you are asked because", roles)], indent="")]
    return "\n".join(lines)


def _head(request: RequestView, paint: Styles) -> Iterator[str]:
    if request.break_glass:
        yield f"{paint('bad', GLASS)}: past the ordinary rules, without anybody's approval"


def _ask(request: RequestView) -> Rows:
    channel = "by a sign-in on a web page" if request.channel == "web" else "by a sign-in with a key"
    length = f"{lasting(request.duration)}, by certificates of {lasting(request.certificate)}"
    if request.extends:
        length = f"{lasting(request.duration)} more, for {request.extends}"
    return [
        ("request", request.id),
        ("who", person(request.requester)),
        ("what", _where(request)),
        ("action", f"{request.action}{f': {request.command}' if request.command else ''}"),
        ("how long", length),
        ("begins", at(request.start) if request.start is not None else ""),
        ("why", request.reason or "(no reason given)"),
        ("rule", request.rule),
        ("asked", f"{at(request.asked)} {channel}, from {request.address}"),
    ]


def _where(request: RequestView) -> str:
    """``postgres@db1``; of several hosts each of them."""
    one, *more = request.hosts
    return f"{request.login} on {', '.join(request.hosts)}" if more else f"{request.login}@{one}"


def _answers(reply: RequestReply, now: int) -> Rows:
    request = reply.request
    rows = [("state", f"{standing(request, now)}{f': {request.closing}' if request.closing else ''}")]
    rows += [("needs" if not n else "", step(each)) for n, each in enumerate(request.steps)]
    rows += [("said" if not n else "", decision(each)) for n, each in enumerate(request.decisions)]
    if request.state is RequestState.PENDING and not request.decisions:
        rows.append(("said", "nothing yet"))
    rows += [
        ("comments" if not n else "", f"{each.person.name}, {at(each.time)}: {each.text}")
        for n, each in enumerate(request.comments)
    ]
    rows.append(("review", _review(request)))
    rows += [("extensions" if not n else "", line) for n, line in enumerate(_extensions(reply.extensions, now))]
    if request.extend_by is not None:
        rows.append(("more time", f"{lasting(request.extend_by)}, by ssh-jit extend {short(request.id)}"))
    return rows


def _extensions(extensions: Iterable[ExtensionView], now: int) -> Iterator[str]:
    """Two for each: the ask, and its outcome."""
    for each in extensions:
        why = f": {each.reason}" if each.reason else ""
        yield f"{lasting(each.duration)} more, asked {at(each.asked)} by {each.person.name}{why}"
        yield "; ".join(_extension_outcome(each, now))


def _extension_outcome(each: ExtensionView, now: int) -> Iterator[str]:
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


def step(each: StepView) -> str:
    """``2 of sre-lead (signed), missing 1: Bob, Eve``."""
    signed = " (signed)" if each.signed else ""
    if not each.missing:
        return f"{each.count} of {each.role}{signed}: done"
    missing = f", missing {each.missing}" if each.missing != each.count else ""
    return f"{each.count} of {each.role}{signed}{missing}: {', '.join(each.candidates) or 'nobody signed in lately'}"


def _review(request: RequestView) -> str:
    found = request.review
    if found is None:
        return f"needed by {at(request.review_by)}, by somebody else" if request.review_by is not None else ""
    comment = f": {found.comment}" if found.comment else ""
    return f"{found.verdict}, by {found.person.name}, {at(found.time)}{comment}"


def _about(about: RequesterView, now: int) -> Rows:
    proved = "" if about.auth_time is None else f"; proved who they are {rough(now - about.auth_time)} ago"
    return [
        ("provider", about.provider),
        ("groups", ", ".join(about.groups) or "none"),
        ("roles", ", ".join(about.roles) or "none"),
        ("signed in", f"{rough(now - about.signed_in)} ago, at {at(about.signed_in)}{proved}"),
        ("with", _factors(about)),
        ("from", about.address),
    ]


def _factors(about: RequesterView) -> str:
    factors = {"a second factor": about.mfa, "a registered hardware key": about.hardware_key}
    found = [name for name, there in factors.items() if there]
    return " and ".join(found) or "no second factor that the provider tells of"


def _past(title: str, found: tuple[PastView, ...], paint: Styles) -> list[str]:
    """The requester's other requests; why, beside each or, where there is little room, below."""
    if not found:
        return ["", f"{paint('strong', title)}: nothing"]
    rows = [
        [
            short(each.id),
            where(each.login, each.hosts, each.action, glass=each.how == "break_glass"),
            each.state.value if each.ends is None else f"{each.state.value}, until {at(each.ends)}",
            at(each.asked),
        ]
        for each in found
    ]
    title_row, *heads = table([["ID", "WHAT", "STATE", "ASKED"], *rows], indent="  ").split("\n")
    wide = max(map(width, [title_row, *heads])) + 2
    if paint.columns < wide + _WHY:
        lines = [title_row]
        for head, each in zip(heads, found, strict=True):
            lines += [head, *(f"    {line}" for line in paint.wrapped(each.reason, 4))]
    else:
        whys = ("WHY", *(each.reason for each in found))
        lines = [
            line for head, why in zip([title_row, *heads], whys, strict=True) for line in paint.row([(head, wide)], why)
        ]
    return ["", paint("strong", title), *lines]
