"""The CA's database: entries go in by whole batches, each with the checkpoint over it, or not at all.

Only one writer counts: it owns the epoch in ``head``, and a batch by any other is refused in the same transaction that
would have written it. Which databases there are is ``database.py``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from sshjit.entries import Entry
from sshjit.errors import Failed, Invalid
from sshjit_ca.storage.database import is_full, open_engine, reason, what_to_do
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

    def __init__(self, address: str, *, read_only: bool = False) -> None:
        self._engine = open_engine(address, read_only=read_only)
        self._batches = open_engine(address, read_only=read_only)  # its one connection keeps the pages it wrote
        self._inserting = InsertStatement(self._engine.dialect)

    def migrate(self) -> None:
        """Brings the schema up to date.

        Raises:
            Failed: ``no_database``.

        """
        from sshjit_ca.storage import migration  # noqa: PLC0415 - a quarter of a second that only this needs

        try:
            migration.migrate(self._engine)
        except SQLAlchemyError as error:
            raise _unreadable(error) from None

    def is_current(self) -> bool:
        """Whether the schema is up to date. Raises ``Failed``: ``no_database``."""
        from sshjit_ca.storage import migration  # noqa: PLC0415 - as above

        try:
            return migration.is_current(self._engine)
        except SQLAlchemyError as error:
            raise _unreadable(error) from None

    def settings(self, names: Sequence[str]) -> dict[str, str]:
        """Settings of a PostgreSQL server that decide whether a commit is durable; none for SQLite."""
        if self._engine.dialect.name == "sqlite":
            return {}
        with self._engine.connect() as connection:
            shown = {name: connection.execute(sa.text(f"SHOW {name}")).scalar() for name in names}
        return {name: str(value) for name, value in shown.items()}

    def head(self) -> Head | None:
        """The head, or ``None`` before the first entry.

        Raises:
            Failed: ``no_database``, when this is not a database of the CA.

        """
        try:
            with self._engine.connect() as connection:
                row = connection.execute(sa.select(head)).one_or_none()
        except SQLAlchemyError as error:
            raise _unreadable(error) from None
        return None if row is None else Head(row.epoch, row.size, row.checkpoint, row.holder, row.beat)

    def take_over(self, old: Head | None, epoch: int, holder: str = "") -> None:
        """Makes ``epoch`` the one that may write; another writer that did so first wins.

        Raises:
            Failed: ``fenced``, or ``not_signing`` when the database does not take it.

        """
        try:
            with self._engine.begin() as connection:
                if old is None:
                    new = {"id": 1, "epoch": epoch, "size": 0, "checkpoint": "", "holder": holder}
                    connection.execute(sa.insert(head).values(new))
                    return
                mine = sa.update(head).where(head.c.epoch == old.epoch)
                taken = connection.execute(mine.values(epoch=epoch, holder=holder))
                if taken.rowcount != 1:
                    raise fenced()
        except IntegrityError:
            raise fenced() from None
        except SQLAlchemyError as error:
            raise _unwritten(error) from None

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
        try:
            with self._engine.begin() as connection:
                marked = connection.execute(sa.update(head).where(head.c.epoch == epoch).values(values))
        except SQLAlchemyError as error:
            raise _unwritten(error) from None
        if marked.rowcount != 1:
            raise fenced()

    def commit(self, rows: Sequence[Row], epoch: int, checkpoint: str, texts: Sequence[tuple[str, str]] = ()) -> None:
        """Writes a batch, its checkpoint, and policy texts (digest, text) that it names; durable on return.

        Raises:
            Failed: ``fenced``; ``disk_full``, ``not_signing`` when the database does not take it. Nothing was written.

        """
        first, end = rows[0].entry.index, rows[-1].entry.index + 1
        try:
            with self._batches.begin() as connection:
                written = connection.execute(_ADVANCE, {"writer": epoch, "from": first, "to": end, "note": checkpoint})
                if written.rowcount != 1:
                    raise fenced()
                for digest, text in texts:
                    if not connection.execute(sa.select(policies).where(policies.c.digest == digest)).first():
                        connection.execute(sa.insert(policies).values(digest=digest, text=text))
                self._inserting.insert(connection, rows)
        except SQLAlchemyError as error:
            raise _unwritten(error) from None

    @property
    def engine(self) -> sa.Engine:
        """For what reads (``log/pages.py``) and keeps (``log/snapshots.py``) beside the log."""
        return self._engine

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
        with self._engine.connect() as connection:
            text = connection.execute(sa.select(policies.c.text).where(policies.c.digest == digest)).scalar()
        if not isinstance(text, str):
            raise Invalid("unknown_policy", f"no policy with the digest {digest[:64]!r} was ever in force here")
        return text

    def close(self) -> None:
        """Closes every connection."""
        self._batches.dispose()
        self._engine.dispose()

    def select(self, query: sa.Select[Any], *, newest_first: bool, limit: int) -> list[Row]:
        """The rows of a query over ``entries``, by number.

        Raises:
            Failed: ``database_broken``.

        """
        number = entries.c.number
        ordered = query.order_by(number.desc() if newest_first else number).limit(limit)
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(ordered).all()
        except SQLAlchemyError as error:
            why = reason(error)
            raise Failed("database_broken", f"the log cannot be read: {why}", hint=what_to_do(why, "")) from None
        return [
            Row(Entry(number, time, kind, fact, detail, salt), leaf, subject, request)
            for number, time, kind, fact, leaf, detail, salt, subject, request in rows
        ]

    def policy_texts(self) -> list[tuple[str, str]]:
        """Every policy text that ever decided, with the digest it is kept under."""
        with self._engine.connect() as connection:
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


def _unreadable(error: SQLAlchemyError) -> Failed:
    why = reason(error)
    hint = what_to_do(why, "is it running, and is its schema up to date? ssh-jit-ca migrate")
    return Failed("no_database", f"the CA's database cannot be read: {why}", hint=hint)


def _unwritten(error: SQLAlchemyError) -> Failed:
    why = reason(error)
    code = "disk_full" if is_full(why) else "not_signing"
    return Failed(code, f"the log cannot be written: {why}; nothing was signed", hint="ssh-jit-ca doctor")
