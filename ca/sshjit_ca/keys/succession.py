"""By which right a log key followed another.

A log is believed because of one public key that was written down outside it when the CA was made. Each later log key
is endorsed by the one before it, in the log itself: who can write the database, but does not hold the key, cannot put
another in its place.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sshjit import checkpoint, entries, sshkey
from sshjit.checkpoint import Checkpoint
from sshjit.entries import Entry
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit.events import KINDS, Event, KeyActivated, KeyAdded
from sshjit.lineage import MAX_TURNS, Turn
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
        self._endorsements: list[str] = []
        self._retired_at: list[int] = []
        """Of each turn but the newest: the entry that ended it, and so the most entries that its key signed over."""

    @classmethod
    def of(cls, first: PublicKey, store: Store) -> Succession:
        """The log keys of a whole log. Raises ``Failed``: ``log_key``, ``log_broken``."""
        succession = cls(first)
        for entry in store.of_kinds(_KINDS):
            succession.take(_event(entry), entry.index)
        return succession

    def take(self, event: Event, index: int) -> None:
        """Follows one event of the log, the entry ``index``.

        Raises:
            Failed: ``log_key``: a log key without right.

        """
        match event:
            case KeyAdded(purpose="log", key=key, line=line):
                self._lines[key] = _ed25519(key, line)
            case KeyActivated(purpose="log", key=key, endorsement=endorsement):
                self._turn(key, endorsement, index)
            case _:
                pass

    def _turn(self, key: str, endorsement: str | None, index: int) -> None:
        new = self._lines.get(key)
        if new is None:
            raise Failed("log_key", f"the log key {key} was never added")
        if not self._turns and new != self._first:
            raise Failed("log_key", f"the log begins with {key}, but {self._first.fingerprint} is its first key")
        if self._turns:
            if not _endorsed(new, endorsement or "", self._turns[-1]):
                raise Failed("log_key", f"the log key {key} is not endorsed by the one before it")
            self._retired_at.append(index)
        self._turns.append(new)
        self._endorsements.append(endorsement or "")

    @property
    def turns(self) -> tuple[PublicKey, ...]:
        """The keys that had their turn, the newest last."""
        return tuple(self._turns or [self._first])

    @property
    def current(self) -> PublicKey:
        """The key that signs at this place of the log."""
        return self._turns[-1] if self._turns else self._first

    @property
    def lineage(self) -> tuple[Turn, ...]:
        """The newest keys that followed another, as they are told beside a checkpoint."""
        turns = map(Turn, (key.line for key in self._turns[1:]), self._endorsements[1:])
        return tuple(turns)[-MAX_TURNS:]

    def followers(self, turns: Iterable[Turn]) -> tuple[PublicKey, ...]:
        """Keys that this log does not know, of which it is shown that they followed one of its own.

        Each is endorsed by the one before it, and the first of them by a key of this log: only a log that went on from
        here, or from an earlier place, can have them. What is not shown is left out.
        """
        known, shown = {*self.turns}, list[PublicKey]()
        before: PublicKey | None = None
        for turn in turns:
            try:
                key = sshkey.parse_line(turn.line)
            except SshJitError:
                break
            if key not in known:
                givers = self.turns if before is None else (before,)
                if key.type != sshkey.ED25519 or not any(_endorsed(key, turn.endorsement, giver) for giver in givers):
                    break
                shown.append(key)
            before = key
        return tuple(shown)

    def verified(self, note: str) -> Checkpoint:
        """The checkpoint of a note that one of these keys signed, while it had its turn.

        Raises:
            Failed: ``bad_checkpoint``; ``log_rolled_back`` for one that none of them signed, or one that signed over
                more than the log had when the next one followed.
            Invalid: as ``sshjit.checkpoint``, for what is no checkpoint.

        """
        turns, problem = self.turns, None
        for number in reversed(range(len(turns))):
            try:
                point = verified(note, raw(turns[number]))
            except Invalid as error:
                problem = problem or error
            else:
                self._require_its_turn(number, point)
                return point
        assert problem is not None  # noqa: S101 - there is at least one key
        if problem.code != "unsigned_checkpoint":
            raise problem
        raise Failed(
            "log_rolled_back",
            "a checkpoint is signed by a key that this log does not know",
            hint="this database is an older copy, or another log's",
        )

    def _require_its_turn(self, number: int, point: Checkpoint) -> None:
        """Whoever gets hold of a key that signs no more can sign nothing that is newer than its last turn."""
        key = self.turns[number]
        ends = [end for turn, end in zip(self._turns, self._retired_at, strict=False) if turn == key]
        if key != self.current and point.size > max(ends):
            raise Failed(
                "log_rolled_back",
                f"a checkpoint over {point.size} entries is signed by a log key whose turn ended at {max(ends)}",
                hint="this database is an older copy, or somebody has a key that was retired",
            )


def _endorsed(key: PublicKey, endorsement: str, by: PublicKey) -> bool:
    """Whether a log key's line was signed by another key, as one that follows it."""
    try:
        sshsig.verify(endorsement, by, NAMESPACE, key.line.encode("ascii"))
    except SshJitError:
        return False
    return True


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
