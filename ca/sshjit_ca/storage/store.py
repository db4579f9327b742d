"""The CA's database: entries go in by whole batches, each with the checkpoint over it, or not at all.

Only one writer counts: it owns the epoch in ``head``, and a batch by any other is refused in the same transaction that
would have written it. Which databases there are is ``database.py``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from sshjit.entries import Entry
from sshjit.errors import Failed, Invalid
from sshjit_ca.storage import limits
from sshjit_ca.storage.database import open_engine, sqlite_file
from sshjit_ca.storage.guard import Guard
from sshjit_ca.storage.limits import PATIENT, Limits
from sshjit_ca.storage.rows import InsertStatement, Row
from sshjit_ca.storage.schema import entries, head, policies

__all__ = ["Head", "Row", "Store"]

MANY = 2**31
PAGE = 1000
"""Entries that are read at once."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest signed checkpoint, the log's size under it, and the writer's epoch.

    ``holder`` says which process writes, empty when none does; ``beat`` rises while it lives (``service/standby.py``).
    """

    epoch: int
    size: int
    checkpoint: str
    holder: str = ""
    beat: int = 0


_ADVANCE = (
    sa.update(head)
    .where(head.c.epoch == sa.bindparam("writer"), head.c.size == sa.bindparam("from"))
    .values(size=sa.bindparam("to"), checkpoint=sa.bindparam("note"))
)


class Store:
    """An open database."""

    def __init__(self, address: str, *, read_only: bool = False, bounds: Limits = PATIENT) -> None:
        """``bounds``: how long it may take; the running CA has ``limits.SERVING``."""
        self._engine = open_engine(address, read_only=read_only, bounds=bounds)
        self._batches = open_engine(address, read_only=read_only, bounds=bounds)
        # the one connection of the second keeps the pages that it wrote
        self._guard = Guard(self._engine, bounds)
        self._file = sqlite_file(address)
        self._opened = self._identity()
        self._inserting = InsertStatement(self._engine.dialect)

    def _identity(self) -> tuple[int, int] | None:
        """Which file an SQLite database is; ``None`` of a server's, or where there is none."""
        try:
            status = None if self._file is None else self._file.stat()
        except OSError:
            return None
        return None if status is None else (status.st_dev, status.st_ino)

    def _require_same_file(self) -> None:
        """What is written into a file that was set aside is lost: ``restore`` or a move put another one in its place.

        Raises:
            Failed: ``fenced``.

        """
        now = self._identity()
        if self._opened is None:
            self._opened = now  # it is being made
        elif now != self._opened:
            text = "the database's file was moved away or replaced; this CA no longer signs"
            raise Failed("fenced", text, hint="restart it, and it reads what is there now")

    def follow_the_file(self) -> None:
        """Reads from what is at the address now, if another file was put there meanwhile. Does nothing for a server.

        Raises:
            Failed: ``no_database``: there is no file any more, and none is made.

        """
        if self._file is None or (now := self._identity()) == self._opened:
            return
        if now is None:
            hint = "was it moved, or is it being restored? ssh-jit-ca doctor"
            raise Failed("no_database", f"there is no database at {self._file} any more", hint=hint)
        self._engine.dispose()
        self._batches.dispose()
        self._opened = now

    def migrate(self) -> None:
        """Brings the schema up to date.

        Raises:
            Failed: ``no_database``.

        """
        from sshjit_ca.storage import migration  # noqa: PLC0415 - a quarter of a second that only this needs

        with self.reading("no_database") as connection, connection.begin():
            migration.migrate(connection)

    def is_current(self) -> bool:
        """Whether the schema is up to date. Raises ``Failed``: ``no_database``."""
        from sshjit_ca.storage import migration  # noqa: PLC0415 - as above

        with self.reading("no_database") as connection:
            return migration.is_current(connection)

    def settings(self, names: Sequence[str]) -> dict[str, str]:
        """Settings of a PostgreSQL server that decide whether a commit is durable; none for SQLite."""
        if self._engine.dialect.name == "sqlite":
            return {}
        with self.reading("no_database") as connection:
            shown = {name: connection.execute(sa.text(f"SHOW {name}")).scalar() for name in names}
        return {name: str(value) for name, value in shown.items()}

    def head(self) -> Head | None:
        """The head, or ``None`` before the first entry.

        Raises:
            Failed: ``no_database``, when this is not a database of the CA.

        """
        with self.reading("no_database") as connection:
            row = connection.execute(sa.select(head)).one_or_none()
        return None if row is None else Head(row.epoch, row.size, row.checkpoint, row.holder, row.beat)

    def take_over(self, old: Head | None, epoch: int, holder: str = "") -> None:
        """Makes ``epoch`` the one that may write; another writer that did so first wins.

        Raises:
            Failed: ``fenced``, or ``not_signing`` when the database does not take it.

        """
        self._require_same_file()
        with self.writing() as connection:
            if old is None:
                new = {"id": 1, "epoch": epoch, "size": 0, "checkpoint": "", "holder": holder}
                try:
                    connection.execute(sa.insert(head).values(new))
                except IntegrityError:
                    raise fenced() from None
                return
            mine = sa.update(head).where(head.c.epoch == old.epoch)
            taken = connection.execute(mine.values(epoch=epoch, holder=holder))
            if taken.rowcount != 1:
                raise fenced()

    def beat(self, epoch: int) -> None:
        """Shows that the writer lives, and tells it if it is the writer no more.

        Raises:
            Failed: ``fenced``, or ``not_signing`` when the database does not take it.

        """
        self._mark(epoch, beat=head.c.beat + 1)

    def release(self, epoch: int) -> None:
        """Says that the writer of ``epoch`` stops; the next one need not wait. Raises as ``beat`` does."""
        self._mark(epoch, holder="")

    def _mark(self, epoch: int, **values: Any) -> None:
        self._require_same_file()
        with self.writing(seconds=limits.BEAT) as connection:
            marked = connection.execute(sa.update(head).where(head.c.epoch == epoch).values(values))
        if marked.rowcount != 1:
            raise fenced()

    def commit(self, rows: Sequence[Row], epoch: int, checkpoint: str, texts: Sequence[tuple[str, str]] = ()) -> None:
        """Writes a batch, its checkpoint, and policy texts (digest, text) that it names; durable on return.

        Raises:
            Failed: ``fenced``; ``disk_full``, ``not_signing``, ``database_silent`` when the database does not take it:
                nothing was written; ``outcome_unknown`` when it did not say so any more.

        """
        first, end = rows[0].entry.index, rows[-1].entry.index + 1
        self._require_same_file()
        with self._guard.write(self._batches) as connection:
            written = connection.execute(_ADVANCE, {"writer": epoch, "from": first, "to": end, "note": checkpoint})
            if written.rowcount != 1:
                raise self._overtaken(connection, epoch)
            for digest, text in texts:
                if not connection.execute(sa.select(policies).where(policies.c.digest == digest)).first():
                    connection.execute(sa.insert(policies).values(digest=digest, text=text))
            self._inserting.insert(connection, rows)

    @staticmethod
    def _overtaken(connection: sa.Connection, epoch: int) -> Failed:
        """Who wrote instead: another CA, or a batch of our own that had been given up and came through later."""
        ours = connection.execute(sa.select(head.c.id).where(head.c.epoch == epoch)).first()
        return late() if ours else fenced()

    @property
    def engine(self) -> sa.Engine:
        """For those who see to limits and errors themselves."""
        return self._engine

    @property
    def silent(self) -> Failed | None:
        """What is wrong, while the database does not answer; nothing waits for it then."""
        return self._guard.silent

    def reading(
        self, code: str = "database_broken", *, seconds: float | None = None
    ) -> AbstractContextManager[sa.Connection]:
        """A connection to read by, for ``seconds`` at most. Raises ``Failed``: ``database_silent``, ``code``."""
        return self._guard.read(code, seconds=seconds)

    def writing(self, *, seconds: float | None = None) -> AbstractContextManager[sa.Connection]:
        """A transaction, durable after the block. Raises ``Failed`` as ``commit`` does."""
        return self._guard.write(seconds=seconds)

    def rows(self, first: int = 0, end: int | None = None) -> Iterator[Row]:
        """The entries from ``first`` to before ``end``, in order, with what is kept beside them."""
        below = sa.true() if end is None else entries.c.number < end
        while True:
            query = sa.select(entries).where(entries.c.number >= first, below)
            page = self.select(query, newest_first=False, limit=PAGE)
            yield from page
            if len(page) < PAGE:
                return
            first = page[-1].entry.index + 1

    def page(self, *, before: int | None, limit: int, subject: str | None = None) -> list[Entry]:
        """Up to ``limit`` entries, newest first, below ``before``; only those about ``subject`` if one is given."""
        query = sa.select(entries)
        if before is not None:
            query = query.where(entries.c.number < before)
        if subject is not None:
            query = query.where(entries.c.subject == subject)
        return [row.entry for row in self.select(query, newest_first=True, limit=limit)]

    def of_kinds(self, kinds: Sequence[str]) -> list[Entry]:
        """All entries of some kinds, in order; for those of which there are few.

        Raises:
            Failed: ``database_broken``.

        """
        query = sa.select(entries).where(entries.c.kind.in_(kinds))
        return [row.entry for row in self.select(query, newest_first=False, limit=MANY)]

    def policy_text(self, digest: str) -> str:
        """The policy with this digest.

        Raises:
            Invalid: ``unknown_policy``.

        """
        with self.reading() as connection:
            text = connection.execute(sa.select(policies.c.text).where(policies.c.digest == digest)).scalar()
        if not isinstance(text, str):
            raise Invalid("unknown_policy", f"no policy with the digest {digest[:64]!r} was ever in force here")
        return text

    def close(self) -> None:
        """Closes every connection."""
        self._guard.close()
        self._batches.dispose()
        self._engine.dispose()

    def select(self, query: sa.Select[Any], *, newest_first: bool, limit: int) -> list[Row]:
        """The rows of a query over ``entries``, by number.

        Raises:
            Failed: ``database_broken``.

        """
        number = entries.c.number
        ordered = query.order_by(number.desc() if newest_first else number).limit(limit)
        with self.reading() as connection:
            rows = connection.execute(ordered).all()
        return [
            Row(Entry(number, time, kind, fact, detail, salt), leaf, subject, request)
            for number, time, kind, fact, leaf, detail, salt, subject, request in rows
        ]

    def policy_texts(self) -> list[tuple[str, str]]:
        """Every policy text that ever decided, with the digest it is kept under."""
        with self.reading() as connection:
            return [(row.digest, row.text) for row in connection.execute(sa.select(policies))]

    def sound(self) -> str:
        """What the database itself finds wrong with its file; empty when nothing, or when it cannot look."""
        if self._engine.dialect.name != "sqlite":
            return ""
        with self._engine.connect() as connection:
            said = str(connection.execute(sa.text("PRAGMA quick_check(1)")).scalar())
        return "" if said == "ok" else said


def fenced() -> Failed:
    """What a writer hears that is the writer no more."""
    return Failed(
        "fenced",
        "another CA process has taken over the log; this one no longer signs",
        hint="restart it, and it stands by until the other has ended",
    )


def late() -> Failed:
    """What a writer hears whose own earlier batch was written after all; the log must be read again."""
    return Failed("not_signing", "an earlier batch came through late; nothing of this one was signed", hint="try again")
