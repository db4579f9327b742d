"""The tables of the CA's database.

``entries`` is the log and the only truth; ``leaf`` in it is the hash of the fact (so that ``log verify`` can say where
a fact was changed), ``subject`` and ``request`` are there to find a person's entries by.
``head`` holds the newest signed checkpoint and the epoch of the one writer; ``policies`` every policy text that ever
decided, by digest.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, SmallInteger, String, Table, Text

metadata = MetaData()

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
)

head = Table(
    "head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("checkpoint", Text, nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("text", Text, nullable=False),
)
