"""What ``request`` and ``explain`` make of their words, and times as people type them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from sshjit.errors import Invalid
from sshjit_client.console import times
from sshjit_client.requests import request_args
from sshjit_client.requests.request_args import RequestArgs

NOW = 1_790_000_000


def read(*words: str) -> RequestArgs:
    return request_args.read(list(words), NOW, flags=frozenset(("--dry-run",)), values=frozenset(("--person",)))


def test_every_word_is_a_host() -> None:
    args = read("web1", "deploy@web2,web3", "--reason", "CHG-7", "web1")
    assert (args.hosts, args.login, args.action) == (("web1", "web2", "web3"), "deploy", "shell")
    assert args.reason == "CHG-7"


def test_a_command_takes_the_words_after_the_first_host() -> None:
    args = read("--action", "command", "db1", "uptime", "-p", "--reason")
    assert (args.hosts, args.command) == (("db1",), "uptime -p --reason")


def test_a_command_for_several_hosts_stands_after_the_dashes() -> None:
    args = read("--action", "command", "web1", "web2", "--", "uptime", "-p")
    assert (args.hosts, args.command) == (("web1", "web2"), "uptime -p")
    assert read("--action=command", "web1,web2", "uptime").hosts == ("web1", "web2")


def test_labels_stand_for_hosts() -> None:
    args = read("--label", "env=prod", "--label=role=db")
    assert (args.hosts, args.labels) == ((), (("env", "prod"), ("role", "db")))


def test_options_of_ssh_are_taken_as_in_the_connection() -> None:
    args = read("-vp", "2222", "-l", "root", "-o", "User=bob", "web1")
    assert (args.hosts, args.login) == (("web1",), "root")
    assert args.ssh.options == ["-vp", "2222", "-l", "root", "-o", "User=bob"]


def test_lengths_starts_and_what_only_one_command_knows() -> None:
    args = read("--for", "30m", "--start=+2h", "--dry-run", "--person", "carol", "web1")
    assert (args.duration, args.start) == (1800, NOW + 7200)
    assert dict(args.more) == {"--dry-run": "", "--person": "carol"}
    body = args.body()
    assert (body.hosts, body.start, body.certificate, body.break_glass) == (("web1",), NOW + 7200, False, False)
    assert args.explain_body("carol", break_glass=True).person == "carol"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no host given"),
        (("--label", "env"), "write a label like env=staging"),
        (("web1", "--for"), "--for needs a value"),
        (("web1", "--nonsense"), "--nonsense is not an option of this command"),
        (("alice@web1", "bob@web2"), "a request is for one account, not for alice and bob"),
        (("--action", "command", "web1"), "needs a command"),
        (("web1", "--", "uptime"), "only --action command takes a command"),
        (("web1", "--dry-run=yes"), "is not an option of this command"),
        (("WEB_1",), "is not a host name"),
        (("--label", "env=a b"), "is not a label's value"),
        (("web1", "--start", "soon"), "is not a time"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        read(*words)


def local(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("14:00", "2026-12-01 14:00"),
        ("9:30", "2026-12-02 09:30"),
        ("+1h30m", "2026-12-01 13:30"),
        ("2026-12-24T18:00", "2026-12-24 18:00"),
        ("2026-12-24", "2026-12-24 00:00"),
        ("2026-12-24T18:00:00+02:00", "2026-12-24T16:00:00+00:00"),
    ],
)
def test_a_start_is_the_next_moment_of_that_kind(text: str, moment: str) -> None:
    assert times.ahead(text, local("2026-12-01 12:00")) == local(moment)


@pytest.mark.parametrize("text", ["", "noon", "25:00", "14:60", "+", "+0s", "2026-13-01", "99999-01-01", "12.5"])
def test_what_is_no_start_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        times.ahead(text, NOW)


def test_looking_back_is_a_date_or_a_length() -> None:
    assert times.back("7d", NOW) == NOW - 7 * 86400
    assert times.back("2026-09-01", NOW) == local("2026-09-01")
    with pytest.raises(Invalid, match="is not a time"):
        times.back("lately", NOW)


def test_a_time_of_day_is_the_wall_s_also_over_a_change_of_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        evening = local("2026-10-24 20:00")  # the clocks go back in the night
        assert time.localtime(times.ahead("09:00", evening))[:5] == (2026, 10, 25, 9, 0)
        assert times.ahead("09:00", evening) - evening == 14 * 3600
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("Europe/Berlin", "2 Oct 2030 11:00 CEST"),
        ("Asia/Tashkent", "2 Oct 2030 14:00 UTC+05"),
        ("UTC", "2 Oct 2030 09:00 UTC"),
    ],
)
def test_a_printed_time_is_local_and_says_its_zone(monkeypatch: pytest.MonkeyPatch, where: str, shown: str) -> None:
    monkeypatch.setenv("TZ", where)
    time.tzset()
    try:
        printed = times.at(int(datetime(2030, 10, 2, 9, tzinfo=UTC).timestamp()))
        assert printed == shown
    finally:
        monkeypatch.undo()
        time.tzset()
