"""What every kind of test may use: one lab for the whole run, started when the first test asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from demo.lab import Lab


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
