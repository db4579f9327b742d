"""Days and hours by the clocks of a place, with the nights on which those clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sshjit.policy.schedule import DAY, Schedule, clock_changes
from tests.unit.sshjit.policy_world import at

EVERY_DAY = frozenset(range(7))
OFFICE = Schedule(EVERY_DAY, 9 * 60, 18 * 60, "Europe/Berlin")
FRIDAY_NIGHT = Schedule(frozenset({4}), 22 * 60, 6 * 60, "Europe/Berlin")
WEEKEND = Schedule(frozenset({5, 6}), 0, DAY, "Europe/Berlin")
ALWAYS = Schedule(EVERY_DAY, 0, DAY, "Europe/Berlin")
SMALL_HOURS = Schedule(EVERY_DAY, 2 * 60 + 30, 4 * 60, "Europe/Berlin")


@pytest.mark.parametrize(
    ("schedule", "moment", "matches", "closes"),
    [
        (OFFICE, "2026-03-04 08:59:59", False, None),
        (OFFICE, "2026-03-04 09:00", True, "2026-03-04 18:00"),
        (OFFICE, "2026-03-04 17:59:59", True, "2026-03-04 18:00"),
        (OFFICE, "2026-03-04 18:00", False, None),
        (FRIDAY_NIGHT, "2026-03-06 23:00", True, "2026-03-07 06:00"),
        (FRIDAY_NIGHT, "2026-03-07 05:59", True, "2026-03-07 06:00"),
        (FRIDAY_NIGHT, "2026-03-06 05:00", False, None),
        (FRIDAY_NIGHT, "2026-03-07 23:00", False, None),
        (WEEKEND, "2026-03-07 10:00", True, "2026-03-09 00:00"),
        (WEEKEND, "2026-03-06 23:59:59", False, None),
        (WEEKEND, "2026-03-29 12:00", True, "2026-03-30 00:00"),
        (SMALL_HOURS, "2026-03-29 03:29:59", False, None),
        (SMALL_HOURS, "2026-03-29 03:30", True, "2026-03-29 04:00"),
        (SMALL_HOURS, "2026-10-25 02:30", False, None),  # the first half past two, and it comes again
        (SMALL_HOURS, "2026-10-25 03:00", True, "2026-10-25 04:00"),
    ],
)
def test_spells_by_the_wall_clock(schedule: Schedule, moment: str, closes: str | None, *, matches: bool) -> None:
    assert schedule.matches(at(moment)) == matches
    if closes is not None:
        assert schedule.closes(at(moment)) == at(closes)


def test_hours_past_midnight_belong_to_the_day_they_began() -> None:
    assert FRIDAY_NIGHT.opens(at("2026-03-06 05:00")) == at("2026-03-06 22:00")
    assert FRIDAY_NIGHT.opens(at("2026-03-06 22:00")) == at("2026-03-13 22:00")


def test_what_is_always_open_never_closes() -> None:
    assert ALWAYS.closes(at("2026-03-04 12:00")) is None


def test_a_spell_that_a_clock_change_swallows_is_passed_over() -> None:
    sunday = Schedule(frozenset({6}), 2 * 60, 3 * 60, "Europe/Berlin")
    assert sunday.opens(at("2026-03-23 12:00")) == at("2026-04-05 02:00")
    assert not sunday.matches(at("2026-03-29 03:30"))


CHANGES = {"spring": "2026-03-29", "autumn": "2026-10-25"}
"""02:00 becomes 03:00, and 03:00 becomes 02:00."""


@pytest.mark.parametrize(
    ("night", "hours", "allows", "forbids"),
    [
        ("autumn", (2 * 60 + 30, 4 * 60), (30, 120), (-30, 120)),
        ("autumn", (60, 2 * 60 + 30), (-120, -30), (-120, 30)),
        ("autumn", (2 * 60, 3 * 60), (0, 60), (-60, 60)),
        ("spring", (2 * 60 + 30, 4 * 60), (30, 60), (-30, 60)),
        ("spring", (60, 2 * 60 + 30), (-60, -30), (-60, 30)),
        ("spring", (2 * 60, 3 * 60), None, (-60, 0)),
    ],
)
def test_in_the_night_of_a_clock_change_the_stricter_reading_counts(
    night: str, hours: tuple[int, int], allows: tuple[int, int] | None, forbids: tuple[int, int]
) -> None:
    """Spans are minutes from 01:00 UTC on, which is when the clocks of Berlin change in spring, and in autumn."""
    change = int(datetime.fromisoformat(f"{CHANGES[night]}T01:00+00:00").timestamp())
    for span, forbidding in ((allows, False), (forbids, True)):
        schedule = Schedule(EVERY_DAY, *hours, "Europe/Berlin", forbidding)
        open_in = [minute for minute in range(-120, 240) if schedule.matches(change + 60 * minute)]
        assert open_in == ([] if span is None else list(range(*span))), (night, hours, forbidding)


def test_a_day_without_hours_has_no_gap_where_midnight_comes_twice() -> None:
    """In Havana 01:00 becomes 00:00 on the first Sunday of November."""
    weekend = Schedule(frozenset({5, 6}), 0, DAY, "America/Havana")
    midnight = int(datetime(2026, 11, 1, 0, tzinfo=ZoneInfo("America/Havana")).timestamp())
    assert all(weekend.matches(midnight + 600 * step) for step in range(-12, 24))
    assert weekend.closes(midnight - 3600) == midnight + 25 * 3600


def test_the_place_counts_and_not_utc() -> None:
    noon_utc = int(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp())
    assert OFFICE.matches(noon_utc)
    assert not Schedule(EVERY_DAY, 9 * 60, 18 * 60, "Asia/Tokyo").matches(noon_utc)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (OFFICE, "09:00-18:00 (Europe/Berlin)"),
        (WEEKEND, "Sat, Sun (Europe/Berlin)"),
        (FRIDAY_NIGHT, "Fri 22:00-06:00 (Europe/Berlin)"),
        (ALWAYS, "(Europe/Berlin)"),
    ],
)
def test_schedules_are_shown(schedule: Schedule, text: str) -> None:
    assert str(schedule) == text


schedules = st.builds(
    Schedule,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, DAY - 1),
    st.integers(1, DAY),
    st.sampled_from(["Europe/Berlin", "UTC", "Asia/Kathmandu", "America/Havana", "Australia/Lord_Howe"]),
    st.booleans(),
).filter(lambda schedule: schedule.start != schedule.end)
moments = st.integers(at("2026-01-01 00:00"), at("2027-12-31 00:00"))


@settings(deadline=None)
@given(schedules, moments)
def test_closing_and_opening_are_where_matching_changes(schedule: Schedule, now: int) -> None:
    if schedule.matches(now):
        closes = schedule.closes(now)
        if closes is not None:
            assert now < closes
            assert schedule.matches(closes - 1)
            assert not schedule.matches(closes)
    opens = schedule.opens(now)
    assert opens is not None
    assert opens > now
    assert schedule.matches(opens)


@settings(deadline=None)
@given(schedules, st.sampled_from([*CHANGES.values(), "2026-11-01", "2026-04-05"]), st.integers(-9000, 9000))
def test_what_allows_is_open_by_both_readings_and_what_forbids_by_either(
    schedule: Schedule, night: str, shift: int
) -> None:
    now = int(datetime.fromisoformat(f"{night}T03:00+00:00").timestamp()) + 10 * shift
    zone = ZoneInfo(schedule.zone)

    def by(fold: int) -> bool:
        for day in (datetime.fromtimestamp(now, zone).date() + timedelta(days=back) for back in (-2, -1, 0)):
            if day.weekday() in schedule.days:
                lasts = schedule.end if schedule.end > schedule.start else schedule.end + DAY
                begin, end = (
                    (datetime.combine(day, time(), zone) + timedelta(minutes=minutes)).replace(fold=fold).timestamp()
                    for minutes in (schedule.start, lasts)
                )
                if begin <= now < end:
                    return True
        return False

    readings = [by(0), by(1)]
    assert schedule.matches(now) == (any(readings) if schedule.forbids else all(readings))


@settings(deadline=None)
@given(schedules, moments)
def test_matching_is_what_a_clock_on_the_wall_says(schedule: Schedule, now: int) -> None:
    wall = datetime.fromtimestamp(now, ZoneInfo(schedule.zone))
    hours = {
        datetime.fromtimestamp(now + shift * 3600, ZoneInfo(schedule.zone)).utcoffset() for shift in range(-48, 49)
    }
    assume(len(hours) == 1)  # far from a clock change: the tests above speak of those
    minute, day = wall.hour * 60 + wall.minute, wall.weekday()
    if schedule.start < schedule.end:
        expected = day in schedule.days and schedule.start <= minute < schedule.end
    else:
        began_today = day in schedule.days and minute >= schedule.start
        expected = began_today or ((day - 1) % 7 in schedule.days and minute < schedule.end)
    assert schedule.matches(now) == expected


def test_clock_changes_are_found_to_the_second() -> None:
    start, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2026, 2027))
    berlin = [datetime.fromtimestamp(change, UTC).isoformat() for change in clock_changes("Europe/Berlin", start, end)]
    assert berlin == ["2026-03-29T01:00:00+00:00", "2026-10-25T01:00:00+00:00"]
    assert clock_changes("UTC", start, end) == []
    assert clock_changes("Europe/Berlin", start, start + 86400) == []
    assert clock_changes("Europe/Berlin", 253_380_000_000, 253_402_300_799) == [], "the calendar ends there"
