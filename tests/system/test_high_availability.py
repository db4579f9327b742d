"""Two front ends, two CAs, one PostgreSQL server, under load: whatever fails, nothing is lost and nothing doubled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit_web.shared_memory import SharedMemory
from sshjit_web.store import Store, open_engine
from tests.faults import cluster as clusters
from tests.faults.cluster import Cluster, Play


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Everything up."""
    tmp_path.chmod(0o755)
    with clusters.running(tmp_path) as made:
        yield made


def test_t63_whatever_fails_no_certificate_is_lost_or_doubled_and_the_service_is_back(cluster: Cluster) -> None:
    play = Play.begin(cluster)
    time.sleep(2)
    for fault in clusters.PLAYS:
        fault(play)
        time.sleep(1)
    certificates, approvals = len(play.crowd.ledger.certificates), play.approval.done
    assert play.end() == []
    memory = Store(open_engine(cluster.database))
    told = SharedMemory(memory).checkpoint()
    memory.close()
    assert told.rank[1] > certificates / 2  # what the front ends know of the log, and greet each CA with
    assert len(play.back) == len(clusters.PLAYS) + 2  # being paused and waking up are two; an upgrade is of two kinds
    assert certificates > 30
    assert approvals >= 1
