"""The tables of the front end's database; ``migrations/versions`` makes them.

``store.py`` writes the first two, ``drafts.py`` the third, ``shared_memory.py`` the fourth, ``notify/ledger.py`` the
others.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("login_id", String(64), nullable=False),
    Column("created", Integer, nullable=False),
    Column("expires", Integer, nullable=False),
    Column("seen", Integer, nullable=False),
    Index("sessions_expires", "expires"),
    Index("sessions_login", "login_id"),
)
SIGN_INS = Table(
    "sign_ins",
    METADATA,
    Column("state_hash", String(64), primary_key=True),
    Column("browser_hash", String(64), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("target", String(512), nullable=False),
    Column("expires", Integer, nullable=False),
    Index("sign_ins_expires", "expires"),
)
"""States of sign-ins that got their answer, until they expire."""
DRAFTS = Table(
    "drafts",
    METADATA,
    Column("id_hash", String(64), primary_key=True),
    Column("browser_hash", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("content", Text, nullable=False),
    Column("expires", Integer, nullable=False),
    Index("drafts_browser", "browser_hash"),
    Index("drafts_expires", "expires"),
)
"""What somebody typed before they had to sign in."""
KEPT = Table(
    "kept",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
)
"""What all front ends of this database know together, by name."""

NOTIFIER = Table(
    "notifier",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("holder", String(64), nullable=False),
    Column("lease", BigInteger, nullable=False),
)
"""One row: how far the log was read, and which process does the work until when."""

NOTICES = Table(
    "notices",
    METADATA,
    Column("thing", String(160), primary_key=True),
    Column("topic", String(16), nullable=False),
    Column("request", String(64), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("words", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("notices_created", "created"),
)
"""What is said of a thing, once for all who hear of it."""

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("thing", String(160), nullable=False),
    Column("topic", String(16), nullable=False),
    Column("request", String(64), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("recipient", String(320), nullable=False),
    Column("state", String(8), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_try", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("claimed", String(64), nullable=False),
    Column("last_error", String(256), nullable=False),
    Index("deliveries_state", "state", "channel", "next_try"),
    Index("deliveries_request", "request"),
    Index("deliveries_thing", "thing", "channel", "recipient", unique=True),
)
"""One copy for one recipient over one channel. ``id`` is a digest of these three."""

NAGS = Table(
    "nags",
    METADATA,
    Column("request", String(64), primary_key=True),
    Column("step", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("item", Text, nullable=False),
    Index("nags_due", "due"),
)
"""Broken glass that nobody has looked at yet, and when to say so again."""
