"""``ssh-jit-ca calendar import``: whole days of an iCalendar file, as a calendar that a policy takes."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

import pytest

from sshjit import policy
from sshjit.errors import Failed, Invalid
from sshjit.policy import with_files
from sshjit_ca.cli import calendars
from sshjit_ca.operations.calendar_import import import_calendar
from tests.unit.sshjit.policy_texts import ALLOW, HEAD

UNTIL = date(2028, 12, 31)
HEADER = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n"


def calendar(*events: str) -> bytes:
    text = "".join(f"BEGIN:VEVENT\r\nUID:{number}\r\n{event}END:VEVENT\r\n" for number, event in enumerate(events))
    return f"{HEADER}{text}END:VCALENDAR\r\n".encode()


def event(first: str, *lines: str) -> str:
    return "".join(f"{line}\r\n" for line in (f"DTSTART;VALUE=DATE:{first}", *lines))


CHRISTMAS = event("20261225", "DTEND;VALUE=DATE:20261227", "SUMMARY:Christmas", "RRULE:FREQ=YEARLY")
NEW_YEAR = event("20270101", "SUMMARY:New Year")
MEETING = "DTSTART:20261201T100000Z\r\nDTEND:20261201T110000Z\r\nSUMMARY:Meeting\r\n"


def test_whole_days_become_dates_and_spans() -> None:
    imported = import_calendar(calendar(CHRISTMAS, NEW_YEAR, MEETING), UNTIL)
    assert imported.text == (
        "dates = [\n"
        "  { from = 2026-12-25, until = 2026-12-26 },  # Christmas\n"
        "  2027-01-01,  # New Year\n"
        "  { from = 2027-12-25, until = 2027-12-26 },  # Christmas\n"
        "  { from = 2028-12-25, until = 2028-12-26 },  # Christmas\n"
        "]\n"
    )
    assert (imported.days, imported.timed) == (7, 1)


def test_a_policy_takes_what_was_imported() -> None:
    text = import_calendar(calendar(CHRISTMAS), UNTIL).text
    head = f'{HEAD}[calendars]\nholidays = {{ file = "holidays.toml" }}\n'
    rules = f'{head}{ALLOW}not_days = ["holidays"]\nzone = "UTC"\n'
    dates = policy.load(with_files(rules, {"holidays.toml": text}.__getitem__)).calendars["holidays"]
    assert {date(2026, 12, 25), date(2028, 12, 26)} < dates


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        (("DURATION:P2D",), ["2026-12-25", "2026-12-26"]),
        (("RRULE:FREQ=YEARLY;COUNT=2", "EXDATE;VALUE=DATE:20271225"), ["2026-12-25"]),
        (("RRULE:FREQ=WEEKLY;UNTIL=20270102",), ["2026-12-25", "2027-01-01"]),
        (("STATUS:CONFIRMED",), ["2026-12-25"]),
    ],
)
def test_lengths_repetitions_and_exceptions(lines: tuple[str, ...], days: list[str]) -> None:
    text = import_calendar(calendar(event("20261225", *lines)), UNTIL).text
    dates = with_files(f'{HEAD}[calendars]\nx = {{ file = "x.toml" }}\n', {"x.toml": text}.__getitem__)
    assert sorted(map(str, policy.load(f"{dates}").calendars["x"])) == days


def test_t29_a_title_cannot_say_anything_in_the_policy() -> None:
    title = 'SUMMARY:x\\n]\\n[[allow]]\\nname = "x"\x1b[2J'
    text = import_calendar(calendar(event("20261225", title)), UNTIL).text
    assert text.count("\n") == 3
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"hello", "is not an iCalendar file"),
        (calendar(MEETING), "has no event of whole days"),
        (calendar(event("20261225", "STATUS:CANCELLED")), "has no event of whole days"),
        (calendar(event("20261225", "RECURRENCE-ID;VALUE=DATE:20261225")), "changes single days"),
        (calendar(event("20261225", "DTEND;VALUE=DATE:20291225")), "lasts 1096 days"),
        (calendar(event("20261225", "RRULE:FREQ=DAILY;UNTIL=20270101T000000Z")), "in a way that cannot be read"),
    ],
)
def test_what_is_not_read_is_said(raw: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=message) as wrong:
        import_calendar(raw, UNTIL)
    assert wrong.value.code == "bad_calendar"


def test_without_the_package_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "icalendar", None)
    with pytest.raises(Failed) as failed:
        import_calendar(calendar(NEW_YEAR), UNTIL)
    assert (failed.value.code, failed.value.hint) == ("no_icalendar", "pip install 'ssh-jit[calendar]'")


def test_the_command_prints_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "days.ics"
    path.write_bytes(calendar(NEW_YEAR, MEETING))
    parser = argparse.ArgumentParser()
    calendars.add_commands(parser.add_subparsers())
    options = parser.parse_args(["calendar", "import", str(path), "--until", "2027-12-31"])
    assert options.run(None, options) == 0
    said = capsys.readouterr()
    assert said.out == "dates = [\n  2027-01-01,  # New Year\n]\n"
    assert said.err == "1 day; left out: 1 event with times of day\n"
