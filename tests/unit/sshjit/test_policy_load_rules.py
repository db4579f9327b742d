"""Rules that are not taken, and exactly what is said about them."""

from __future__ import annotations

import sys
import zoneinfo
from collections.abc import Iterator

import pytest

from sshjit.policy import load
from tests.unit.sshjit.policy_texts import ALLOW, HEAD, problems, with_line

ACCOUNT = "an account name (letters, digits, '.', '_' and '-', not a digit, '.' or '-' first; '$' may be the last)"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('certificate = "5m"', 'certificat = "5m"', 'certificat: unknown key; did you mean "certificate"?'),
        ("approvals = []\n", "", "approvals: missing; write approvals = [] if nobody has to approve"),
        ('roles = ["sre"]', "roles = []", "roles: must not be empty: it would match no role"),
        ('roles = ["sre"]', 'roles = "sre"', "roles: must be a list, is a string"),
        ('roles = ["sre"]', 'roles = ["sre", "sre"]', 'roles[1]: "sre" is listed twice'),
        ('roles = ["sre"]', 'roles = ["sra"]', 'roles[0]: there is no role "sra"; did you mean "sre"?'),
        ('hosts = { env = "staging" }', "hosts = {}", "hosts: must not be empty: it would match no host"),
        (
            'hosts = { env = "staging" }',
            "hosts = { env = [] }",
            "hosts.env: must not be empty: it would match no value",
        ),
        (
            'hosts = { env = "staging" }',
            'hosts = { evn = "staging" }',
            'hosts.evn: there is no label "evn"; did you mean "env"?',
        ),
        (
            'hosts = { env = "staging" }',
            'hosts = { env = "stagin" }',
            'hosts.env: the label "env" has no value "stagin"; did you mean "staging"?',
        ),
        ('logins = ["deploy"]', "logins = []", "logins: must not be empty: it would match no login"),
        ('logins = ["deploy"]', 'logins = ["de ploy"]', f"logins[0]: 'de ploy' is not {ACCOUNT}"),
        ('logins = ["deploy"]', 'logins = ["@own", "*"]', f"logins[1]: '*' is not {ACCOUNT}"),
        (
            'grant = "8h"',
            'grant = "8 hours"',
            'grant: \'8 hours\' is not a duration; write it like "8h", "30m", "1h30m"',
        ),
        ('grant = "8h"', "grant = 8", "grant: must be a string, is a whole number"),
        ('grant = "8h"', 'grant = "0s"', "grant: '0s' is not a duration from 1 second to 366 d"),
        ('grant = "8h"', "grant = true", "grant: must be a string, is true or false"),
        (
            "approvals = []",
            'approvals = [{ from = "sre", count = 0 }]',
            "approvals[0].count: must be from 1 to 20, is 0",
        ),
        ("approvals = []", 'approvals = [{ from = "sre" }]', "approvals[0].count: missing"),
        ("approvals = []", 'approvals = ["sre"]', "approvals[0]: must be a table, is a string"),
        (
            "approvals = []",
            'approvals = [{ from = "sr", count = 1 }]',
            'approvals[0].from: there is no role "sr"; did you mean "sre"?',
        ),
        (
            "approvals = []",
            'approvals = [{ from = "sre", count = 1 }, { from = "sre", count = 2 }]',
            'approvals[1]: "sre" already has a step; raise its count',
        ),
        ('name = "staging"', 'name = "Staging!"', None),
    ],
)
def test_what_is_wrong_with_a_rule(old: str, new: str, expected: str | None) -> None:
    line = (HEAD + ALLOW)[: (HEAD + ALLOW).index(old)].count("\n") + 1
    if expected is None:
        expected = 'name: must be made of lower-case letters, digits, "-" and "_", and begin with a letter'
    if expected.startswith("approvals: missing"):
        line = 6  # of the rule: what is missing stands nowhere
    found = problems(with_line(old, new))
    assert f"{line}: allow[0].{expected}" in found
    assert len(found) == (2 if "certificat:" in expected else 1)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('days = ["mon"]', '6: allow[0].zone: missing; write it like zone = "Europe/Berlin"'),
        ('zone = "UTC"', "14: allow[0].zone: has no effect without days, hours or dates"),
        ('days = ["monday"]\nzone = "UTC"', '14: allow[0].days[0]: there is no day "monday"; did you mean "mon"?'),
        ('days = []\nzone = "UTC"', "14: allow[0].days: must not be empty: it would match no day"),
        (
            'hours = "9-18"\nzone = "UTC"',
            "14: allow[0].hours: '9-18' is not a range of times of day; write it like \"09:00-18:00\"",
        ),
        (
            'hours = "24:00-25:00"\nzone = "UTC"',
            "14: allow[0].hours: '24:00-25:00' is not a range of times of day; write it like \"09:00-18:00\"",
        ),
        (
            'hours = "09:00-09:00"\nzone = "UTC"',
            '14: allow[0].hours: begin and end at the same time; leave hours out, or write "00:00-24:00"',
        ),
        (
            'hours = "09:00-18:00"\nzone = "Europe/Berlim"',
            '15: allow[0].zone: there is no time zone "Europe/Berlim"; did you mean "Europe/Berlin"?',
        ),
        (
            'reason = { pattern = "*" }',
            "14: allow[0].reason.pattern: is not a regular expression: nothing to repeat at position 0",
        ),
        ("reason = true", "14: allow[0].reason: must be a table, is true or false"),
        (
            'source = "anywhere"',
            '14: allow[0].source: must be "client" or a list of networks; write it like ["10.0.0.0/8"]',
        ),
        (
            'source = ["10.0.0.1/8"]',
            '14: allow[0].source[0]: is not a network: 10.0.0.1/8 has host bits set; write it like "10.0.0.0/8"',
        ),
        ("source = []", "14: allow[0].source: must not be empty: it would match no address"),
        (
            'forwarding = ["agents"]',
            '14: allow[0].forwarding[0]: there is no forwarding "agents"; did you mean "agent"?',
        ),
        ("max_hosts = 0", "14: allow[0].max_hosts: must be from 1 to 256, is 0"),
        ("max_hosts = 1.0", "14: allow[0].max_hosts: must be a whole number, is a number"),
        ('actions = ["shel"]', '14: allow[0].actions[0]: there is no action "shel"; did you mean "shell"?'),
        ("mfa = 1", "14: allow[0].mfa: must be true or false, is a whole number"),
        ('use_by = "-5m"', '14: allow[0].use_by: \'-5m\' is not a duration; write it like "8h", "30m", "1h30m"'),
        ("extend = { count = 1 }", "14: allow[0].extend.by: missing"),
        ('notify = ["pager"]', None),
    ],
)
def test_what_is_wrong_with_an_added_line(line: str, expected: str | None) -> None:
    if expected is None:
        expected = "14: allow[0].notify: unknown key"
        assert problems(HEAD + ALLOW + line + "\n")[0].startswith(expected)
    else:
        assert problems(HEAD + ALLOW + line + "\n") == [expected]


def test_a_certificate_does_not_outlive_its_grant() -> None:
    assert problems(with_line('grant = "8h"', 'grant = "4m"')) == [
        "13: allow[0].certificate: must not live longer than the grant; make it shorter than grant"
    ]
    assert load(with_line('grant = "8h"', 'grant = "5m"')).allows[0].grant == 300


def test_an_approval_cannot_be_kept_longer_than_its_window() -> None:
    assert problems(HEAD + ALLOW + 'use_by = "9h"\n') == [
        "14: allow[0].use_by: must not be longer than the grant; make it shorter than grant"
    ]
    assert load(HEAD + ALLOW + 'use_by = "8h"\n').allows[0].use_by == 8 * 3600
    assert load(HEAD + ALLOW).allows[0].use_by == 900
    short = HEAD + ALLOW.replace('grant = "8h"', 'grant = "10m"')
    assert load(short).allows[0].use_by == 600


def test_t62_a_value_that_no_host_can_have_is_not_taken() -> None:
    """A deny on it would match no host that has the label."""
    deny = '[[deny]]\nname = "db"\nhosts = { role = ["web", "db "] }\n'
    assert problems(HEAD.replace("[roles]", "role = {}\n[roles]") + deny) == [
        "9: deny[0].hosts.role: 'db ' is not a label's value"
    ]


@pytest.fixture
def no_zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine without tzdata, the package of the system and that of Python."""
    for name in {"tzdata", *(name for name in sys.modules if name.startswith("tzdata."))}:
        monkeypatch.setitem(sys.modules, name, None)
    zoneinfo.reset_tzpath(())
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()


@pytest.mark.usefixtures("no_zones")
def test_a_machine_without_a_time_zone_database_is_said_as_that() -> None:
    text = HEAD + ALLOW + 'hours = "09:00-18:00"\nzone = "Europe/Berlin"\n'
    assert problems(text) == [
        "15: allow[0].zone: cannot be read: this machine has no time zone database; install tzdata"
    ]
