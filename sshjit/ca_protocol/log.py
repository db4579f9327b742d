"""The log: pages, tiles, proofs, and what is erased."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import wire
from sshjit.api.log import LogReply
from sshjit.api.message import Message, Reply
from sshjit.limits import Id


@dataclass(frozen=True, slots=True)
class ReadLog(Message, answer=LogReply):
    """A page of the log. Over the web socket: with the permission ``audit`` all of it, else the login's own entries."""

    login_id: Id | None
    before: int | None
    """Entries with a lower index than this one; ``None`` starts at the newest."""
    limit: int
    after: int | None = None
    """Instead of ``before``: entries with a higher index than this one, oldest first."""
    person: str | None = None
    """Only what is about somebody: a subject's id, or the name or address of one or more people."""
    host: str | None = None
    """Only what is about a host, by its name."""
    kind: str | None = None
    """Only entries of this kind."""
    since: int | None = None
    until: int | None = None
    """Only entries from ``since`` to before ``until``, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class ReadTile(Message, answer="TileReply"):
    """A tile or an entry bundle of the log, by its C2SP tlog-tiles name."""

    name: str


@dataclass(frozen=True, slots=True)
class TileReply(Reply):
    """The tile's bytes, base64."""

    data: str


@dataclass(frozen=True, slots=True)
class ReadCosigned(Message, answer="CosignedReply"):
    """The newest checkpoint that witnesses signed."""


@dataclass(frozen=True, slots=True)
class CosignedReply(Reply):
    """A signed note with the lines of all witnesses that signed it; empty if none did."""

    note: str


@dataclass(frozen=True, slots=True)
class ReadProof(Message, answer="ProofReply"):
    """The proof that the certificate with this serial is in the log."""

    serial: int
    cosigned: bool = wire.added(2, default=False, weakens=False)
    """Under the newest checkpoint that witnesses signed, with their lines, instead of the newest."""


@dataclass(frozen=True, slots=True)
class ProofReply(Reply):
    """The proof's text, a C2SP tlog-proof whose extra data is the entry's fact."""

    proof: str


@dataclass(frozen=True, slots=True)
class Forget(Message, answer="ForgetReply"):
    """Erases the details of entries older than ``before`` that nothing alive needs (admin socket)."""

    before: int
    dry_run: bool
    """Only counts."""


@dataclass(frozen=True, slots=True)
class ForgetReply(Reply):
    """How many details go, and how many as old are still needed."""

    erased: int
    kept: int
    people: int
    """Subjects that the CA does not know any more."""
