"""The frozen log of release 0.1.0 (``tests/vectors/log-0.1``), and how it is put into a database.

The files are what that release left on a disk; ``tests/vectors/make_0_1.py.txt`` says how they were made. The CA's keys
come out of texts, so that a CA of today can go on with it (``frozen_ca.py``).
"""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sshjit import merkle, wire
from sshjit.entries import Entry
from sshjit.sshkey import PublicKey, parse_line
from sshjit_ca.storage import schema
from sshjit_ca.storage.rows import InsertStatement, Row
from sshjit_ca.storage.store import Store

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "log-0.1"
SEED = "log-0.1"
"""With which the text of each derived key begins."""
FIRST_KEY: PublicKey = parse_line((FOLDER / "log.pub").read_text())
"""The log's first public key: where every verification begins."""


@cache
def expected() -> dict[str, Any]:
    """What release 0.1.0 made of the log, at the time of its end (``now``)."""
    found: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text())
    return found


@cache
def rows() -> tuple[Row, ...]:
    """The entries as they are stored, in order."""
    return tuple(_row(json.loads(line)) for line in (FOLDER / "entries.jsonl").read_text().splitlines())


def _row(line: dict[str, Any]) -> Row:
    fact, detail, salt = line["fact"].encode(), line["detail"], line["salt"]
    entry = Entry(
        index=line["index"],
        time=line["time"],
        kind=line["kind"],
        fact=fact,
        detail=None if detail is None else detail.encode(),
        salt=None if salt is None else bytes.fromhex(salt),
    )
    return Row(entry, merkle.leaf_hash(fact), line["subject"], line["request"])


def fill(store: Store) -> None:
    """Puts the frozen log into an empty, migrated database."""
    head = json.loads((FOLDER / "head.json").read_text())
    with store.engine.begin() as connection:
        InsertStatement(connection.dialect).insert(connection, rows())
        note = (FOLDER / "checkpoint").read_text()
        connection.execute(sa.insert(schema.head).values(id=1, checkpoint=note, **head))
        for path in sorted((FOLDER / "policies").iterdir()):
            connection.execute(sa.insert(schema.policies).values(digest=path.stem, text=path.read_text()))
        for each in json.loads((FOLDER / "snapshots.json").read_text()):
            name = str(each["size"])
            values = {
                "size": each["size"],
                "fold": each["fold"],
                "tiles": bytes.fromhex(each["tiles"]),
                "state": zlib.compress((FOLDER / "snapshots" / f"{name}.json").read_bytes()),
                "note": (FOLDER / "snapshots" / f"{name}.note").read_text(),
            }
            connection.execute(sa.insert(schema.snapshots).values(values))


def includes(newer: Any, older: Any) -> bool:
    """Whether everything of ``older`` is in ``newer``, which may have more fields."""
    if isinstance(older, dict):
        return isinstance(newer, dict) and all(name in newer and includes(newer[name], older[name]) for name in older)
    if isinstance(older, list):
        return (
            isinstance(newer, list)
            and len(newer) == len(older)
            and all(includes(one, two) for one, two in zip(newer, older, strict=True))
        )
    return bool(newer == older)


def as_json(value: Any) -> Any:
    """A record, or a list of them, as it travels."""
    return json.loads(json.dumps(wire.encode(value)))
