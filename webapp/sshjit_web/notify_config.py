"""What ``[notify]`` of ``web.toml`` may say: the ways out, and what goes which way.

Addresses of channels are secrets (an Apprise URL holds a password or a token), so they stand in files of their own and
here is only the path. Reading those files is ``notify/channels.py``'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sshjit import durations, names
from sshjit.errors import Invalid

Topic = Literal[
    "asked",
    "reminder",
    "decided",
    "opened",
    "denied",
    "cancelled",
    "expired",
    "ended",
    "lapsed",
    "revoked",
    "escalated",
    "commented",
    "broken_glass",
    "unreviewed",
    "reviewed",
    "locked",
    "unlocked",
    "emergency",
    "join_refused",
    "passkey_registered",
    "passkey_accepted",
    "passkey_removed",
    "passkey_refused",
]
"""What somebody can be told."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
MIN_TAKEOVER, MAX_TAKEOVER = 3, 600
"""Seconds."""


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """One way out: an Apprise URL in a file, or a webhook with its secret in a file."""

    apprise_file: str | None = None
    webhook: str | None = None
    secret_file: str | None = None
    """Holds ``whsec_`` and the secret in base64, one a line; each signs, so that a secret can be changed."""

    def __post_init__(self) -> None:
        if (self.apprise_file is None) == (self.webhook is None):
            raise Invalid("bad_config", "a channel has either apprise_file or webhook")
        if (self.webhook is None) != (self.secret_file is None):
            raise Invalid("bad_config", "webhook needs secret_file, and secret_file needs webhook")


@dataclass(frozen=True, slots=True)
class Route:
    """What these channels are told: everything that meets each line that is there. A matcher is never empty."""

    channels: tuple[str, ...]
    topics: tuple[Topic, ...] | None = None
    rules: tuple[str, ...] | None = None
    """Names of policy rules; what is about no request (locks, emergencies) meets none."""
    labels: Mapping[str, str] | None = None
    """The hosts of the request have all of these among them."""

    def __post_init__(self) -> None:
        parts = {"channels": self.channels, "topics": self.topics, "rules": self.rules, "labels": self.labels}
        for name, part in parts.items():
            if part is not None and not part:
                raise Invalid("bad_config", f"{name} of a route is empty", hint="leave it out to match everything")
        for key, value in (self.labels or {}).items():
            names.label(key, value)


@dataclass(frozen=True, slots=True)
class NotifyConfig:
    """``[notify]``, checked: a value that exists is valid."""

    channels: Mapping[str, ChannelConfig] = field(default_factory=dict)
    """By the names that rules of policy (``notify = ["pager"]``) and routes use."""
    mail: str | None = None
    """The channel that reaches people by their address; ``None``: nobody gets mail."""
    routes: tuple[Route, ...] = ()
    takeover: str = "15s"
    """How long a notifier may be silent until that of another front end does its work."""

    def __post_init__(self) -> None:
        for name in self.channels:
            if not _NAME.fullmatch(name):
                raise Invalid(
                    "bad_config", f"{names.show(name)} is not a valid channel name", hint="a-z, 0-9, '-', '_'"
                )
        wanted = {name for route in self.routes for name in route.channels} | ({self.mail} if self.mail else set())
        if missing := sorted(wanted - self.channels.keys()):
            raise Invalid("bad_config", f"there is no channel {names.show(missing[0])} in notify.channels")
        if self.mail is not None and self.channels[self.mail].apprise_file is None:
            raise Invalid("bad_config", "the channel of notify.mail must have an apprise_file")
        if not MIN_TAKEOVER <= self.lease <= MAX_TAKEOVER:
            raise Invalid("bad_config", f"notify.takeover must be {MIN_TAKEOVER}s to {MAX_TAKEOVER}s")

    @property
    def lease(self) -> int:
        """``takeover`` in seconds."""
        return durations.parse(self.takeover)
