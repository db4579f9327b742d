"""Dates of rules and calendars: by themselves, against a calendar on the wall, and in policies."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sshjit.policy import Allow, Ask, Denied, PolicyError, evaluate, explain, load, with_files
from sshjit.policy.schedule import DAY, Schedule
from tests.unit.sshjit.policy_texts import ALLOW, HEAD, problems
from tests.unit.sshjit.policy_world import ALICE, WEB1, at

EVERY_DAY, NEVER = frozenset(range(7)), frozenset[int]()
BERLIN = "Europe/Berlin"
FREEZE = Schedule(EVERY_DAY, 0, DAY, BERLIN, first=date(2026, 12, 20), last=date(2027, 1, 3))
NIGHTS = Schedule(EVERY_DAY, 22 * 60, 6 * 60, BERLIN, last=date(2026, 12, 31))
HOLIDAYS = Schedule(NEVER, 0, DAY, BERLIN, dates=frozenset({date(2026, 12, 25), date(2026, 12, 26), date(2028, 1, 1)}))
WORKDAYS = Schedule(frozenset(range(5)), 0, DAY, BERLIN, not_dates=frozenset({date(2026, 12, 25), date(2027, 1, 1)}))


@pytest.mark.parametrize(
    ("schedule", "moment", "matches", "closes", "opens"),
    [
        (FREEZE, "2026-03-04 12:00", False, None, "2026-12-20 00:00"),
        (FREEZE, "2026-12-19 23:59:59", False, None, "2026-12-20 00:00"),
        (FREEZE, "2026-12-20 00:00", True, "2027-01-04 00:00", "2026-12-21 00:00"),
        (FREEZE, "2027-01-03 23:59:59", True, "2027-01-04 00:00", None),
        (FREEZE, "2027-01-04 00:00", False, None, None),
        (NIGHTS, "2027-01-01 05:59", True, "2027-01-01 06:00", None),
        (NIGHTS, "2027-01-01 22:30", False, None, None),
        (HOLIDAYS, "2026-12-25 10:00", True, "2026-12-27 00:00", "2026-12-26 00:00"),
        (HOLIDAYS, "2026-12-27 00:00", False, None, "2028-01-01 00:00"),
        (HOLIDAYS, "2028-01-01 10:00", True, "2028-01-02 00:00", None),
        (WORKDAYS, "2026-12-24 10:00", True, "2026-12-25 00:00", "2026-12-28 00:00"),
        (WORKDAYS, "2026-12-25 10:00", False, None, "2026-12-28 00:00"),
        (WORKDAYS, "2026-12-28 10:00", True, "2027-01-01 00:00", "2026-12-29 00:00"),
    ],
)
def test_dates_by_the_wall_calendar(
    schedule: Schedule, moment: str, closes: str | None, opens: str | None, *, matches: bool
) -> None:
    assert schedule.matches(at(moment)) == matches
    assert schedule.closes(at(moment)) == (at(closes) if closes else at(moment))
    assert schedule.opens(at(moment)) == (at(opens) if opens else None)


def test_what_begins_once_and_is_open_from_then_on_never_closes() -> None:
    assert Schedule(EVERY_DAY, 0, DAY, BERLIN, first=date(2026, 1, 1)).closes(at("2026-03-04 12:00")) is None


class _Looked(Schedule):
    """Notes the days that are looked at."""

    days_seen: ClassVar[set[date]] = set()

    def begins_on(self, day: date) -> bool:
        self.days_seen.add(day)
        return super().begins_on(day)


@pytest.mark.parametrize("dates", [{"first": date(4000, 1, 1)}, {"dates": frozenset({date(4000, 1, 1)})}])
def test_a_day_that_is_far_away_is_found_without_a_look_at_each_day_before(dates: dict[str, Any]) -> None:
    far = _Looked(EVERY_DAY if "first" in dates else NEVER, 0, DAY, "UTC", **dates)
    _Looked.days_seen.clear()
    assert far.opens(0) == int(datetime(4000, 1, 1, tzinfo=UTC).timestamp())
    assert len(_Looked.days_seen) < 100


def test_the_date_is_that_of_the_zone() -> None:
    tokyo = Schedule(EVERY_DAY, 0, DAY, "Asia/Tokyo", first=date(2026, 12, 20), last=date(2026, 12, 20))
    assert tokyo.matches(at("2026-12-19 16:00"))
    assert not tokyo.matches(at("2026-12-20 16:00"))


dates = st.dates(date(2026, 1, 1), date(2027, 12, 31))
dated = st.builds(
    Schedule,
    st.frozensets(st.integers(0, 6)),
    st.integers(0, DAY - 1),
    st.integers(1, DAY),
    st.sampled_from([BERLIN, "UTC", "Asia/Kathmandu", "America/Havana"]),
    st.booleans(),
    st.frozensets(dates, max_size=20),
    st.frozensets(dates, max_size=20),
    st.none() | dates,
    st.none() | dates,
).filter(lambda schedule: schedule.start != schedule.end)
moments = st.integers(at("2025-12-01 00:00"), at("2028-03-31 00:00"))


@settings(deadline=None)
@given(dated, moments)
def test_a_spell_begins_on_the_days_that_are_named(schedule: Schedule, now: int) -> None:
    zone = ZoneInfo(schedule.zone)
    wall = datetime.fromtimestamp(now, zone)
    offsets = {datetime.fromtimestamp(now + shift * 3600, zone).utcoffset() for shift in range(-48, 49)}
    assume(len(offsets) == 1)  # the nights of clock changes have tests of their own

    def named(day: date) -> bool:
        if (schedule.first and day < schedule.first) or (schedule.last and day > schedule.last):
            return False
        return day in schedule.dates or (day.weekday() in schedule.days and day not in schedule.not_dates)

    minute, today = wall.hour * 60 + wall.minute, wall.date()
    if schedule.start < schedule.end:
        expected = named(today) and schedule.start <= minute < schedule.end
    else:
        yesterday = named(today - timedelta(days=1)) and minute < schedule.end
        expected = yesterday or (named(today) and minute >= schedule.start)
    assert schedule.matches(now) == expected


@settings(deadline=None)
@given(dated, moments)
def test_a_dated_rule_closes_and_opens_where_its_matching_changes(schedule: Schedule, now: int) -> None:
    closes, opens = schedule.closes(now), schedule.opens(now)
    later = range(now, now + 900 * 86400, 7 * 3600 + 1800)
    if schedule.matches(now):
        if closes is None:
            assert all(map(schedule.matches, later))
        else:
            assert now < closes
            assert schedule.matches(closes - 1)
            assert not schedule.matches(closes)
    if opens is None:
        gone = next((number for number, moment in enumerate(later) if not schedule.matches(moment)), len(later))
        assert not any(map(schedule.matches, later[gone:]))
    else:
        assert opens > now
        assert schedule.matches(opens)
        if not schedule.matches(now):
            assert not any(map(schedule.matches, range(now, opens, 1 + (opens - now) // 50)))
            assert not schedule.matches(opens - 1)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (FREEZE, "from 2026-12-20 until 2027-01-03 (Europe/Berlin)"),
        (Schedule(NEVER, 0, DAY, BERLIN, calendars=("holidays",)), "holidays (Europe/Berlin)"),
        (
            Schedule(frozenset({5}), 60, 120, BERLIN, calendars=("x",), but=("y",)),
            "Sat, x not y 01:00-02:00 (Europe/Berlin)",
        ),
    ],
)
def test_dates_are_shown(schedule: Schedule, text: str) -> None:
    assert str(schedule) == text


# ------------------------------------------------------------------------------------------------------- in policies

CALENDARS = """\
[calendars]
holidays = [2026-12-25, { from = 2026-12-31, until = 2027-01-01 }]
release = { file = "release.toml" }
"""
RULES = f"""\
[[deny]]
name = "freeze"
hosts = {{ env = "staging" }}
from = 2026-12-20
until = 2026-12-22
zone = "{BERLIN}"
{ALLOW}days = ["mon", "tue", "wed", "thu", "fri", "release"]
not_days = ["holidays"]
zone = "{BERLIN}"
"""
TEXT = HEAD + CALENDARS + RULES
FILE = "# the days of releases\ndates = [2026-12-26, # a Saturday\n]\n"


def whole(text: str = TEXT, file: str = FILE) -> str:
    return with_files(text, {"release.toml": file}.__getitem__)


@pytest.mark.parametrize(
    ("moment", "answer", "ends"),
    [
        ("2026-12-17 12:00", "allow", "2026-12-19 00:00"),
        ("2026-12-19 12:00", "no_rule", None),
        ("2026-12-21 12:00", "denied_by_rule", None),
        ("2026-12-23 00:00", "allow", "2026-12-25 00:00"),
        ("2026-12-25 12:00", "no_rule", None),
        ("2026-12-26 12:00", "allow", "2026-12-27 00:00"),
        ("2026-12-30 12:00", "allow", "2026-12-31 00:00"),
    ],
)
def test_rules_by_dates(moment: str, answer: str, ends: str | None) -> None:
    policy, ask = load(whole()), Ask("deploy")
    outcome = evaluate(policy, ALICE, [WEB1], ask, at(moment))
    assert explain(policy, ALICE, [WEB1], ask, at(moment)).outcome == outcome
    if isinstance(outcome, Allow):
        assert (answer, outcome.terms.ends_by) == ("allow", at(ends or ""))
    else:
        assert isinstance(outcome, Denied)
        assert (answer, ends) == (outcome.code, None)


def test_the_text_of_a_calendar_is_part_of_the_policy_and_of_its_digest() -> None:
    text = whole()
    assert text == f'{TEXT}\n[files."release.toml"]\n{FILE}'
    assert load(text).digest == hashlib.sha256(text.encode()).hexdigest()
    assert load(whole(file="dates = [2026-12-27]")).digest != load(text).digest
    assert with_files(text, dict[str, str]().__getitem__) == text, "once it is there, no file is read"
    assert load(text).calendars["release"] == {date(2026, 12, 26)}


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ('dates = [2026-12-26]\n[[allow]]\nname = "x"\n', "2: allow: unknown key; known: dates"),
        ("dates = [2026-12-26]\nversion = 1\n", "2: version: unknown key; known: dates"),
        ("dates = [2026-12-26\n", "1: "),
        ("dates = []", "1: dates: must not be empty: no day is in it"),
        ('dates = ["2026-12-26"]', "1: dates[0]: must be a date, is a string; write a list like"),
        ("dates = [2026-12-26T10:00:00]", "1: dates[0]: must be a date, is a date or time; write a list like"),
        ("[[dates]]\nfrom = 2026-12-26\nuntil = 2026-12-27\n", "1: dates: must be one list; write a list like"),
        ("dates = [{ from = 2026-12-26, until = 2026-12-25 }]", "1: dates[0].until: must not be before 2026-12-26"),
        (
            "dates = [{ from = 2026-12-26, until = 2099-12-25 }]",
            "1: dates[0].until: must not be before 2026-12-26, nor",
        ),
        ("", "1: dates: missing"),
    ],
)
def test_a_file_says_nothing_but_dates(file: str, problem: str) -> None:
    """Its text becomes part of the policy's: a rule in it would be one."""
    with pytest.raises(PolicyError) as caught:
        whole(file=file)
    assert str(caught.value).startswith(f"release.toml:{problem}")


@pytest.mark.parametrize("name", ["../release.toml", "/etc/passwd", "release.txt", "a/b.toml", ".toml", 'x"].toml'])
def test_a_file_is_beside_the_policy(name: str) -> None:
    quoted = name.replace('"', '\\"')
    with pytest.raises(PolicyError, match="is not the name of a TOML file beside the policy"):
        with_files(TEXT.replace("release.toml", quoted), dict[str, str]().__getitem__)


WRONG = [
    (
        "from = 2026-12-20",
        'from = "2026-12-20"',
        "deny[0].from: must be a date, is a string; write it like from = 2026",
    ),
    ("until = 2026-12-22", "until = 2026-12-19", "deny[0].until: is before 2026-12-20, when it begins"),
    (f'until = 2026-12-22\nzone = "{BERLIN}"', "", 'deny[0].zone: missing; write it like zone = "Europe/Berlin"'),
    (
        '["holidays"]',
        '["holiday"]',
        'allow[0].not_days[0]: there is no day "holiday"; did you mean "holidays"',
    ),
    (
        '["holidays"]',
        '["mon", "tue", "wed", "thu", "fri", "release"]',
        "allow[0].days: leave no day on which it matches",
    ),
    ("holidays = [", "sun = [", "calendars.sun: is the name of a day; use lower-case letters"),
    ("holidays = [", "Holidays = [", "calendars.Holidays: is not a calendar's name"),
    ("2026-12-25, {", '"x", {', "calendars.holidays[0]: must be a date, is a string"),
    ('{ file = "release.toml" }', '{ flie = "r.toml" }', 'calendars.release.flie: unknown key; did you mean "file"?'),
    ('{ file = "release.toml" }', '"release.toml"', "calendars.release: must be a list of dates, is a string"),
    ("until = 2027-01-01", "til = 2027-01-01", 'calendars.holidays[1].til: unknown key; did you mean "until"?'),
]


@pytest.mark.parametrize(("old", "new", "problem"), WRONG, ids=[problem for _, _, problem in WRONG])
def test_what_is_wrong_with_dates(old: str, new: str, problem: str) -> None:
    assert TEXT.count(old) == 1
    said = problems(f'{TEXT.replace(old, new)}[files."release.toml"]\ndates = [2026-12-26]\n')
    assert any(line.partition(": ")[2].startswith(problem) for line in said), said


def test_a_file_that_is_not_there_and_one_that_nothing_names() -> None:
    assert "'release.toml' is not here; load the policy from its folder" in problems(TEXT)[0]
    assert problems(f'{HEAD}{ALLOW}[files."x.toml"]\ndates = [2026-12-26]\n')[0].endswith("no calendar names this file")
