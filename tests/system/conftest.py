"""The installation in which the races are held: once for each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.whole_installation import DATABASES, Site, running


@pytest.fixture(scope="session", params=DATABASES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A CA and two front ends; on PostgreSQL they share a database that nobody had prepared when both began."""
    with running(tmp_path_factory.mktemp("site"), request.param) as made:
        yield made
