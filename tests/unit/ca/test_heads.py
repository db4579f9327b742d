"""A log that fits together in itself is not believed for that: it must be the one that was signed, by the right key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sshjit import entries, events, merkle
from sshjit.checkpoint import Checkpoint
from sshjit.errors import Failed
from sshjit.sshkey import PublicKey
from sshjit_ca.keys import files
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log import verification
from sshjit_ca.storage.schema import entries as table
from tests.support.installation import ALICE, Installation


def head(ca: Installation) -> Checkpoint:
    return Succession.of(key(ca), ca.store).verified(ca.context.journal.checkpoint)


def key(ca: Installation) -> PublicKey:
    return ca.context.keys.public("log")


def problems(ca: Installation, *against: Checkpoint) -> tuple[str, ...]:
    return verification.verify(ca.store, key(ca), against=against, processes=1).problems


def forged(ca: Installation) -> None:
    """Somebody else drew the certificate: fact, detail, salt and leaf are as if the CA had written it so."""
    row = next(row for row in ca.store.rows() if row.entry.kind == "certificate")
    event = entries.read(row.entry)
    assert isinstance(event, events.Issued)
    assert row.entry.salt is not None
    new = entries.write(replace(event, person="acme/mallory"), row.entry.index, row.entry.time, row.entry.salt)
    values = {"fact": new.fact, "detail": new.detail, "salt": new.salt, "leaf": merkle.leaf_hash(new.fact)}
    with ca.store.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.number == new.index).values(values))


def test_t45_an_entry_that_was_written_anew_is_found_by_the_log_s_own_head(ca: Installation) -> None:
    ca.ask(ca.native(ALICE), "web1")
    assert problems(ca) == ()
    forged(ca)
    size = head(ca).size
    assert problems(ca) == (f"the {size} entries are not those that the checkpoint was signed over",)
    with pytest.raises(Failed) as broken:
        ca.restart()
    assert broken.value.code in {"log_broken", "log_rolled_back"}


def test_t45_an_older_and_a_newer_head_each_find_what_they_are_not_over(ca: Installation) -> None:
    before = head(ca)
    ca.ask(ca.native(ALICE), "web1")
    older = head(ca)
    ca.native(ALICE)
    assert problems(ca, before, older) == ()
    newer = Checkpoint(older.origin, head(ca).size + 1, older.root)
    assert problems(ca, newer) == (
        f"the log ends at {head(ca).size} entries, and a checkpoint over {newer.size} was signed: it was cut",
    )
    forged(ca)
    assert problems(ca, before) == problems(ca)
    assert f"the first {older.size} entries are not those that a checkpoint was signed over" in problems(ca, older)


def test_t45_a_whole_log_by_another_key_is_not_the_one_whose_key_was_written_down(
    ca: Installation, tmp_path: Path
) -> None:
    """Whoever has the database, and no key of the CA, can write a perfect log of their own."""
    files.make(tmp_path / "noted")
    noted = files.load_public(tmp_path / "noted")
    with pytest.raises(Failed) as other:
        Succession.of(noted, ca.store)
    assert other.value.code == "log_key"
    assert any("is its first key" in each for each in verification.verify(ca.store, noted, processes=1).problems)
    (tmp_path / "noted.pub").replace(ca.config.key_file("log").with_suffix(".pub"))
    with pytest.raises(Failed) as stopped:
        ca.restart()
    assert stopped.value.code == "log_key"
