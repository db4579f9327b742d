"""The text of notifications. Pure: a notice in, a title, lines and a link out, and these as mail or for a chat.

Text that other people wrote (names, reasons, comments, commands) is harmless in a message: it is on one line, cut,
without control characters or marks that turn the direction of text, and no mail program makes a link of it. For chats,
whose markup differs from one to the next, every character that any of them reads as markup is replaced by its
full-width form, which looks the same and means nothing. The link is ours, and opening it decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sshjit import durations
from sshjit.api.views import PersonView, RequestView
from sshjit.ca_protocol.feed import FeedItem
from sshjit_web.escape_controls import escape_controls
from sshjit_web.notify.notices import Notice
from sshjit_web.notify_config import Topic

LONGEST = 300
"""Characters of one value; the page shows all of it."""
LONGEST_TITLE = 120
LONGEST_NAME = 40
"""Characters of a name in a title, so that the rest of the title is read too."""
_MARKUP = {ord(character): ord(character) + 0xFEE0 for character in "<>&*_`~[]()@|#\\"}
_LINKED = re.compile(r"(?i)(://|www\.|mailto:)")
_SITE = re.compile(r"(?<=[\w-])\.(?=[^\W\d_]{2})")
"""The dots of ``evil.example``, of which mail programs make a link as well."""
_TITLES: dict[Topic, str] = {
    "asked": "{who} requests {what}",
    "reminder": "Still waiting: {who} requests {what}",
    "escalated": "Nobody has answered yet: {who} requests {what}",
    "decided": "{actor} approved {what} for {who}; more approvals are needed",
    "opened": "Approved: {what} for {who}",
    "denied": "Denied: {what} for {who}",
    "cancelled": "Cancelled: {what} for {who}",
    "expired": "Expired without a decision: {what} for {who}",
    "ended": "Ended: {what} for {who}",
    "lapsed": "Expired unused: {what} for {who}",
    "revoked": "Revoked: {what} for {who}",
    "commented": "{actor} commented on {what} for {who}",
    "broken_glass": "EMERGENCY ACCESS (break-glass): {who} to {what}",
    "unreviewed": "Not reviewed yet: emergency access of {who} to {what}",
    "reviewed": "{actor} reviewed the emergency access of {who}: {verdict}",
    "locked": "Locked",
    "unlocked": "Unlocked",
    "emergency": "Emergency certificate signed",
    "join_refused": "A host was not let in by a joining token",
    "passkey_registered": "A new passkey was registered",
    "passkey_accepted": "A new passkey was accepted",
    "passkey_removed": "A passkey was removed",
    "passkey_refused": "A passkey was refused: there may be a copy of it",
}
_TO_DO: dict[Topic, str] = {
    "asked": "Approve or deny it on its page:",
    "reminder": "Approve or deny it on its page:",
    "escalated": "Approve or deny it on its page:",
    "broken_glass": "Somebody else must review what was done, on its page:",
    "unreviewed": "Somebody else must review what was done, on its page:",
    "passkey_registered": "If its owner did not do this, remove it at once (ssh-jit passkey remove), and lock them:",
}


@dataclass(frozen=True, slots=True)
class Content:
    """A message before it is written for one channel. Nothing in it is escaped yet."""

    title: str
    rows: tuple[tuple[str, str], ...]
    to_do: str
    link: str
    """An address of our own."""


def compose(notice: Notice, origin: str) -> Content:
    """The text of a notice; ``origin`` is the front end's own address."""
    item, request = notice.item, notice.item.request
    link = f"{origin}/log" if request is None else f"{origin}/requests/{request.id}"
    rows = (("Event", defuse_sites(item.summary)),) if request is None else tuple(_rows(notice, request))
    return Content(_title(notice), rows, _TO_DO.get(notice.topic, "Details:"), link)


def mail(content: Content) -> tuple[str, str]:
    """Subject and text of a mail, which is sent as plain text."""
    return f"ssh-jit: {_cut(_still(content.title), LONGEST_TITLE)}", _body(content, _still)


def chat(content: Content) -> tuple[str, str]:
    """Title and text for any other channel."""
    return _cut(_plain(content.title), LONGEST_TITLE), _body(content, _plain)


def _body(content: Content, say: Callable[[str], str]) -> str:
    lines = [f"{label}: {_cut(say(text), LONGEST)}" for label, text in content.rows if text]
    return "\n".join([*lines, "", content.to_do, content.link, ""])


def _title(notice: Notice) -> str:
    item, request = notice.item, notice.item.request
    if request is None:
        return _TITLES[notice.topic]
    return _TITLES[notice.topic].format(
        who=_titled(request.requester),
        what=what(request),
        actor="Somebody" if item.actor is None else _titled(item.actor),
        verdict="" if request.review is None else request.review.verdict,
    )


def _titled(view: PersonView) -> str:
    return _cut(defuse_sites(view.name), LONGEST_NAME)


def _rows(notice: Notice, request: RequestView) -> Iterator[tuple[str, str]]:
    """Requester, access, duration, reason, and the times until which something is to be done or is active."""
    topic, item = notice.topic, notice.item
    if topic == "commented":
        yield "Comment", defuse_sites(remark(item, request))
    if topic == "reviewed" and request.review is not None:
        yield "Review", f"{request.review.verdict}: {defuse_sites(request.review.comment)}"
    yield "Requester", f"{person(request.requester)}{', not signed' if request.not_signed else ''}"
    yield from (("Claim", defuse_sites(claim)) for claim in item.claims)
    yield "Access", f"{what(request)}{'' if request.command is None else f', command {defuse_sites(request.command)}'}"
    yield "Duration", f"{durations.show(request.duration)}{' more' if request.extends else ''}"
    yield "Reason", defuse_sites(request.reason)
    yield "Rule", request.rule
    yield "Start", "" if request.start is None else moment(request.start)
    if topic in ("asked", "reminder", "escalated", "decided"):
        missing = [f"{step.missing} by {step.role}" for step in request.steps if step.missing]
        yield "Approvals missing", ", ".join(missing)
        yield "Expires", moment(request.pending_until)
    if topic in ("opened", "broken_glass", "unreviewed") and request.ends is not None:
        yield "Active until", moment(request.ends)
    if topic in ("broken_glass", "unreviewed") and request.review_by is not None:
        yield "Review by", moment(request.review_by)
    if topic in ("opened", "denied", "decided") and request.decisions:
        yield "Decisions", "; ".join(_decisions(request))
    if topic in ("denied", "cancelled", "ended", "revoked"):
        yield "Ended by", "" if item.actor is None else person(item.actor)
        yield "Reason for the end", "" if topic == "denied" else defuse_sites(request.closing)


def _decisions(request: RequestView) -> Iterator[str]:
    for decision in request.decisions:
        verdict = "approved" if decision.verdict == "approve" else "denied"
        comment = f", {defuse_sites(decision.comment)}" if decision.comment else ""
        signed = ", not signed" if decision.not_signed else ""
        yield f"{defuse_sites(decision.person.name)}: {verdict}{signed}{comment}"


def what(request: RequestView) -> str:
    """``postgres@db1``, or ``migrate as postgres@db1`` where it is no shell; the first of many hosts."""
    more = f" and {len(request.hosts) - 1} more" if len(request.hosts) > 1 else ""
    action = "" if request.action == "shell" else f"{request.action} as "
    return f"{action}{request.login}@{request.hosts[0] if request.hosts else '?'}{more}"


def remark(item: FeedItem, request: RequestView) -> str:
    """The text of the comment that an entry is about."""
    for each in request.comments:
        if each.time == item.time and item.actor is not None and each.person.id == item.actor.id:
            return each.text
    return item.summary


def person(view: PersonView) -> str:
    """A name, and what tells two of the same name apart."""
    return f"{defuse_sites(view.name)} ({view.provider}{f', {view.email}' if view.email else ''})"


def defuse_sites(text: str) -> str:
    """Text that somebody wrote, with ``evil[.]example`` where it names a site."""
    return _SITE.sub("[.]", text)


def moment(seconds: int) -> str:
    """A time for people who may be anywhere."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _still(text: str) -> str:
    """On one line, without anything invisible, and no link for a mail program to make."""
    shown = str(escape_controls(text))
    return _LINKED.sub(lambda found: found[0].replace(".", "[.]").replace(":", "[:]"), shown)


def _plain(text: str) -> str:
    """The same, and without what a chat reads as markup."""
    return _still(text).translate(_MARKUP)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
