"""``ssh-jit-ca log export`` that goes on where it stopped: to a file, to standard output, or to a syslog.

What went out is kept in a cursor, a file that is written durably: before a batch goes out, that it will, and
afterwards, that it has. So whoever ends in the middle loses nothing. A file of ours is cut back to where the cursor
knows it, so that nothing is in it twice; what was sent or printed cannot be taken back, so that batch goes out again,
and that is said. Every line has the number of its entry, by which a receiver knows it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from sshjit.errors import Failed, Invalid, SshJitError
from sshjit_ca.log.export import Format, Reader, require_head
from sshjit_ca.machine import owner, syslog
from sshjit_ca.machine.durable import Folder, write_durably
from sshjit_ca.place_config import parse_syslog
from sshjit_ca.storage.store import Row, Store

BATCH = 500
"""Entries between two writings of the cursor."""
POLL = 1.0
"""Seconds between two looks for new entries."""
MISSING = 5
"""Looks in a row that find no database file: ``restore`` puts another one there in between."""
RETRY = 5.0
"""Seconds until a syslog that is away is tried again."""
MAX_CURSOR = 4096
_ANEW = "begin anew: remove the cursor, and give --from ENTRY and a new file by --output"


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an export is. ``next`` is the first entry that did not go out; before ``sending``, they may have."""

    next: int
    sending: int
    last: str = ""
    """SHA-256 (hex) of the fact of the entry before ``next``, by which the log is known again."""
    size: int = 0
    """Bytes of the output file that belong to what went out."""

    @classmethod
    def read(cls, path: Path) -> Cursor | None:
        """The cursor of a file; ``None``: there is none yet.

        Raises:
            Invalid: ``bad_cursor``.

        """
        try:
            with owner.as_operator():
                text = path.read_bytes()[:MAX_CURSOR]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Invalid("bad_cursor", f"{path} cannot be read: {error.strerror}") from None
        try:
            made = cls(**json.loads(text))
        except (ValueError, TypeError):
            made = None
        if made is None or not all(type(value) is int for value in (made.next, made.sending, made.size)):
            raise Invalid("bad_cursor", f"{path} does not say how far an export is", hint=_ANEW)
        return made

    def write(self, path: Path) -> None:
        """Keeps it durably. Raises ``OSError``."""
        fields = {"next": self.next, "sending": self.sending, "last": self.last, "size": self.size}
        with owner.as_operator():
            write_durably(path, json.dumps(fields).encode())


class Output(Protocol):
    """Where lines go."""

    repeats: bool
    """Whether what went out cannot be taken back."""

    def begin(self, size: int | None) -> None:
        """Goes on behind so many bytes; ``None``: no cursor knows of anything that went out."""

    def put(self, reader: Reader, row: Row) -> None:
        """An entry."""

    def settle(self) -> int:
        """Everything went out, durably as far as that can be; how many bytes there are."""

    def close(self) -> None:
        """Nothing more goes out."""


class Printed:
    """Standard output."""

    repeats = True

    def begin(self, size: int | None) -> None:
        """Nothing is known of what was printed."""

    def put(self, reader: Reader, row: Row) -> None:
        """Prints the line."""
        sys.stdout.write(f"{reader.line(row)}\n")

    def settle(self) -> int:
        """Nobody holds a line back any more."""
        sys.stdout.flush()
        return 0

    def close(self) -> None:
        """It stays open."""


class InFile:
    """A file that only we write."""

    repeats = False

    def __init__(self, path: Path) -> None:
        """Raises ``OSError``; ``ELOOP`` for a link, also on the way, that others could have made."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._path = path
        with owner.as_operator(), Folder.open(path.parent) as folder:
            self._file = os.fdopen(os.open(path.name, flags, 0o600, dir_fd=folder.descriptor), "wb")

    def begin(self, size: int | None) -> None:
        """Cuts off what a cursor does not know. Without a cursor, a file with content is refused.

        Raises:
            Failed: ``output_not_empty``, ``output_shorter``.

        """
        there = self._file.seek(0, os.SEEK_END)
        if size is None:
            if there:
                text = f"{self._path} is not empty, and no cursor says what of it is exported; nothing was changed"
                raise Failed("output_not_empty", text, hint="name a new file by --output, or move this one away")
            return
        if there < size:
            text = f"{self._path} has {there} bytes, and {size} were written"
            raise Failed("output_shorter", text, hint=f"was it moved away? {_ANEW}")
        self._file.truncate(size)
        self._file.seek(size)

    def put(self, reader: Reader, row: Row) -> None:
        """Writes the line."""
        self._file.write(reader.line(row).encode() + b"\n")

    def settle(self) -> int:
        """It is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Closes it."""
        self._file.close()


class Sent:
    """A syslog. ``patient``: one that is away is waited for."""

    repeats = True

    def __init__(self, address: str, *, patient: bool, sleep: Callable[[float], None] = time.sleep) -> None:
        """Raises ``Invalid``: ``bad_address``."""
        self._sender = syslog.Sender(parse_syslog(address))
        self._patient, self._sleep = patient, sleep
        self._batch: list[syslog.Message] = []

    def begin(self, size: int | None) -> None:
        """Nothing is known of what was taken."""

    def put(self, reader: Reader, row: Row) -> None:
        """Keeps the message until the batch is whole: then it can be sent again."""
        self._batch.append(reader.message(row))

    def settle(self) -> int:
        """Sends the batch; from its first message again, if the connection breaks.

        Raises:
            Failed: ``syslog_down``, of one that is not waited for.

        """
        away = False
        while True:
            try:
                for message in self._batch:
                    self._sender.send(message)
            except Failed as error:
                if not self._patient:
                    raise
                if not away:
                    _say(f"waiting: {error.message}; what was sent since the last entry that is known goes out again")
                away = True
                self._sleep(RETRY)
            else:
                self._batch.clear()
                return 0

    def close(self) -> None:
        """Ends the connection."""
        self._sender.close()


@dataclass(frozen=True, slots=True)
class Wish:
    """What is exported. ``first``: from this entry on, unless the cursor knows better."""

    form: Format
    first: int
    cursor: Path | None
    follow: bool


def export(store: Store, wish: Wish, output: Output, sleep: Callable[[float], None] = time.sleep) -> None:
    """Exports entries until there are no more, or for ever.

    Raises:
        Invalid: ``bad_cursor``.
        Failed: ``log_replaced``, ``log_shorter``, ``output_not_empty``, ``output_shorter``, ``syslog_down``,
            ``no_log``, ``no_database``.

    """
    known = None if wish.cursor is None else Cursor.read(wish.cursor)
    cursor = known or Cursor(wish.first, wish.first)
    _require_same_log(store, cursor)
    missing = 0
    if output.repeats and cursor.sending > cursor.next:
        _say(f"the last export ended in the middle: entries {cursor.next} to {cursor.sending - 1} may go out twice")
    output.begin(None if known is None else cursor.size)
    reader = Reader(wish.form)
    at = 0 if reader.needs_all else cursor.next
    while True:
        try:
            store.follow_the_file()
        except Failed:
            if (missing := missing + 1) > MISSING:
                raise
        else:
            missing = 0
            size = _require_same_log(store, cursor)
            while at < size:
                at, cursor = _batch(store, reader, output, cursor, at, size, wish.cursor)
        if not wish.follow:
            return
        sleep(POLL)


def _batch(  # noqa: PLR0917 - one step of ``export``
    store: Store, reader: Reader, output: Output, cursor: Cursor, at: int, size: int, keep: Path | None
) -> tuple[int, Cursor]:
    """Reads the next entries, and lets those go out that did not; where reading goes on, and the cursor after it.

    The last one that went out is read with them, at the same moment: what comes after it is of the same log.
    """
    first = max(0, at - 1)
    rows = list(islice(store.rows(first, min(at + BATCH, size)), BATCH + at - first))
    for row in rows:
        _require_last(row, cursor)
    rows = [row for row in rows if row.entry.index >= at]
    if not rows:
        raise _shorter(at, size)
    end = rows[-1].entry.index + 1
    if end > cursor.next and keep is not None:
        replace(cursor, sending=end).write(keep)
    for row in rows:
        if row.entry.index >= cursor.next:
            output.put(reader, row)
        else:
            reader.line(row)
    if end > cursor.next:
        cursor = Cursor(end, end, _digest(rows[-1]), output.settle())
        if keep is not None:
            cursor.write(keep)
    return end, cursor


def _require_same_log(store: Store, cursor: Cursor) -> int:
    """How long the log is, which must go on from the last entry that went out."""
    size = require_head(store).size
    if not cursor.last:
        return size
    if size < cursor.next:
        raise _shorter(size, cursor.next)
    for row in store.rows(cursor.next - 1, cursor.next):
        _require_last(row, cursor)
    return size


def _require_last(row: Row, cursor: Cursor) -> None:
    if cursor.last and row.entry.index == cursor.next - 1 and _digest(row) != cursor.last:
        text = f"the log is another one than before: entry {cursor.next - 1} is not what it was"
        raise Failed("log_replaced", text, hint=_RESTORED)


def _digest(row: Row) -> str:
    return hashlib.sha256(row.entry.fact).hexdigest()


def _shorter(size: int, known: int) -> SshJitError:
    text = f"the log became shorter: it has {size} entries, and {known} were exported"
    return Failed("log_shorter", text, hint=_RESTORED)


_RESTORED = "was it restored from an older copy? ssh-jit-ca log show --kind restore says where it goes on"


def _say(line: str) -> None:
    sys.stderr.write(f"ssh-jit-ca: {line}\n")
    sys.stderr.flush()
