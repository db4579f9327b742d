"""The log's key changes, and who can write the database cannot put one of their own in its place."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from sshjit import canonical, events
from sshjit.errors import Failed
from sshjit_ca.keys import files, sshsig, succession
from sshjit_ca.keys.succession import Succession
from tests.support.devices import ssh_key
from tests.support.installation import ALICE, Installation
from tests.support.keyring import activate, add, newest, whole


def test_the_log_goes_on_under_another_key(ca: Installation) -> None:
    ca.native(ALICE)
    first = ca.context.journal.checkpoint
    for _ in range(2):
        activate(ca, add(ca, "log"))
        ca.restart()
    ca.config.key_file("log").unlink()  # the first private half is not needed any more
    ca.restart()
    assert whole(ca) == ()
    known = Succession.of(files.load_public(ca.config.key_file("log")), ca.store)
    assert known.verified(first).size < known.verified(ca.context.journal.checkpoint).size
    name, _, encoded = newest(ca).log_key.partition("+")
    assert (name, encoded != "") == ("test/ssh-jit", True)
    succession.verified(newest(ca).checkpoint, succession.raw(ca.context.keys.public("log")))


def test_a_log_key_that_the_one_before_did_not_endorse_is_found(ca: Installation) -> None:
    new = add(ca, "log")
    activate(ca, new)
    ca.stop()
    thief = files.load(ssh_key(ca.home / "thief", "ed25519"))
    forged = {
        "none": None,
        "by itself": sshsig.sign(thief, succession.NAMESPACE, thief.public.line.encode()),
        "for something else": sshsig.sign(files.load(ca.config.key_file("log")), "file", new.line.encode()),
    }
    first = files.load_public(ca.config.key_file("log"))
    for endorsement in forged.values():
        followed = Succession(first)
        taken: tuple[events.Event, ...] = (
            events.KeyAdded("log", first.fingerprint, first.line, "file:/x"),
            events.KeyActivated("log", first.fingerprint, None),
            events.KeyAdded("log", thief.public.fingerprint, thief.public.line, "file:/y"),
        )
        for index, event in enumerate(taken):
            followed.take(event, index)
        with pytest.raises(Failed) as unfounded:
            followed.take(events.KeyActivated("log", thief.public.fingerprint, endorsement), 3)
        assert unfounded.value.code == "log_key"
        assert followed.current == first
    with pytest.raises(Failed):
        Succession(thief.public).take(events.KeyActivated("log", first.fingerprint, None), 0)


def test_a_key_put_into_the_database_stops_the_ca(ca: Installation) -> None:
    activate(ca, add(ca, "log"))
    ca.stop()
    thief = files.load(ssh_key(ca.home / "thief", "ed25519"))
    with closing(sqlite3.connect(ca.home / "ca" / "ca.db")) as database, database:
        query = "SELECT number, fact FROM entries WHERE kind = 'key-turn' ORDER BY number DESC LIMIT 1"
        number, fact = database.execute(query).fetchone()
        changed = json.loads(fact)
        edit(changed, "endorsement", sshsig.sign(thief, succession.NAMESPACE, thief.public.line.encode()))
        database.execute("UPDATE entries SET fact = ? WHERE number = ?", (canonical.dumps(changed), number))
    assert whole(ca) != ()
    with pytest.raises(Failed) as unfounded:
        ca.start()
    assert unfounded.value.code == "log_key"
    ca.stop()


def edit(value: Any, name: str, new: str) -> None:
    """Replaces a field wherever it stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                value[key] = new
            else:
                edit(inner, name, new)


def test_an_older_copy_of_the_log_that_lacks_a_change_of_its_key_is_found(ca: Installation) -> None:
    ca.stop()
    database = ca.home / "ca" / "ca.db"
    shutil.copy(database, ca.home / "older.db")
    ca.start()
    activate(ca, add(ca, "log"))
    ca.stop()
    shutil.copy(ca.home / "older.db", database)
    with pytest.raises(Failed) as back:
        ca.start()
    assert back.value.code == "log_rolled_back"
    ca.stop()
