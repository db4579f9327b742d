"""A whole request as text: what an approver must know before they approve it, and what ``ssh-jit show`` prints."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from sshjit import ask_again, passkeys
from sshjit.api.details import ExtensionView, PastView, RequesterView, RequestReply
from sshjit.api.session import LoginView
from sshjit.api.views import RequestState, RequestView, StepView
from sshjit.durations import show as lasting
from sshjit.styles import Styles
from sshjit.terminal_text import table, width
from sshjit_client.api.basic import BasicApi
from sshjit_client.console.styles import terminal_styles
from sshjit_client.console.times import at, rough
from sshjit_client.requests.request_text import BREAK_GLASS_MARK, decision, person, short, state_text, where
from sshjit_client.storage.machine import Machine

Rows = list[tuple[str, str]]
_THEIRS = "the requester has to ask again"
_WHY = 24
"""The fewest columns for a reason beside the rest of its line."""


def print_request(machine: Machine, api: BasicApi, reply: RequestReply) -> None:
    """Prints a request, with its address at the server."""
    now, page = int(time.time()) + api.skew, api.page_of(reply.request.id)
    machine.terminal.out(request_details(reply, now, terminal_styles(machine.environ), page))


def request_details(reply: RequestReply, now: int, styles: Styles, page: str) -> str:
    """The request; for an approver also the requester, and why the reader may decide. ``page``: its address."""
    lines = list(_head(reply.request, styles))
    lines += styles.fields(_ask(reply.request) + _answers(reply, now) + [("page", page)], indent="")
    if reply.about is not None:
        lines += ["", styles("strong", "about the requester"), *styles.fields(_about(reply.about, now))]
        lines += _past("open access", reply.about.live, styles)
        lines += _past("earlier requests", reply.about.recent, styles) if reply.about.recent is not None else []
    if reply.because and reply.request.state is RequestState.PENDING:
        roles = f"you have the role {' and '.join(reply.because)}"
        lines += ["", *styles.fields([("you can approve", roles)], indent="")]
    return "\n".join(lines)


def _head(request: RequestView, styles: Styles) -> Iterator[str]:
    if request.break_glass:
        yield f"{styles('bad', BREAK_GLASS_MARK)}: past the ordinary rules, without an approval"


def _ask(request: RequestView) -> Rows:
    length = f"{lasting(request.duration)}, in certificates of {lasting(request.certificate)}"
    if request.extends:
        length = f"{lasting(request.duration)} more, for {request.extends}"
    return [
        ("request", request.id),
        ("requester", person(request.requester)),
        ("access", _where(request)),
        ("action", f"{request.action}{f': {request.command}' if request.command else ''}"),
        ("duration", length),
        ("begins", at(request.start) if request.start is not None else ""),
        ("reason", request.reason or "(none given)"),
        ("rule", request.rule),
        ("requested", f"{at(request.asked)}, {_channel(request)}, from {request.address}"),
    ]


def _channel(request: RequestView) -> str:
    """How it was requested. Without a signature only the sign-in is known, and the server may have made it up."""
    if request.signed:
        return "on the command line, signed by the requester's key"
    sign_in = "by a web sign-in" if request.channel == "web" else "by a command-line sign-in"
    return f"{sign_in}, not signed" if request.not_signed else sign_in


def _where(request: RequestView) -> str:
    """``postgres@db1``, or the account and every host."""
    one, *more = request.hosts
    return f"{request.login} on {', '.join(request.hosts)}" if more else f"{request.login}@{one}"


def _answers(reply: RequestReply, now: int) -> Rows:
    request = reply.request
    rows = [("status", f"{state_text(request, now)}{f': {request.closing}' if request.closing else ''}")]
    if request.blocked:
        explained = f"{ask_again.line(request)} (what the rules are now: ssh-jit explain {request.hosts[0]})"
        rows += [("blocked", request.blocked), ("next step", explained if reply.about is None else _THEIRS)]
    rows += [("needs" if not n else "", step(needed)) for n, needed in enumerate(request.steps)]
    rows += [("decisions" if not n else "", decision(needed)) for n, needed in enumerate(request.decisions)]
    if request.state is RequestState.PENDING and not request.decisions:
        rows.append(("decisions", "none yet"))
    rows += [
        ("comments" if not n else "", f"{needed.person.name}, {at(needed.time)}: {needed.text}")
        for n, needed in enumerate(request.comments)
    ]
    rows.append(("review", _review(request)))
    rows += [("extensions" if not n else "", line) for n, line in enumerate(_extensions(reply.extensions, now))]
    if request.extend_by is not None:
        rows.append(("more time", f"{lasting(request.extend_by)}: ssh-jit extend {short(request.id)}"))
    return rows


def _extensions(extensions: Iterable[ExtensionView], now: int) -> Iterator[str]:
    """Two lines for each request for more time: the request, and its outcome."""
    for extension in extensions:
        why = f": {extension.reason}" if extension.reason else ""
        signed = ", not signed" if extension.not_signed else ""
        asked = f"requested {at(extension.asked)} by {extension.person.name}{signed}"
        yield f"{lasting(extension.duration)} more, {asked}{why}"
        yield "; ".join(_extension_outcome(extension, now))


def _extension_outcome(extension: ExtensionView, now: int) -> Iterator[str]:
    yield from map(decision, extension.decisions)
    if extension.how is not None:
        if extension.how != "reviewed":
            yield "approved by the rule"
        if extension.ends is not None:
            yield f"open until {at(extension.ends)}"
    elif extension.state is RequestState.PENDING:
        yield f"pending, {rough(extension.pending_until - now)} left"
    elif extension.state is not RequestState.DENIED:
        yield f"{extension.state.value}{f': {extension.closing}' if extension.closing else ''}"


def step(needed: StepView) -> str:
    """``2 of sre-lead , signed, missing 1: Bob, Eve``."""
    how = f", {passkeys.words(needed)}" if needed.signed else ""
    how += f", after {lasting(needed.after)} also of {needed.instead}" if needed.instead else ""
    how += f", not of {' or '.join(needed.but)}" if needed.but else ""
    if not needed.missing:
        return f"{needed.count} of {needed.role}{how}: done"
    missing = f", missing {needed.missing}" if needed.missing != needed.count else ""
    candidates = ", ".join(needed.candidates) or "nobody who signed in recently"
    return f"{needed.count} of {needed.role}{how}{missing}: {candidates}"


def _review(request: RequestView) -> str:
    review = request.review
    if review is None:
        return f"by somebody else, before {at(request.review_by)}" if request.review_by is not None else ""
    comment = f": {review.comment}" if review.comment else ""
    return f"{review.verdict}, by {review.person.name}, {at(review.time)}{comment}"


def _about(about: RequesterView, now: int) -> Rows:
    proved = "" if about.auth_time is None else f"; authenticated {rough(now - about.auth_time)} ago"
    return [
        ("provider", about.provider),
        *(_workload(about) if about.workload else [("groups", ", ".join(about.groups) or "none")]),
        ("roles", ", ".join(about.roles) or "none"),
        ("on call", ", ".join(f"{turn.rota} until {at(turn.end)}" for turn in about.on_call)),
        ("signed in", f"{rough(now - about.signed_in)} ago, at {at(about.signed_in)}{proved}"),
        ("with", "" if about.workload else _factors(about)),
        ("from", about.address),
        *(("missing", remark) for remark in about.remarks),
    ]


def _workload(about: RequesterView) -> Rows:
    """What tells two workloads apart: their names may be the same."""
    claims = [("claim", claim) for claim in about.claims]
    return [("kind", "a workload: a CI job or a machine, not a person"), *claims, ("token", token_text(about))]


def token_text(whose: RequesterView | LoginView) -> str:
    """Whether a workload's token named its key, and what it means if not."""
    if whose.unbound:
        return "named no key (unbound): whoever saw it, a stolen front end for one, could have signed in with it first"
    return "was made for the key that signed in"


_UNSAID = "as far as the provider says"


def _factors(about: RequesterView) -> str:
    factors = {"a second factor": about.mfa, "a registered hardware key": about.hardware_key}
    present = [name for name, there in factors.items() if there]
    said = ", ".join(about.said_factors)
    return " and ".join(present) or f"no second factor ({f'the provider said {said}' if said else _UNSAID})"


def _past(title: str, requests: tuple[PastView, ...], styles: Styles) -> list[str]:
    """The requester's other requests; the reason is beside each or, on a narrow terminal, below it."""
    if not requests:
        return ["", f"{styles('strong', title)}: nothing"]
    rows = [
        [
            short(past.id),
            where(past.login, past.hosts, past.action, break_glass=past.how == "break_glass"),
            past.state.value if past.ends is None else f"{past.state.value}, until {at(past.ends)}",
            at(past.asked),
        ]
        for past in requests
    ]
    title_row, *heads = table([["ID", "ACCESS", "STATUS", "REQUESTED"], *rows], indent="  ").split("\n")
    wide = max(map(width, [title_row, *heads])) + 2
    if styles.columns < wide + _WHY:
        lines = [title_row]
        for head, past in zip(heads, requests, strict=True):
            lines += [head, *(f"    {line}" for line in styles.wrapped(past.reason, 4))]
    else:
        whys = ("REASON", *(past.reason for past in requests))
        lines = [
            line
            for head, why in zip([title_row, *heads], whys, strict=True)
            for line in styles.row([(head, wide)], why)
        ]
    return ["", styles("strong", title), *lines]
