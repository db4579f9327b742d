"""What every kind of test may use: one lab for the whole run, started when the first test asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from demo.lab import Lab

PROGRAMS = (
    "[postgresql",
    "test_client_story",
    "test_sign_in",
    "test_serve",
    "test_silent_store",
    "test_native",
    "under_fire",
    "test_agents",
)
"""Unit tests that start databases, servers and other programs: all but ``--quick`` runs them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--quick``, for ``make check``."""
    parser.addoption("--quick", action="store_true", help="only tests that start no programs which take long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out, with ``--quick``, what ``make test`` runs."""
    if config.getoption("--quick"):
        slow = [item for item in items if any(mark in item.nodeid for mark in PROGRAMS)]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A running lab. Whoever breaks a part of it mends it: ``lab.ca.kill(); …; lab.ca.start()``."""
    with Lab.start() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """A shell starts what it runs in the background deaf to Ctrl-C; programs that tests start would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
