"""A batch is one: no answer before all of it is durable, and if it is lost nobody got anything."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit_ca.authority import Answer
from sshjit_ca.question import Question
from tests.support.installation import ALICE, Installation
from tests.support.waiting import PATIENCE

NO_CERTIFICATES = """CREATE TRIGGER no_certificates BEFORE INSERT ON entries WHEN NEW.kind = 'certificate'
BEGIN SELECT RAISE(ABORT, 'the disk is broken'); END"""


@pytest.fixture
def drawing(ca: Installation) -> Question:
    """A question for a certificate of an open window."""
    login = ca.native(ALICE)
    return Question(m.SignUser(login, ca.ask(login, "web1").request.id), "web")


@pytest.fixture
def other(ca: Installation) -> Iterator[sqlite3.Connection]:
    """Somebody else at the same database."""
    path = ca.config.home / "ca.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def serials(answers: list[Answer]) -> list[int]:
    assert all(isinstance(answer, m.CertificateReply) for answer in answers), answers
    return [answer.certificate.serial for answer in answers if isinstance(answer, m.CertificateReply)]


def test_no_answer_leaves_before_its_batch_is_durable(
    ca: Installation, drawing: Question, other: sqlite3.Connection
) -> None:
    before = ca.kinds().count("certificate")
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(ca.authority.answer, [drawing, drawing])
        time.sleep(0.3)
        assert not pending.done()
        assert ca.kinds().count("certificate") == before
        other.execute("ROLLBACK")
        assert len(set(serials(pending.result(PATIENCE)))) == 2
    assert ca.kinds().count("certificate") == before + 2


def test_a_batch_that_is_not_written_is_lost_whole_and_the_next_one_is_written(
    ca: Installation, drawing: Question, other: sqlite3.Connection
) -> None:
    size = len(ca.kinds())
    other.execute(NO_CERTIFICATES)
    lost = ca.authority.answer([drawing, Question(m.Health(), "web"), drawing])
    assert [answer.code for answer in lost if isinstance(answer, Failed)] == ["not_signing", "not_signing"]
    assert len(ca.kinds()) == size
    other.execute("DROP TRIGGER no_certificates")
    (serial,) = serials(ca.authority.answer([drawing]))
    assert serial % 2**40 == size
    ca.restart()  # reads the whole log again, and holds it against its checkpoint


def test_a_defect_loses_its_own_batch_alone(
    ca: Installation, drawing: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.delattr(type(ca.context), "key_of")
        (answer,) = ca.authority.answer([drawing])
    assert isinstance(answer, Failed)
    assert answer.code == "defect"
    assert len(serials(ca.authority.answer([drawing]))) == 1


def test_a_read_that_fails_fails_alone(ca: Installation, drawing: Question, other: sqlite3.Connection) -> None:
    """And says what is wrong with the database, as no bug of ours."""
    reading = Question(m.ReadPolicy("0" * 64), "admin")
    other.execute("ALTER TABLE policies RENAME TO away")
    first, failed, second = ca.authority.answer([drawing, reading, drawing])
    other.execute("ALTER TABLE away RENAME TO policies")
    assert isinstance(failed, Failed)
    assert failed.code == "database_broken"
    assert len(set(serials([first, second]))) == 2
    assert ca.kinds().count("certificate") == 3


def test_a_batch_of_our_own_that_came_through_late_is_no_other_writer(
    ca: Installation, drawing: Question, other: sqlite3.Connection
) -> None:
    """A server that was stopped may carry out what we had given up; the log is read again then."""
    size = len(ca.kinds())
    other.execute("UPDATE head SET size = size + 1")
    (answer,) = ca.authority.answer([drawing])
    assert isinstance(answer, Failed)
    assert (answer.code, "late" in answer.message) == ("not_signing", True)
    assert ca.authority.fenced is None
    other.execute("UPDATE head SET size = size - 1")
    (serial,) = serials(ca.authority.answer([drawing]))
    assert serial % 2**40 == size
