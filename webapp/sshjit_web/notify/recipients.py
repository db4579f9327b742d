"""Who gets a notice over which channel. Pure.

People are reached by mail, at the address that their provider confirms; the feed shows no other. Channels are those
that the rule names, where it says so, and those whose routes match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sshjit.addresses import exact
from sshjit.api.views import PersonView
from sshjit_web.escape_controls import escape_controls
from sshjit_web.notify.notices import Notice
from sshjit_web.notify_config import NotifyConfig, Route

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
"""One address and nothing that mail programs or their libraries could take for two, a name, or a header."""
LONGEST_ADDRESS = 320
LONGEST_NAME = 32
"""Characters that the database has room for; a rule may name any channel."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where one copy goes. ``recipient`` is a mail address, or empty for a channel as such."""

    channel: str
    recipient: str = ""
    if_told: bool = False
    """Only if this recipient was notified of the request."""
    problem: str = ""
    """Why it cannot be delivered at all; empty: it can."""


def targets(config: NotifyConfig, notice: Notice) -> tuple[Target, ...]:
    """Every copy of a notice, each once. A copy without a condition replaces the same one with a condition."""
    anyway = [*_people(config, notice.people, if_told=False), *_channels(config, notice)]
    known = {(target.channel, target.recipient) for target in anyway}
    told = (target for target in _people(config, notice.told, if_told=True) if not target.problem)
    more = (target for target in told if (target.channel, target.recipient) not in known)
    return tuple(dict.fromkeys((*anyway, *more)))


def address(person: PersonView) -> str | None:
    """Where mail to somebody goes, in lower case so that one mailbox is one recipient; ``None``: nowhere."""
    text = exact(person.email or "")
    return text if text is not None and _ADDRESS.fullmatch(text) else None


def _people(config: NotifyConfig, people: Iterable[PersonView], *, if_told: bool) -> list[Target]:
    if config.mail is None:
        return []
    return [_mail(config.mail, person, if_told=if_told) for person in people]


def _mail(channel: str, person: PersonView, *, if_told: bool) -> Target:
    to = address(person)
    problem = "" if to else "their provider confirms no e-mail address"
    return Target(channel, to or person.id[:LONGEST_ADDRESS], if_told=if_told, problem=problem)


def _channels(config: NotifyConfig, notice: Notice) -> list[Target]:
    named = notice.item.notify if notice.named else ()
    routed = (name for route in config.routes if _matches(route, notice) for name in route.channels)
    return [
        Target(
            str(escape_controls(name))[:LONGEST_NAME],
            problem="" if name in config.channels else "web.toml has no channel with this name",
        )
        for name in dict.fromkeys((*named, *routed))
    ]


def _matches(route: Route, notice: Notice) -> bool:
    request = notice.item.request
    if route.topics is not None and notice.topic not in route.topics:
        return False
    if route.rules is not None and (request is None or request.rule not in route.rules):
        return False
    return route.labels is None or set(route.labels.items()) <= set(notice.item.labels)
