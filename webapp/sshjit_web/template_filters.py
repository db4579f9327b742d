"""How values are shown on pages: times, lengths of time, states. Every value is made inert by the templates."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, url_for
from jinja2 import StrictUndefined
from markupsafe import Markup

from sshjit import durations
from sshjit.api.details import ExtensionView, PastView
from sshjit.api.views import RequestState, RequestView, StepView
from sshjit_web.banner import MOST
from sshjit_web.error_help import for_terminal, help_for
from sshjit_web.escape_controls import escape_controls
from sshjit_web.security import return_address

_STATIC = Path(__file__).parent / "static"
_STATES = {
    RequestState.PENDING: ("waiting", "Waiting for approval"),
    RequestState.APPROVED: ("live", "Approved"),
    RequestState.DENIED: ("no", "Denied"),
    RequestState.CANCELLED: ("over", "Cancelled"),
    RequestState.EXPIRED: ("over", "Expired"),
    RequestState.ENDED: ("over", "Ended"),
    RequestState.LAPSED: ("over", "Expired unused"),
    RequestState.REVOKED: ("no", "Revoked"),
}


def when(seconds: int) -> Markup:
    """A moment, in UTC, as a ``time`` element; the page's script adds the reader's own time."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"), moment.strftime("%Y-%m-%d %H:%M")
    )


def span(seconds: int) -> str:
    """A length of time: ``8 h``."""
    return durations.show(seconds)


def left(until: int, now: int) -> str:
    """The time left, as exact as a person needs it: minutes, and seconds in the last two minutes."""
    seconds = until - now
    if seconds <= 0:
        return "none"
    return durations.show(seconds if seconds < 120 else seconds // 60 * 60)


def sentence(text: str) -> str:
    """``text`` with a capital letter, unless it begins with a name or a command."""
    return text[:1].upper() + text[1:] if re.match(r"[a-z]+(?:'[a-z]+)?[ ,:]", text) else text


def state(view: RequestView | PastView | ExtensionView) -> tuple[str, str]:
    """The class of a request's state for the style sheet, and its name for people.

    An extension that was given stays so when the grant is over: that is what became of the ask.
    """
    if isinstance(view, ExtensionView) and view.how is not None:
        name = "Approved" if view.how == "reviewed" else "Approved by rule"
        return ("live" if view.state is RequestState.APPROVED else "over"), name
    if isinstance(view, RequestView) and view.blocked:
        return "over", "Out of date"
    if view.state is RequestState.APPROVED and view.how == "automatic":
        return "live", "Approved by rule"
    if view.state is RequestState.APPROVED and view.how == "break_glass":
        return "glass", "Emergency access active"
    return _STATES[view.state]


def signature(step: StepView) -> str:
    """How the approvals of a step must be signed."""
    passkey = {"": "", "any": " or a passkey", "device-bound": " or a passkey that cannot be synced"}[step.passkey]
    return f"signed with a key{passkey}" if step.signed else ""


def state_name(state: RequestState) -> str:
    """The name of a state for people."""
    return _STATES[state][1]


def age(since: int, now: int) -> str:
    """How long ago something was, as exact as a person needs it."""
    seconds = max(0, now - since)
    for size in (86400, 3600, 60):
        if seconds >= 2 * size:
            return f"{durations.show(seconds // size * size)} ago"
    return f"{durations.show(seconds)} ago" if seconds else "just now"


def count(number: int) -> str:
    """A count of what waits, which was not counted any further than ``MOST``."""
    return f"{MOST}+" if number > MOST else str(number)


def asset(name: str) -> str:
    """The address of a static file, which changes with its content."""
    return url_for("static", filename=name, v=_VERSIONS[name])


_VERSIONS = {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    for path in sorted(_STATIC.iterdir())
    if path.is_file()
}


def install(app: Flask) -> None:
    """Sets the templates up: strict, with every value made inert before it is escaped."""
    app.jinja_options = {
        **app.jinja_options,
        "finalize": escape_controls,
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }
    app.jinja_env.filters.update(when=when, span=span, left=left, age=age, count=count)
    app.jinja_env.filters.update(
        sentence=sentence,
        signature=signature,
        state=state,
        state_name=state_name,
        help=help_for,
        for_terminal=for_terminal,
    )
    app.jinja_env.globals.update(asset=asset, here=return_address)
