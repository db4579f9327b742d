"""What every kind of test may use: one lab for the whole run, started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A running lab. Whoever breaks a part of it mends it: ``lab.ca.kill(); …; lab.ca.start()``."""
    with Lab.start() as running:
        yield running
