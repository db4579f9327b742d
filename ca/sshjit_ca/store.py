"""The CA's database: entries go in by whole batches, each with the checkpoint over it, or not at all.

SQLite (WAL, every commit synced) or whatever the address in ``ca.toml`` names. Only one writer counts: it owns the
epoch in ``head``, and a batch by any other is refused in the same transaction that would have written it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from sshjit.entries import Entry
from sshjit.errors import Failed, Invalid
from sshjit_ca.schema import entries, head, policies

PAGE = 1000
"""Entries that are read at once."""


@dataclass(frozen=True, slots=True)
class Row:
    """An entry and the indexes kept beside it."""

    entry: Entry
    leaf: bytes
    subject: str | None
    request: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """The newest signed checkpoint, the log's size under it, and the writer's epoch."""

    epoch: int
    size: int
    checkpoint: str


class Store:
    """An open database."""

    def __init__(self, address: str, *, read_only: bool = False) -> None:
        self._engine = sa.create_engine(address)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _read_only if read_only else _durable)

    def migrate(self) -> None:
        """Brings the schema up to date. Alembic is loaded here only: nothing else needs it."""
        from alembic import command  # noqa: PLC0415 - a quarter of a second that only this needs
        from alembic.config import Config  # noqa: PLC0415

        settings = Config()
        settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._engine.begin() as connection:
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")

    def head(self) -> Head | None:
        """The head, or ``None`` before the first entry.

        Raises:
            Failed: ``no_database``, when this is not a database of the CA.

        """
        try:
            with self._engine.connect() as connection:
                row = connection.execute(sa.select(head)).one_or_none()
        except SQLAlchemyError as error:
            raise Failed("no_database", f"the CA's database cannot be read: {_reason(error)}") from None
        return None if row is None else Head(row.epoch, row.size, row.checkpoint)

    def take_over(self, old: Head | None, epoch: int) -> None:
        """Makes ``epoch`` the one that may write; another writer that did so first wins.

        Raises:
            Failed: ``fenced``.

        """
        with self._engine.begin() as connection:
            if old is None:
                connection.execute(sa.insert(head).values(id=1, epoch=epoch, size=0, checkpoint=""))
                return
            taken = connection.execute(sa.update(head).where(head.c.epoch == old.epoch).values(epoch=epoch))
            if taken.rowcount != 1:
                raise _fenced()

    def commit(self, rows: Sequence[Row], epoch: int, checkpoint: str, texts: Sequence[tuple[str, str]] = ()) -> None:
        """Writes a batch, its checkpoint, and policy texts (digest, text) that it names; durable on return.

        Raises:
            Failed: ``fenced``, or ``not_signing`` when the database does not take it; then nothing was written.

        """
        size = rows[-1].entry.index + 1
        try:
            with self._engine.begin() as connection:
                written = connection.execute(
                    sa.update(head)
                    .where(head.c.epoch == epoch, head.c.size == rows[0].entry.index)
                    .values(size=size, checkpoint=checkpoint)
                )
                if written.rowcount != 1:
                    raise _fenced()
                for digest, text in texts:
                    if not connection.execute(sa.select(policies).where(policies.c.digest == digest)).first():
                        connection.execute(sa.insert(policies).values(digest=digest, text=text))
                connection.execute(sa.insert(entries), [_columns(row) for row in rows])
        except SQLAlchemyError as error:
            raise Failed("not_signing", f"the log cannot be written: {_reason(error)}; nothing was signed") from None

    def rows(self, first: int = 0) -> Iterator[Row]:
        """All entries from ``first`` on, in order, with what is kept beside them."""
        while True:
            page = self._select(sa.select(entries).where(entries.c.number >= first), newest_first=False, limit=PAGE)
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
        return [row.entry for row in self._select(query, newest_first=True, limit=limit)]

    def policy_text(self, digest: str) -> str:
        """The policy with this digest.

        Raises:
            Invalid: ``unknown_policy``.

        """
        with self._engine.connect() as connection:
            text = connection.execute(sa.select(policies.c.text).where(policies.c.digest == digest)).scalar()
        if not isinstance(text, str):
            raise Invalid("unknown_policy", f"no policy with the digest {digest[:64]!r} ever decided here")
        return text

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    def _select(self, query: sa.Select[Any], *, newest_first: bool, limit: int) -> list[Row]:
        number = entries.c.number
        ordered = query.order_by(number.desc() if newest_first else number).limit(limit)
        try:
            with self._engine.connect() as connection:
                found = connection.execute(ordered).all()
        except SQLAlchemyError as error:
            raise Failed("database_broken", f"the log cannot be read: {_reason(error)}") from None
        return [
            Row(
                Entry(row.number, row.time, row.kind, row.fact, row.detail, row.salt),
                row.leaf,
                row.subject,
                row.request,
            )
            for row in found
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
            said = str(connection.execute(sa.text("PRAGMA integrity_check(1)")).scalar())
        return "" if said == "ok" else said


def _columns(row: Row) -> dict[str, Any]:
    entry = row.entry
    return {
        "number": entry.index,
        "time": entry.time,
        "kind": entry.kind,
        "fact": entry.fact,
        "leaf": row.leaf,
        "detail": entry.detail,
        "salt": entry.salt,
        "subject": row.subject,
        "request": row.request,
    }


def _fenced() -> Failed:
    return Failed("fenced", "another CA process has taken over the log; this one signs nothing any more")


def _reason(error: SQLAlchemyError) -> str:
    """What the database said, on one line and without the statement."""
    cause = getattr(error, "orig", None) or error
    return str(cause).splitlines()[0][:200]


def _durable(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 5000")


def _read_only(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA query_only = ON")
