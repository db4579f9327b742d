"""The frozen log of release 0.1.0 (``tests/vectors/log-0.1``): put into a database, and a CA over it.

The files are what that release left on a disk; ``tests/vectors/make_0_1.py.txt`` says how they were made. The CA's keys
live in an ssh-agent and come out of texts, so that a CA of today can be started on the log and go on with it.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sshjit import merkle, wire
from sshjit.entries import Entry
from sshjit.sshkey import PublicKey, parse_line
from sshjit_ca import keys
from sshjit_ca.keys import files
from sshjit_ca.keys.places import Places
from sshjit_ca.storage import schema
from sshjit_ca.storage.inserting import Inserting, Row
from sshjit_ca.storage.store import Store
from tests.support.derived_keys import write_key
from tests.support.devices import agent
from tests.support.installation import Installation, Person
from tests.support.issuer import Issuer

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
        Inserting(connection.dialect).insert(connection, rows())
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


@dataclass
class FrozenCa(Installation):
    """A CA of today whose home and database are those of release 0.1.0. It begins when the frozen log ends."""

    def _make_home(self) -> None:
        """The keys, the database and what the CA remembers outside it."""
        self._write("policy.toml", (FOLDER / "policies" / f"{expected()['policy']}.toml").read_text())
        self._write("providers.toml", (FOLDER / "providers.toml").read_text())
        self.policy = (self.home / "policy.toml").read_text()
        folder = self.home / "ca" / "keys"
        folder.mkdir(parents=True)
        shutil.copy(FOLDER / "first.json", folder)
        for purpose in keys.PURPOSES:
            write_key(self.home / "key", f"{SEED} {purpose} key 1")
            (self.home / "key.pub").rename(files.public_file(folder / purpose))
        (self.home / "key").unlink()
        for name in ("checkpoint", "epoch"):
            shutil.copy(FOLDER / "remembered" / name, self.home / "ca")
        store = Store(self.config.database)
        if self.database is None:
            store.migrate()
        fill(store)
        store.close()

    def key(self, person: Person) -> Path:
        """The key with which the person signed in."""
        path = self.home / f"{person.provider}-{person.sub}"
        return path if path.exists() else write_key(path, f"{SEED} person {person.provider}/{person.sub}")

    def host_key(self, name: str) -> Path:
        """The key of an enrolled host."""
        path = self.home / f"host-{name}"
        return path if path.exists() else write_key(path, f"{SEED} host {name}")


@contextmanager
def frozen_ca(home: Path, database: str | None = None) -> Iterator[FrozenCa]:
    """A CA that goes on with the frozen log, and the agent that holds its keys; ``database`` is empty and migrated."""
    with agent(home / "agent.sock") as running:
        for name in (f"{purpose} key {number}" for purpose in keys.PURPOSES for number in (1, 2, 3)):
            running.run(write_key(home / "key", f"{SEED} {name}"))
            (home / "key").unlink()
        issuers = {name: Issuer(f"https://{name}.example.com") for name in ("acme", "partner")}
        places, now = Places(agent=running.socket), float(expected()["now"])
        ca = FrozenCa(home, issuers, time=now, places=places, database=database)
        try:
            yield ca
        finally:
            ca.stop()
