"""A CA of today over the frozen log of release 0.1.0 (``frozen_log.py``). Its keys are in an ssh-agent, and derived."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sshjit_ca import keys
from sshjit_ca.keys import files
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.storage.store import Store
from tests.support.derived_keys import write_key
from tests.support.devices import agent
from tests.support.frozen_log import FOLDER, SEED, expected, fill
from tests.support.installation import Installation, Person
from tests.support.issuer import Issuer


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
        places, now = KeyLocations(agent=running.socket), float(expected()["now"])
        ca = FrozenCa(home, issuers, time=now, places=places, database=database)
        try:
            yield ca
        finally:
            ca.stop()
