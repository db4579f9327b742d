"""Reads the forms of the pages into messages; refuses what no page of ours can have sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from werkzeug.datastructures import MultiDict

from sshjit import durations
from sshjit.errors import Invalid
from sshjit.messages import Ask

MAX_HOSTS = 256
"""A certificate has at most that many principals."""
DURATIONS = ("15m", "30m", "1h", "2h", "4h", "8h")
"""Lengths that the page offers; policy caps them."""


@dataclass(frozen=True, slots=True)
class AskForm:
    """What stands in the form, also while it is still wrong, so that it can be shown again."""

    hosts: tuple[str, ...] = ()
    more: str = ""
    login: str = ""
    action: str = "shell"
    command: str = ""
    duration: str = ""
    reason: str = ""

    def ask(self, login_id: str, address: str) -> Ask:
        """The message to the authority, which checks every field itself.

        Raises:
            Invalid: ``bad_form_field`` with what to fill in.

        """
        typed = [word for word in re.split(r"[\s,]+", self.more) if word]
        hosts = tuple(dict.fromkeys([*self.hosts, *typed]))
        if not hosts:
            raise Invalid("bad_form_field", "no host is chosen", hint="choose one, or type its name")
        if len(hosts) > MAX_HOSTS:
            raise Invalid("bad_form_field", f"{len(hosts)} hosts are too many for one request")
        if self.action == "command" and not self.command:
            raise Invalid("bad_form_field", "there is no command", hint="type the exact command, or choose a shell")
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
        )


def read_ask(values: MultiDict[str, str]) -> AskForm:
    """The ask in a form, or in the address of a link to the page (``?host=web1&reason=…``)."""
    one = {name: values.get(name, "").strip() for name in ("more", "login", "command", "duration", "reason")}
    return AskForm(hosts=tuple(values.getlist("host")[:MAX_HOSTS]), action=values.get("action") or "shell", **one)
