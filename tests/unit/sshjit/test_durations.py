"""Lengths of time, read and shown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sshjit import durations
from sshjit.errors import Invalid


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("8h", 28800, "8 h"),
        ("30m", 1800, "30 min"),
        ("5s", 5, "5 s"),
        ("90s", 90, "1 min 30 s"),
        ("1h30m", 5400, "1 h 30 min"),
        ("7d", 604800, "7 d"),
        ("1d1h1m1s", 90061, "1 d 1 h 1 min 1 s"),
        ("366d", durations.MAX_SECONDS, "366 d"),
    ],
)
def test_durations_are_read_and_shown(text: str, seconds: int, shown: str) -> None:
    assert durations.parse(text) == seconds
    assert durations.show(seconds) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0s",
        "0h0m",
        "5",
        "m",
        "5 m",
        "5M",
        "1m1h",
        "1h1h",
        "-5s",
        "1.5h",
        "367d",
        "99999999d",
        "\u0665s",
        "5s\n",
        "5min",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        durations.parse(text)
    assert caught.value.code == "bad_duration"


@settings(deadline=None)
@given(st.integers(1, durations.MAX_SECONDS))
def test_what_is_shown_reads_back(seconds: int) -> None:
    assert durations.parse(durations.show(seconds).replace("min", "m").replace(" ", "")) == seconds


def test_nothing_and_less_can_be_shown() -> None:
    assert durations.show(0) == "0 s"
    assert durations.show(-90) == "-1 min 30 s"
