"""What somebody types to ask for the same once more, where a request does not go on."""

from __future__ import annotations

import shlex
from typing import Protocol


class Asked(Protocol):
    """What a request asks for, as the log records it and as people are shown it."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of hosts."""

    @property
    def login(self) -> str:
        """The account on them."""

    @property
    def action(self) -> str:
        """``shell``, ``command`` or the name of an action."""

    @property
    def command(self) -> str | None:
        """What runs, where it is no shell."""

    @property
    def reason(self) -> str:
        """May be empty."""

    @property
    def extends(self) -> str | None:
        """The grant that it asks more time for."""

    @property
    def break_glass(self) -> bool:
        """Whether it is emergency access."""


def line(asked: Asked) -> str:
    """The command, quoted for a shell, with the same reason."""
    reason = ["--reason", asked.reason] if asked.reason else []
    if asked.extends is not None:
        return shlex.join(["ssh-jit", "extend", *reason, asked.extends])
    first, *others = asked.hosts
    if asked.break_glass:
        return shlex.join(["ssh-jit", "break-glass", *reason, f"{asked.login}@{first}"])
    action = [] if asked.action == "shell" else ["--action", asked.action]
    command = [*(["--"] if others else []), asked.command] if asked.action == "command" and asked.command else []
    return shlex.join(["ssh-jit", "request", *action, *reason, f"{asked.login}@{first}", *others, *command])
