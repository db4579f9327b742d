"""From an entry of the feed to rows: what is written in the same transaction that moves the position. Pure.

A copy's id is a digest of (thing, channel, recipient). A notifier that plans the same entry again, after a crash or on
another machine, plans the same ids, and the database takes each once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from sshjit import wire
from sshjit.ca_protocol.feed import FeedItem
from sshjit_web.notify import messages, notices, payload, recipients
from sshjit_web.notify.messages import Content
from sshjit_web.notify.notices import Notice
from sshjit_web.notify.recipients import Target
from sshjit_web.notify_config import NotifyConfig, Topic

_TOLD_OF: dict[Topic, str] = {"reviewed": "broken_glass"}
"""The earlier notice of a thing that is now settled; for other topics it is the request's."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One delivery that is owed."""

    id: str
    target: Target
    after: str
    """With ``target.if_told``: the thing that this recipient was notified of."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A notice in words, and its copies."""

    notice: Notice
    request: str
    content: Content
    body: str
    copies: tuple[Copy, ...]


@dataclass(frozen=True, slots=True)
class ReviewReminder:
    """Remind of this review at ``due``, for the ``step``-th time."""

    request: str
    step: int
    due: int
    item: str
    """The entry that opened it, as JSON."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one entry changes. ``request`` is empty for what is about none."""

    request: str
    announcements: tuple[Announcement, ...]
    withdraw: tuple[Topic, ...] = ()
    answered: str | None = None
    """The address of somebody who has decided."""
    reminder: ReviewReminder | None = None
    reviewed: bool = False


def plan(config: NotifyConfig, origin: str, item: FeedItem, now: int) -> Plan:
    """What an entry that is read at ``now`` changes."""
    outcome = notices.derive(item, now)
    request = "" if item.request is None else item.request.id
    return Plan(
        request=request,
        announcements=tuple(_announcement(config, origin, notice) for notice in outcome.notices),
        withdraw=outcome.withdraw,
        answered=None if outcome.answered is None else recipients.address(outcome.answered),
        reminder=None
        if outcome.first_reminder is None
        else ReviewReminder(request, 0, outcome.first_reminder, _kept(item)),
        reviewed=outcome.reviewed,
    )


def plan_reminder(config: NotifyConfig, origin: str, reminder: ReviewReminder, now: int) -> Plan:
    """What a due reminder of a review changes. Reminders that were missed are not sent later."""
    item = wire.decode_answer(FeedItem, wire.loads(reminder.item.encode()))
    step = reminder.step
    notice, after = notices.remind_of_review(item, step)
    while after <= now:
        step += 1
        notice, after = notices.remind_of_review(item, step)
    announcement = _announcement(config, origin, notice)
    return Plan(
        reminder.request,
        (announcement,),
        withdraw=("unreviewed",),
        reminder=replace(reminder, step=step + 1, due=after),
    )


def copy_id(thing: str, channel: str, recipient: str) -> str:
    """The name of a delivery, which is also its webhook's id."""
    text = json.dumps([thing, channel, recipient])
    return f"msg_{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def _announcement(config: NotifyConfig, origin: str, notice: Notice) -> Announcement:
    request = "" if notice.item.request is None else notice.item.request.id
    content = messages.compose(notice, origin)
    after = f"{_TOLD_OF.get(notice.topic, 'asked')}/{request}"
    copies = tuple(
        Copy(copy_id(notice.thing, target.channel, target.recipient), target, after)
        for target in recipients.targets(config, notice)
    )
    return Announcement(notice, request, content, payload.body(notice, content), copies)


def _kept(item: FeedItem) -> str:
    return json.dumps(wire.encode(replace(item, deciders=())), separators=(",", ":"))
