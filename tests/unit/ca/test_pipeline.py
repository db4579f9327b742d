"""Two batches at a time: no answer before its batch is durable, and what stood on a lost batch is lost with it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing

import pytest

from sshjit import messages as m
from sshjit.errors import Failed
from sshjit_ca.authority import Answer, Question
from sshjit_ca.pipeline import Pipeline
from tests.support.installation import ALICE, Installation

NO_CERTIFICATES = """CREATE TRIGGER no_certificates BEFORE INSERT ON entries WHEN NEW.kind = 'certificate'
BEGIN SELECT RAISE(ABORT, 'the disk is broken'); END"""


@pytest.fixture
def drawing(ca: Installation) -> Question:
    """A question for a certificate of an open window."""
    login = ca.native(ALICE)
    return Question(m.SignUser(login, ca.ask(login, "web1").request.id), "web")


@pytest.fixture
def pipeline(ca: Installation) -> Iterator[Pipeline]:
    made = Pipeline(ca.authority)
    yield made
    made.close()


@pytest.fixture
def other(ca: Installation) -> Iterator[sqlite3.Connection]:
    """Somebody else at the same database."""
    path = ca.config.home / "ca.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def certificates(pending: Future[list[Answer]]) -> list[m.CertificateView]:
    answers = pending.result(10)
    assert all(isinstance(answer, m.CertificateReply) for answer in answers), answers
    return [answer.certificate for answer in answers if isinstance(answer, m.CertificateReply)]


def test_no_answer_leaves_before_its_batch_is_durable(
    ca: Installation, pipeline: Pipeline, drawing: Question, other: sqlite3.Connection
) -> None:
    before = ca.kinds().count("certificate")
    other.execute("BEGIN IMMEDIATE")
    first = pipeline.take([drawing, drawing])
    time.sleep(0.3)
    assert not first.done()
    assert ca.kinds().count("certificate") == before
    other.execute("ROLLBACK")
    second = pipeline.take([drawing])
    serials = [view.serial for view in certificates(first) + certificates(second)]
    assert len(set(serials)) == 3
    assert ca.kinds().count("certificate") == before + 3


def test_a_lost_batch_takes_along_what_was_decided_on_top_of_it(
    ca: Installation, pipeline: Pipeline, drawing: Question, other: sqlite3.Connection
) -> None:
    other.execute(NO_CERTIFICATES)
    first = pipeline.take([drawing])
    error = first.exception(10)
    assert isinstance(error, Failed)
    other.execute("DROP TRIGGER no_certificates")
    (second,) = certificates(pipeline.take([drawing]))
    (told,) = pipeline.mend([drawing], error)
    assert isinstance(told, Failed)
    assert told.code == "not_signing"
    (third,) = certificates(pipeline.take([drawing]))
    size = len(ca.kinds())
    assert [second.serial % 2**40, third.serial % 2**40] == [size - 2, size - 1]
    ca.restart()  # reads the whole log again, and holds it against its checkpoint


def test_what_is_asked_seldom_waits_until_nothing_is_being_written(
    ca: Installation, pipeline: Pipeline, drawing: Question
) -> None:
    pending = pipeline.take([drawing])
    (health,) = pipeline.take([Question(m.Health(), "web")]).result(0)
    assert pending.done()
    assert isinstance(health, m.HealthReply)
    assert health.size == len(ca.kinds())


def test_a_defect_loses_its_own_batch_alone(
    ca: Installation, pipeline: Pipeline, drawing: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = pipeline.take([drawing])
    with monkeypatch.context() as broken:
        broken.delattr(type(ca.desk), "key_of")
        (answer,) = pipeline.take([drawing]).result(0)
    assert isinstance(answer, Failed)
    assert answer.code == "defect"
    assert len(certificates(pending) + certificates(pipeline.take([drawing]))) == 2
