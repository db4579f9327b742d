"""By which right a log key followed another.

A log is believed because of one public key that was written down outside it when the CA was made. Each later log key
is endorsed by the one before it, in the log itself: who can write the database, but does not hold the key, cannot put
another in its place.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sshjit import checkpoint, entries, sshkey
from sshjit.checkpoint import Checkpoint
from sshjit.entries import Entry
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit.events import KINDS, Event, KeyActivated, KeyAdded
from sshjit.sshkey import PublicKey
from sshjit_ca.keys import sshsig
from sshjit_ca.storage.store import Store

_KINDS = tuple(name for name, kind in KINDS.items() if kind in (KeyAdded, KeyActivated))
NAMESPACE = "log@ssh-jit"
"""The SSHSIG namespace of a log key's signature over the line of the next one."""


class Succession:
    """The log keys so far: the first from outside, the others as the log's entries name them."""

    def __init__(self, first: PublicKey) -> None:
        self._first = first
        self._lines: dict[str, PublicKey] = {}
        self._turns: list[PublicKey] = []

    @classmethod
    def of(cls, first: PublicKey, store: Store) -> Succession:
        """The log keys of a whole log. Raises ``Failed``: ``log_key``, ``log_broken``."""
        succession = cls(first)
        for entry in store.of_kinds(_KINDS):
            succession.take(_event(entry))
        return succession

    def take(self, event: Event) -> None:
        """Follows one event of the log.

        Raises:
            Failed: ``log_key``: a log key without right.

        """
        match event:
            case KeyAdded(purpose="log", key=key, line=line):
                self._lines[key] = _ed25519(key, line)
            case KeyActivated(purpose="log", key=key, endorsement=endorsement):
                self._turn(key, endorsement)
            case _:
                pass

    def _turn(self, key: str, endorsement: str | None) -> None:
        new = self._lines.get(key)
        if new is None:
            raise Failed("log_key", f"the log key {key} was never added")
        if not self._turns and new != self._first:
            raise Failed("log_key", f"the log begins with {key}, but {self._first.fingerprint} is its first key")
        if self._turns:
            try:
                sshsig.verify(endorsement or "", self._turns[-1], NAMESPACE, new.line.encode("ascii"))
            except SshJitError:
                raise Failed("log_key", f"the log key {key} is not endorsed by the one before it") from None
        self._turns.append(new)

    @property
    def turns(self) -> tuple[PublicKey, ...]:
        """The keys that had their turn, the newest last."""
        return tuple(self._turns or [self._first])

    @property
    def current(self) -> PublicKey:
        """The key that signs at this place of the log."""
        return self._turns[-1] if self._turns else self._first

    def verified(self, note: str) -> Checkpoint:
        """The checkpoint of a note that one of these keys signed.

        Raises:
            Failed: ``bad_checkpoint``; ``log_rolled_back`` for one that none of them signed.
            Invalid: as ``sshjit.checkpoint``, for what is no checkpoint.

        """
        problem: Invalid | None = None
        for key in reversed(self._turns or [self._first]):
            try:
                return verified(note, raw(key))
            except Invalid as error:
                problem = problem or error
        assert problem is not None  # noqa: S101 - there is at least one key
        if problem.code != "unsigned_checkpoint":
            raise problem
        raise Failed(
            "log_rolled_back",
            "a checkpoint is signed by a key that this log does not know",
            hint="this database is an older copy, or another log's",
        )


def _event(entry: Entry) -> Event:
    event = entries.read(entry)
    if event is None:
        raise Failed("log_broken", f"the log is broken at entry {entry.index}", hint="ssh-jit-ca log verify")
    return event


def raw(key: PublicKey) -> bytes:
    """The 32 bytes of an Ed25519 public key."""
    return key.blob[-32:]


def verified(note: str, public: bytes) -> Checkpoint:
    """The checkpoint of a note, once its signature by the key ``public`` was checked.

    Raises:
        Failed: ``bad_checkpoint``.
        Invalid: as ``sshjit.checkpoint.parse_note``.

    """
    point, signature = checkpoint.parse_note(note, public)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, point.text.encode("ascii"))
    except InvalidSignature:
        raise Failed("bad_checkpoint", "the checkpoint's signature is not by the log's key") from None
    return point


def _ed25519(key: str, line: str) -> PublicKey:
    try:
        parsed = sshkey.parse_line(line)
    except Invalid:
        parsed = None
    if parsed is None or parsed.type != sshkey.ED25519 or parsed.fingerprint != key:
        raise Failed("log_key", f"the log key {key} is not the Ed25519 key that its entry says")
    return parsed
