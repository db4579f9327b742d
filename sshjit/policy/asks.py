"""What is asked of a policy: who, for which hosts, what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks, as the login says that is to be used. The caller has verified all of it.

    ``id`` is the CA's id of (provider, subject). ``emails`` are verified addresses in the provider's ``email_domains``,
    case-folded. ``own`` is the Unix name that ``@own`` stands for. ``auth_time`` is when the person proved who they are
    to the provider (seconds since the epoch; ``None``: the provider does not say).
    """

    id: str
    provider: str
    groups: frozenset[str]
    emails: frozenset[str]
    own: str | None = None
    auth_time: int | None = None
    mfa: bool = False
    hardware_key: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """An enrolled host. ``labels`` are pairs of label and value, as in ``messages.HostView``."""

    id: str
    name: str
    labels: tuple[tuple[str, str], ...]
    by_label: Mapping[str, str] = field(init=False, repr=False, compare=False)
    """The same labels, to look up."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_label", dict(self.labels))


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for. ``login`` ``None``: the server chooses; ``duration`` (seconds) ``None``: all the rule allows.

    ``action`` is ``shell``, a named action, or ``command`` together with ``command``. ``address`` is the client's.
    ``start`` (seconds since the epoch): the window opens then, not now.
    """

    login: str | None
    action: str = "shell"
    command: str | None = None
    duration: int | None = None
    reason: str = ""
    address: str | None = None
    break_glass: bool = False
    start: int | None = None
