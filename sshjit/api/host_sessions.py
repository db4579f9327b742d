"""What hosts report of sessions (``docs/protocol.md``, section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sshjit.api.message import Message, Reply
from sshjit.limits import AtMost, Id, KeyLine, Name, Signature

MOST_SESSION_EVENTS = 32
"""Events of one message."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """A session by a certificate began, or is over. ``number`` is higher than that of every event before it."""

    number: int
    kind: Literal["start", "end"]
    time: int
    """The host's clock."""
    session: Id
    login: Name
    source: Name
    """The address that it came from, as sshd says it."""
    grant: Id
    """What the certificate names; empty if it names none."""
    serial: int
    certificate: Annotated[str, AtMost(64)]
    """SHA-256 (hex) of the certificate in wire format."""
    key_id: Annotated[str, AtMost(200)]
    """The certificate's, cut, in ASCII."""
    emergency: bool
    """Whether the host takes the certificate for one past every rule, by its CA's key or its key id."""
    why: Id
    """Of an end: ``logout``, ``window``, ``certificate``, ``ended``, ``revoked`` or ``restart``."""


@dataclass(frozen=True, slots=True)
class ReportSessions(Message, answer="SessionsReply"):
    """A host tells of sessions, in the order of their numbers; it may send what the CA has already."""

    name: str
    host_key: KeyLine
    time: int
    """The host's clock when it signed."""
    lost: int
    """Events that the host had to drop since it last said so."""
    events: Annotated[tuple[SessionEvent, ...], AtMost(MOST_SESSION_EVENTS, "too_many")]
    signature: Signature
    """SSHSIG by ``host_key``, namespace ``sessions@ssh-jit``."""


@dataclass(frozen=True, slots=True)
class SessionsReply(Reply):
    """How far the CA has the host's events."""

    taken: int
    """The number of the newest event."""
