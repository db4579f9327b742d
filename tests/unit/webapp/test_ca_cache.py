"""What the front end reads for everybody, when the authority does not answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sshjit.errors import Failed
from sshjit_web.ca_cache import CaCache

PATIENCE = 0.6
"""Seconds after which the hanging authority is given up."""


class Hanging:
    """An authority that takes questions and never answers."""

    version = 1

    def __init__(self) -> None:
        self.asked = 0

    def call(self, *_: Any) -> Any:
        self.asked += 1
        time.sleep(PATIENCE)
        raise Failed("ca_down", "the authority does not answer in time")

    carry = call


def test_polls_wait_for_a_hanging_authority_together_and_not_one_after_the_other() -> None:
    authority, polls = Hanging(), 8
    readings = CaCache(authority, time.time)
    together = threading.Barrier(polls)

    def poll() -> float:
        together.wait()
        begun = time.monotonic()
        with pytest.raises(Failed, match="does not answer in time"):
            readings.bundle()
        return time.monotonic() - begun

    with ThreadPoolExecutor(polls) as threads:
        took = [each.result() for each in [threads.submit(poll) for _ in range(polls)]]
    assert max(took) < polls * PATIENCE / 2
    assert authority.asked <= 2


def test_the_next_poll_asks_again() -> None:
    authority = Hanging()
    readings = CaCache(authority, time.time)
    for _ in range(2):
        with pytest.raises(Failed):
            readings.bundle()
    assert authority.asked == 2
