"""A log that a newer CA wrote and signed: a named error wherever it is read, and no veil over what was changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from sshjit import entries, events
from sshjit.errors import Invalid
from sshjit.events import Event
from sshjit_ca.cli import show
from sshjit_ca.keys import succession
from sshjit_ca.log import entry_text, export, verification
from sshjit_ca.log.verification import Verdict
from sshjit_ca.log.verify_entries import STRETCH, Newer, Numbering, Stretch, put_together
from sshjit_ca.report import builder
from sshjit_ca.report.period import Period
from sshjit_ca.storage.schema import entries as table
from tests.support.ca_process import run_command
from tests.support.installation import ALICE, DANA, Installation

NEWER = ["fact", "detail", "kind", "form", "word"]
"""What of an entry is not known to today's reader."""


@contextmanager
def written_by_a_newer_version(what: str, kind: str = "ask") -> Iterator[None]:
    """While this lasts, entries of a kind are written as no version of today writes them, and signed by the CA."""
    encode, kind_of = entry_text.encode, events.kind_of

    def grown(event: Event) -> tuple[str, str]:
        fact, detail = encode(event)
        if kind_of(event) != kind:
            return fact, detail
        if what == "word":
            return fact.replace('"via":"native"', '"via":"telepathy"'), detail
        return added(fact) if what == "fact" else fact, added(detail) if what == "detail" else detail

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry_text, "encode", grown)
        if what == "kind":
            patch.setattr(events, "kind_of", lambda event: f"{found}2" if (found := kind_of(event)) == kind else found)
        if what == "form":
            patch.setattr(entries, "VERSION", 2)
        yield


def added(text: str) -> str:
    """JSON of an object with one field more, which comes last."""
    return json.dumps({**json.loads(text), "zzz": "new"}, sort_keys=True, separators=(",", ":"))


def verdict(ca: Installation) -> Verdict:
    against = [succession.verified(ca.context.journal.checkpoint, succession.raw(ca.context.journal.checkpoint_key))]
    return verification.verify(ca.store, ca.context.keys.public("log"), against=against, processes=1)


def erase(ca: Installation, kind: str) -> None:
    """Takes the detail of the first entry of a kind away, as nobody recorded it."""
    number = sa.select(sa.func.min(table.c.number)).where(table.c.kind == kind).scalar_subquery()
    with ca.store.engine.begin() as connection:
        done = connection.execute(sa.update(table).where(table.c.number == number).values(detail=None, salt=None))
    assert done.rowcount == 1


@pytest.fixture(params=NEWER)
def index(request: pytest.FixtureRequest, ca: Installation) -> int:
    """The number of the first entry that a newer version wrote."""
    login, dana = ca.native(ALICE), ca.native(DANA)
    ca.ask(login, "web1")
    size = ca.context.state.size
    with written_by_a_newer_version(request.param):
        ca.ask(dana, "db1")
        ca.ask(dana, "db1", action="migrate")  # of several, the first is named
    newer = [row.entry.index for row in ca.store.rows(size) if row.entry.kind.startswith("ask")]
    assert len(newer) == 2
    return newer[0]


def test_a_ca_does_not_start_on_it_and_says_why(ca: Installation, index: int) -> None:
    with pytest.raises(Invalid, match=f"entry {index} was written by a newer version") as newer:
        ca.restart()
    assert newer.value.code == "newer_log"
    assert newer.value.hint.startswith("upgrade ssh-jit-ca to")


def test_verify_calls_it_newer_and_never_changed(ca: Installation, index: int) -> None:
    found = verdict(ca)
    assert (found.problems, found.newer[: len(f"entry {index} was")]) == ((), f"entry {index} was")
    assert found.checkpoint is not None
    assert found.checkpoint.root == found.head
    assert show.verdict(found, 0.1).startswith(f"no entry was changed or cut of {found.size} (head ")


def test_what_is_exported_as_it_is_stays_readable_and_what_is_read_is_named(ca: Installation, index: int) -> None:
    size = ca.context.state.size
    assert len(list(export.jsonl(ca.store, 0))) == size + 1
    told = export.as_ocsf(ca.store, 0)
    with pytest.raises(Invalid, match=f"entry {index} was written by a newer version"):
        list(told)


def test_a_report_is_not_made_of_half_of_it(ca: Installation, index: int) -> None:
    period = Period(0, int(ca.time) + 100)
    with (
        pytest.raises(Invalid, match=f"entry {index} was written by a newer version") as newer,
        builder.build_report(
            ca.store,
            ca.context.keys.public("log"),
            installation="test",
            period=period,
            now=int(ca.time),
            certificates=True,
            processes=1,
        ),
    ):
        pass
    assert newer.value.code == "newer_log"


@pytest.mark.parametrize("what", ["kind", "detail"])
def test_t45_a_newer_entry_hides_nothing_that_was_changed(ca: Installation, what: str) -> None:
    login, dana = ca.native(ALICE), ca.native(DANA)
    ca.ask(login, "web1")
    with written_by_a_newer_version(what):
        ca.ask(dana, "db1")
    number, before = next(row.entry.index for row in ca.store.rows() if row.entry.kind == "certificate"), verdict(ca)
    assert before.newer
    assert not before.problems
    for change in (
        {"kind": "tomorrow"},
        {"fact": b'{"body":{},"detail":"","index":2,"kind":"host","time":1,"v":2}'},
        {"detail": b"{}"},
        {"salt": bytes(16)},
        {"time": 7},
        {"subject": "acme/mallory"},
    ):
        with ca.store.engine.begin() as connection:
            row = connection.execute(sa.select(table).where(table.c.number == number)).one()
            connection.execute(sa.update(table).where(table.c.number == number).values(change))
        assert verdict(ca).problems, change
        with ca.store.engine.begin() as connection:
            connection.execute(sa.update(table).where(table.c.number == number).values(row._asdict()))
    assert verdict(ca) == before


def test_t45_details_that_are_missing_are_told_beside_a_newer_entry(ca: Installation) -> None:
    """A newer version may have recorded that they were erased; nobody here can tell."""
    login, dana = ca.native(ALICE), ca.native(DANA)
    ca.ask(login, "web1")
    with written_by_a_newer_version("detail"):
        ca.ask(dana, "db1")
    assert "is missing" not in verdict(ca).newer
    erase(ca, "certificate")
    found = verdict(ca)
    assert found.problems == ()
    assert "its detail is missing, and nobody recorded it as erased, as far as can be read here" in found.newer


@pytest.mark.parametrize("second", [None, Newer(STRETCH + 1, "another one")])
def test_of_a_long_log_the_first_newer_entry_is_named_too(second: Newer | None) -> None:
    """Stretches are looked at by processes of their own: what one found, the next does not take back."""
    first = Newer(3, "this one")
    stretches = [
        Stretch(0, STRETCH, (bytes(32),), {}, (), first),
        Stretch(STRETCH, 1, (bytes(32),), {}, (), second),
    ]
    numbers = Numbering(STRETCH + 1, STRETCH + 1, ((0, STRETCH), (STRETCH, STRETCH + 1)))
    assert put_together(numbers, stretches, "").newer == first


def test_the_operator_is_told_in_a_line_and_by_the_exit_code(ca: Installation) -> None:
    with written_by_a_newer_version("detail"):
        ca.ask(ca.native(ALICE), "web1")
    ca.stop()
    config = ca.home / "ca.toml"
    for words in (("log", "verify"), ("log", "verify", "--json"), ("serve",), ("log", "export", "--format", "ocsf")):
        said = run_command(config, *words, code=2)
        assert re.search(
            r"^ssh-jit-ca: entry \d+ was written by a newer version of ssh-jit: .*'zzz'", said, re.MULTILINE
        )
        assert "\nhint: upgrade ssh-jit-ca to" in said
        assert "Traceback" not in said
