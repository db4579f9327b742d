"""Reads the forms of the pages into messages; refuses what no page of ours can have sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from werkzeug.datastructures import MultiDict

from sshjit import durations, wire
from sshjit.ca_protocol.explain import Explain
from sshjit.ca_protocol.requests import Ask
from sshjit.errors import Invalid

MAX_HOSTS = 256
"""A certificate has at most that many principals."""
DURATIONS = ("15m", "30m", "1h", "2h", "4h", "8h")
"""Lengths that the page offers; policy caps them."""
_WORDS = re.compile(r"[\s,]+")
_BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*")


@dataclass(frozen=True, slots=True)
class AskForm:
    """What stands in the form, also while it is still wrong, so that it can be shown again."""

    hosts: tuple[str, ...] = ()
    more: str = ""
    labels: str = ""
    """``env=prod role=db``: besides the hosts, all with these labels."""
    login: str = ""
    action: str = "shell"
    command: str = ""
    duration: str = ""
    start: str = ""
    """As ``datetime-local`` sends it, in UTC; empty: as soon as possible."""
    reason: str = ""

    @property
    def started(self) -> bool:
        """Whether it says where to go, so that policy can be asked."""
        return bool(self.hosts or self.more or self.labels)

    def ask(self, login_id: str, address: str, *, break_glass: bool = False) -> Ask:
        """The message to the CA, which checks every field itself.

        Raises:
            Invalid: ``bad_form_field`` with what to fill in.

        """
        hosts = tuple(dict.fromkeys([*self.hosts, *words(self.more)]))
        labels = pairs(self.labels)
        if not hosts and not labels:
            raise Invalid("bad_form_field", "no host is chosen", hint="choose one, or type its name")
        if len(hosts) > MAX_HOSTS:
            raise Invalid("bad_form_field", f"{len(hosts)} hosts are too many for one request", hint="request fewer")
        if self.action == "command" and not self.command:
            raise Invalid("bad_form_field", "no command is given", hint="type the command, or choose a shell")
        return Ask(
            login_id=login_id,
            hosts=hosts,
            login=self.login or None,
            action=self.action,
            command=self.command if self.action == "command" else None,
            duration=durations.parse(self.duration) if self.duration else None,
            reason=self.reason,
            certificate=False,
            address=address,
            labels=labels,
            start=moment(self.start, "the start"),
            break_glass=break_glass,
        )


def explain(ask: Ask, person: str | None = None) -> Explain:
    """What would become of ``ask``, for oneself or for somebody else."""
    return wire.fill(Explain, ask, person=person)


def read_ask(values: MultiDict[str, str]) -> AskForm:
    """The ask in a form, or in the address of a link to the page (``?host=web1&reason=…``)."""
    names = ("more", "labels", "login", "command", "duration", "start", "reason")
    one = {name: values.get(name, "").strip() for name in names}
    one["reason"] = one_line(one["reason"])
    hosts = tuple(host for host in values.getlist("host")[:MAX_HOSTS] if host)
    return AskForm(hosts=hosts, action=values.get("action") or "shell", **one)


def words(text: str) -> tuple[str, ...]:
    """The words of a field that takes several, by spaces or commas."""
    return tuple(word for word in _WORDS.split(text) if word)


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Labels as they are typed: ``env=prod role=db``. Raises ``Invalid``: ``bad_form_field``."""
    parts = [word.partition("=") for word in words(text)]
    if any(not key or not sign or not value for key, sign, value in parts):
        raise Invalid("bad_form_field", "a label is written with its value", hint="like env=prod, or env=prod role=db")
    return tuple((key, value) for key, _, value in parts)


def one_line(text: str) -> str:
    """What was typed into a box of several lines as the one line that a reason or a comment is."""
    return _BREAKS.sub(" ", text).strip()


def moment(text: str, what: str) -> int | None:
    """Seconds since the epoch of ``2026-03-04T14:30`` or ``2026-03-04``, in UTC; ``None`` for nothing.

    Raises:
        Invalid: ``bad_form_field``.

    """
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is not None or not 1970 < time.year < 3000:
        raise Invalid("bad_form_field", f"{what} is not a date and time", hint="write it like 2026-03-04T14:30, in UTC")
    return int(time.replace(tzinfo=UTC).timestamp())


def required(text: str, what: str, hint: str) -> str:
    """The text of a field that must not be empty. Raises ``Invalid``: ``bad_form_field``."""
    value = text.strip()
    if not value:
        raise Invalid("bad_form_field", f"{what} is missing", hint=hint)
    return value
