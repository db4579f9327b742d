"""What ``ssh-jit`` and the front end say to each other over HTTP, beyond the messages of the CA's doors.

The calls are listed in ``docs/protocol.md``, section 2. Both read and write these classes by ``sshjit/wire.py``. What a
connection does not need stands in ``sshjit/acts.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.messages import LoginView


@dataclass(frozen=True, slots=True)
class LoginBody:
    """An ID token and what binds it to a key: ``LoginNative`` without what the front end adds."""

    provider: str
    id_token: str
    key: str
    salt: str
    signature: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The answer to a login: an opaque token that dies with it."""

    token: str
    login: LoginView


@dataclass(frozen=True, slots=True)
class AskBody:
    """An ``Ask`` without what the front end adds."""

    hosts: tuple[str, ...]
    login: str | None
    action: str
    command: str | None
    duration: int | None
    reason: str
    certificate: bool
    labels: tuple[tuple[str, str], ...] = ()
    start: int | None = None
    break_glass: bool = False
