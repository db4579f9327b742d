"""The tables of the CA's database.

``entries`` is the log and the only truth; ``leaf`` in it is the hash of the fact (so that ``log verify`` can say where
a fact was changed), ``subject`` and ``request`` are there to find entries by.
``head`` holds the newest signed checkpoint and the epoch of the one writer, who that is, and a beat that goes on while
it lives; ``policies`` every policy text that ever decided, by digest.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

BUT_CERTIFICATES = text("kind <> 'certificate'")
"""Which entries are found by their request. Certificates, of which there are the most, are found by whose they are:
each index more writes a page of its own for every one, and that is a twentieth of what it costs."""

entries = Table(
    "entries",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("fact", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("detail", LargeBinary),
    Column("salt", LargeBinary),
    Column("subject", String(64)),
    Column("request", String(64)),
    Index("entries_subject", "subject", "number"),
    Index("entries_request", "request", "number", sqlite_where=BUT_CERTIFICATES, postgresql_where=BUT_CERTIFICATES),
    Index("entries_kind", "kind", "number"),
)

head = Table(
    "head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("checkpoint", Text, nullable=False),
    Column("holder", String(200), nullable=False, server_default=""),
    Column("beat", BigInteger, nullable=False, server_default="0"),
)

policies = Table(
    "policies",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("text", Text, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("fold", Integer, nullable=False),
    Column("tiles", LargeBinary, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
)
