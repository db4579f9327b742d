"""``ssh-jit policy check``: every problem by file, line and key; warnings only of what is certain."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from sshjit.policy import load
from sshjit_client.policy import lint
from tests.unit.client import policy_folder
from tests.unit.client.policy_folder import PolicyFolder
from tests.unit.sshjit.policy_texts import ALLOW, BREAK_GLASS, HEAD
from tests.unit.sshjit.policy_world import TEXT, WEDNESDAY

REQUIRED = HEAD.replace("] }", "], required = true }", 1)


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> PolicyFolder:
    return policy_folder.make(tmp_path, capsys)


def test_a_good_policy_is_good(folder: PolicyFolder) -> None:
    result = folder.run("check", folder.write("good.toml", HEAD + ALLOW))
    assert result.code == 0
    assert result.err == ""
    assert result.out.startswith(f"good: {folder.path}/good.toml, rules: 1 allow, 0 deny, 0 break-glass; ")


def test_every_problem_of_a_bad_one_is_said_at_once_with_its_place(folder: PolicyFolder) -> None:
    path = folder.changed(
        ('certificate = "1m"', 'certificate = "1m"\nmfaa = true'), ('roles       = ["guest"]', 'roles = ["gust"]')
    )
    result = folder.run("check", path)
    assert result.code == 2
    assert result.out == ""
    lines = result.err.splitlines()
    assert lines[0].startswith(f"{path}:")
    assert lines[0].endswith(': allow[2].mfaa: unknown key; did you mean "mfa"?')
    assert lines[1].endswith(': allow[6].roles[0]: there is no role "gust"; did you mean "guest"?')
    assert lines[2:] == [f"ssh-jit: {path}: 2 problems"]
    problems = folder.run("check", "--json", path).json["problems"]
    assert [each["key"] for each in problems] == ["allow[2].mfaa", "allow[6].roles[0]"]
    text = path.read_text().splitlines()
    assert "mfaa" in text[problems[0]["line"] - 1]
    assert "gust" in text[problems[1]["line"] - 1]


def test_a_file_that_cannot_be_read_is_an_error_of_its_own(folder: PolicyFolder) -> None:
    result = folder.run("check", folder.path / "none.toml")
    assert (result.code, result.out) == (2, "")
    assert "none.toml cannot be read: No such file or directory" in result.err
    (folder.path / "bytes.toml").write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in folder.run("check", folder.path / "bytes.toml").err


def warned(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "p.toml"
    path.write_text(text)
    found = lint.warnings(load(text), path, WEDNESDAY)
    return [f"{each.key}: {each.message}" for each in found]


def test_a_sentence_whose_within_has_passed_is_warned_of(tmp_path: Path) -> None:
    sentence = '[[never]]\nname = "x"\nlogin = "root"\nwithin = 2026-03-0'
    found = warned(tmp_path, f"{REQUIRED}{sentence}4\n{sentence.replace('x', 'y')}3\n{ALLOW}")
    assert found == ["never[1].within: it is over: nothing is proved of the sentence any more"]


FIRST = """[[allow]]
name = "first"
roles = ["sre"]
hosts = { env = ["prod", "staging"] }
logins = ["deploy", "root"]
approvals = []
grant = "1h"
certificate = "5m"
"""
SHADOWED = 'allow[1]: never decides: rule "first" before it matches everything that it matches'


def test_a_rule_that_an_earlier_one_shadows(tmp_path: Path) -> None:
    assert warned(tmp_path, HEAD + FIRST + ALLOW) == [SHADOWED]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('env = ["prod", "staging"]', 'env = ["prod"]'),
        ('logins = ["deploy", "root"]', 'logins = ["root", "@own"]'),
        ("approvals = []\n", 'approvals = []\nactions = ["command"]\n'),
        ("approvals = []\n", 'approvals = []\nhours = "09:00-18:00"\nzone = "UTC"\n'),
        ('roles = ["sre"]\nhosts', 'roles = ["dba"]\nhosts'),
    ],
)
def test_a_rule_that_may_decide_is_not_called_shadowed(tmp_path: Path, old: str, new: str) -> None:
    roles = HEAD + 'dba = ["acme/group:Database"]\n'
    assert FIRST.count(old) == 1
    assert SHADOWED not in warned(tmp_path, roles + FIRST.replace(old, new) + ALLOW)


def test_the_same_hours_shadow_and_all_hours_do(tmp_path: Path) -> None:
    hours = 'hours = "09:00-18:00"\nzone = "UTC"\n'
    assert warned(tmp_path, HEAD + FIRST + hours + ALLOW + hours) == [SHADOWED]
    always = 'hours = "00:00-24:00"\nzone = "UTC"\n'
    assert warned(tmp_path, HEAD + FIRST + always + ALLOW) == [SHADOWED]


def test_a_deny_that_leaves_nothing_of_a_rule(tmp_path: Path) -> None:
    deny = '[[deny]]\nname = "stop"\nhosts = { env = ["staging", "prod"] }\n'
    assert warned(tmp_path, HEAD + deny + ALLOW) == [
        'allow[0]: never allows anything: deny "stop" matches everything that it matches'
    ]
    assert warned(tmp_path, HEAD + deny.replace('["staging", "prod"]', '"prod"') + ALLOW) == []
    assert warned(tmp_path, HEAD + deny + 'logins = ["root"]\n' + ALLOW) == []
    assert warned(tmp_path, HEAD + deny + 'days = ["sat"]\nzone = "UTC"\n' + ALLOW) == []


def test_the_end_of_a_source_that_a_deny_looks_at(tmp_path: Path) -> None:
    ending = HEAD + 'guest = [{ from = "acme/group:Guests", until = 2027-03-03 }, "acme/group:Visitors"]\n'
    deny = '[[deny]]\nname = "no-guests"\nroles = ["guest"]\n'
    assert warned(tmp_path, ending + deny + ALLOW) == [
        'roles.guest[0]: its end does not end the deny "no-guests", which names this role'
    ]
    assert warned(tmp_path, ending + ALLOW.replace('["sre"]', '["sre", "guest"]')) == []


def test_a_deny_of_the_same_hours_covers_a_rule(tmp_path: Path) -> None:
    hours = 'hours = "09:00-18:00"\nzone = "Europe/Berlin"\n'
    deny = f'[[deny]]\nname = "office"\nhosts = {{ env = "staging" }}\n{hours}'
    assert warned(tmp_path, HEAD + deny + ALLOW + hours) == [
        'allow[0]: never allows anything: deny "office" matches everything that it matches'
    ]


BY_ONE = 'approvals = [{ from = "sre", count = 1 }]'
STRICT = ALLOW.replace('"staging"', '"strict"', 1).replace("approvals = []", BY_ONE) + "mfa = true\n"
HOURS = 'hours = "09:00-18:00"\nzone = "UTC"\n'


def test_a_laxer_rule_decides_outside_the_hours(tmp_path: Path) -> None:
    warning = 'outside its time rule "staging" decides, which asks for less: approvals and mfa'
    assert warned(tmp_path, REQUIRED + STRICT + HOURS + ALLOW) == [f"allow[0].hours: {warning}"]
    dates = 'until = 2027-03-04\nzone = "UTC"\n'
    assert warned(tmp_path, REQUIRED + STRICT + dates + ALLOW) == [f"allow[0].hours: {warning}"]


@pytest.mark.parametrize(
    "when",
    [
        'days = ["mon"]\nzone = "UTC"\n',
        'days = ["release"]\nzone = "UTC"\n',
        'not_days = ["release"]\nzone = "UTC"\n',
        'from = 2027-03-04\nzone = "UTC"\n',
        'until = 2027-03-04\nzone = "UTC"\n',
        HOURS,
    ],
)
@pytest.mark.parametrize(
    ("more", "less"),
    [
        ("mfa = true\n", "mfa"),
        ("reason = {}\n", "reason"),
        ('reason = { pattern = "CHG-[0-9]+" }\nticket = "jira"\n', "reason and ticket"),
        ('networks = ["10.0.0.0/8"]\n', "networks"),
        ("signed_request = true\n", "signed_request"),
    ],
)
def test_a_laxer_rule_decides_outside_each_kind_of_time(tmp_path: Path, when: str, more: str, less: str) -> None:
    head = REQUIRED + "[calendars]\nrelease = [2027-03-04]\n[tickets.jira]\nexpect.open = true\n"
    strict = ALLOW.replace('"staging"', '"strict"', 1) + more
    warning = f'allow[0].hours: outside its time rule "staging" decides, which asks for less: {less}'
    assert warning in warned(tmp_path, head + strict + when + ALLOW)


@pytest.mark.parametrize(
    "freeze",
    [
        'from = 2027-01-01\nuntil = 2027-01-03\nzone = "UTC"\n',
        'not_networks = ["10.0.0.0/8"]\n',
        'networks = ["10.0.0.0/8"]\n',
    ],
)
def test_a_deny_that_passes_or_is_about_some_networks_hides_no_laxer_rule(tmp_path: Path, freeze: str) -> None:
    deny = f'[[deny]]\nname = "freeze"\nhosts = {{ env = "staging" }}\n{freeze}'
    warning = 'allow[0].hours: outside its time rule "staging" decides, which asks for less: approvals and mfa'
    assert warning in warned(tmp_path, REQUIRED + deny + STRICT + HOURS + ALLOW)


LESS = 'outside its time rule "staging" decides, which asks for less: '


def timed_deny(*lines: str, name: str = "freeze") -> str:
    return f'[[deny]]\nname = "{name}"\n' + 'hosts = { env = "staging" }\n' + "".join(f"{line}\n" for line in lines)


DAY = timed_deny('hours = "09:00-18:00"', 'zone = "UTC"')
NIGHT = timed_deny('hours = "18:00-09:00"', 'zone = "UTC"', name="night")


@pytest.mark.parametrize(
    "denies",
    [
        timed_deny('days = ["sat", "sun"]', 'zone = "Europe/Berlin"'),
        timed_deny('days = ["sat"]', 'zone = "UTC"') + timed_deny('days = ["sun"]', 'zone = "UTC"', name="other"),
        timed_deny('hours = "18:00-08:59"', 'zone = "UTC"'),
        timed_deny('hours = "19:00-10:00"', 'zone = "Europe/Berlin"'),
        timed_deny('hours = "18:00-09:00"', "from = 2027-01-01", 'zone = "UTC"'),
        timed_deny('hours = "18:00-09:00"', "until = 2027-01-01", 'zone = "UTC"'),
    ],
    ids=["weekend", "two-days", "a-minute-left", "other-zone", "later", "earlier"],
)
def test_a_deny_of_other_times_hides_no_laxer_rule(tmp_path: Path, denies: str) -> None:
    """Beside a rule of 09:00 to 18:00 by UTC; the hours in Berlin leave an hour of the day once its clocks change."""
    assert warned(tmp_path, REQUIRED + denies + STRICT + HOURS + ALLOW) == [f"allow[0].hours: {LESS}approvals and mfa"]


@pytest.mark.parametrize(
    "denies",
    [
        timed_deny('days = ["mon", "tue", "wed", "thu", "fri"]', 'hours = "18:00-09:00"', 'zone = "UTC"')
        + timed_deny('days = ["sat", "sun"]', 'hours = "18:00-09:00"', 'zone = "UTC"', name="other"),
        timed_deny('hours = "17:00-10:00"', 'zone = "UTC"'),
        timed_deny('hours = "18:00-09:00"', "until = 2027-01-01", 'zone = "UTC"')
        + timed_deny('hours = "18:00-09:00"', "from = 2027-01-02", 'zone = "UTC"', name="other"),
        timed_deny('hours = "18:00-09:00"', "from = 2026-01-01", 'zone = "UTC"'),
    ],
    ids=["all-nights", "more", "one-after-another", "since-long"],
)
def test_denies_that_leave_no_time_beside_the_hours_hide_the_laxer_rule(tmp_path: Path, denies: str) -> None:
    assert warned(tmp_path, REQUIRED + denies + STRICT + HOURS + ALLOW) == []


def test_hours_that_are_always_leave_nothing_to_a_laxer_rule(tmp_path: Path) -> None:
    for always in ('hours = "00:00-24:00"', "from = 2026-01-01"):
        every = warned(tmp_path, REQUIRED + STRICT + f'{always}\nzone = "UTC"\n' + ALLOW)
        assert not any("outside its time" in warning for warning in every), always


def test_a_deny_that_spares_emergencies_hides_no_laxer_emergency(tmp_path: Path) -> None:
    strict = BREAK_GLASS.replace('"on-call"', '"strict"') + "mfa = true\n" + HOURS
    deny = '[[deny]]\nname = "stop"\nhosts = { env = "prod" }\n'
    warning = 'break_glass[0].hours: outside its time rule "on-call" decides, which asks for less: mfa'
    rules = strict + BREAK_GLASS
    assert warning in warned(tmp_path, REQUIRED + deny + "unless_break_glass = true\n" + rules)
    assert warning not in warned(tmp_path, REQUIRED + deny + rules)


@pytest.mark.parametrize(
    ("rule", "other", "less"),
    [
        ('networks = ["10.0.0.0/8"]', 'networks = ["0.0.0.0/0"]', "networks"),
        ('networks = ["10.0.0.0/8"]', 'networks = ["10.0.0.0/8", "fd00::/8"]', "networks"),
        ('networks = ["10.0.0.0/8"]', 'networks = ["10.0.0.0/9", "10.128.0.0/9"]', ""),
        ('networks = ["10.0.0.0/8"]', 'networks = ["10.1.0.0/16"]', ""),
        ('networks = ["10.0.0.0/8"]', 'networks = ["10.1.0.0/16"]\nsource = "client"', ""),
        ('networks = ["10.0.0.0/8"]\nsource = "client"', 'networks = ["10.0.0.0/8"]', "source"),
        ('source = "client"', "", "source"),
        ('source = "client"', 'source = ["10.0.0.0/8"]', "source"),
        ('source = "client"', 'source = "client"', ""),
        ('source = ["10.0.0.0/8"]', "", "source"),
        ('source = ["10.0.0.0/8"]', 'source = "client"', "source"),
        ('source = ["10.0.0.0/8"]', 'source = ["10.0.0.0/7"]', "source"),
        ('source = ["10.0.0.0/8"]', 'source = ["10.1.0.0/16"]', ""),
        ('source = ["10.0.0.0/8"]', 'networks = ["10.1.0.0/16"]\nsource = "client"', ""),
        ('reason = { pattern = "^CHG-[0-9]+$" }', 'reason = { pattern = "." }', ""),
    ],
)
def test_networks_and_sources_are_compared_as_networks(tmp_path: Path, rule: str, other: str, less: str) -> None:
    strict = ALLOW.replace('"staging"', '"strict"', 1) + f"{rule}\n"
    wanted = [f"allow[0].hours: {LESS}{less}"] if less else []
    assert warned(tmp_path, REQUIRED + strict + HOURS + ALLOW + f"{other}\n") == wanted


def test_a_reason_of_any_form_is_laxer_than_one_of_a_certain_form(tmp_path: Path) -> None:
    strict = ALLOW.replace('"staging"', '"strict"', 1) + 'reason = { pattern = "CHG-[0-9]+" }\n'
    less = 'outside its time rule "staging" decides, which asks for less: reason'
    assert warned(tmp_path, REQUIRED + strict + HOURS + ALLOW + "reason = {}\n") == [f"allow[0].hours: {less}"]


def test_what_is_not_certain_is_no_warning(tmp_path: Path) -> None:
    """The later rule asks for as much; or another rule, or a deny, may come into it."""
    as_much = ALLOW.replace("approvals = []", BY_ONE) + "mfa = true\n"
    assert warned(tmp_path, REQUIRED + STRICT + HOURS + as_much) == []
    between = ALLOW.replace('"staging"', '"other"', 1).replace('"deploy"', '"deploy", "root"') + HOURS
    assert warned(tmp_path, REQUIRED + STRICT + HOURS + between + ALLOW) == []
    deny = '[[deny]]\nname = "night"\nhosts = { env = "staging" }\nhours = "18:00-09:00"\nzone = "UTC"\n'
    assert warned(tmp_path, REQUIRED + deny + STRICT + HOURS + ALLOW) == []


def test_a_laxer_rule_decides_for_a_host_without_the_label(tmp_path: Path) -> None:
    head = REQUIRED.replace("[roles]", "role = {}\n[roles]")
    strict = STRICT.replace('{ env = "staging" }', '{ env = "staging", role = "db" }')
    less = 'rule "staging" decides, which asks for less: approvals and mfa'
    warning = f'allow[0].hosts: for a host without the label "role", which is not required, {less}'
    assert warned(tmp_path, head + strict + ALLOW) == [warning]
    assert warned(tmp_path, head.replace("role = {}", "role = { required = true }") + strict + ALLOW) == []
    assert warned(tmp_path, head + DAY + strict + ALLOW) == [warning]
    assert warned(tmp_path, head + DAY + NIGHT + strict + ALLOW) == []
    assert warned(tmp_path, head + NIGHT + strict + HOURS + ALLOW) == [warning], "the hours are no deny"
    web = '[[deny]]\nname = "web"\nhosts = { role = "web" }\n'
    assert warned(tmp_path, head + web + strict + ALLOW) == [], "such a deny is about hosts without the label too"


OWNED = (
    REQUIRED.replace("[roles]", "team = {}\n[roles]")
    + '[owners.team]\nlabel = "team"\nroles = { a = "sre", b = "dba" }\n'
)
OWNED = OWNED.replace('sre = ["acme/group:SRE"]', 'sre = ["acme/group:SRE"]\ndba = ["acme/group:DBA"]')


def test_a_laxer_rule_decides_for_hosts_of_others(tmp_path: Path) -> None:
    strict = STRICT.replace('["sre"]', '["@team"]')
    lax = ALLOW.replace('["sre"]', '["sre", "dba"]')
    less = 'rule "staging" decides, which asks for less: approvals and mfa'
    assert warned(tmp_path, OWNED + strict + lax) == [f"allow[0].roles: for a host that is not theirs {less}"]
    by_day = warned(tmp_path, OWNED + DAY + strict + lax)
    assert by_day == [f"allow[0].roles: for a host that is not theirs {less}"]
    assert warned(tmp_path, OWNED + DAY + NIGHT + strict + lax) == []
    assert warned(tmp_path, OWNED + strict + ALLOW) == [], "who is of the other team does not come under it"
    between = lax.replace('"staging"', '"other"', 1).replace('["sre", "dba"]', '["@team"]')
    assert warned(tmp_path, OWNED + strict + between.replace('"deploy"', '"deploy", "root"') + lax) == []


def test_a_rule_without_limits_is_laxer(tmp_path: Path) -> None:
    limited = ALLOW.replace('"staging"', '"strict"', 1) + "limits = { person = { open = 1 } }\n"
    less = 'outside its time rule "staging" decides, which asks for less: limits'
    assert warned(tmp_path, REQUIRED + limited + HOURS + ALLOW) == [f"allow[0].hours: {less}"]


def test_owners_that_lead_nowhere(tmp_path: Path) -> None:
    head = OWNED.replace("team = {}", 'team = { values = ["a", "b", "c"] }')
    assert warned(tmp_path, head + ALLOW) == [
        "owners.team: no rule names them",
        'owners.team.roles: nobody owns hosts with team="c"',
    ]


def test_roles_actions_and_steps_that_lead_nowhere(tmp_path: Path) -> None:
    text = (
        HEAD
        + 'none = []\nspare = ["acme/group:Spare"]\nold = [{ from = "acme/group:Old", until = 2026-03-03 }]\n'
        + 'one = ["acme/email:eve@example.com"]\n[actions.run]\ncommand = "/bin/run"\n'
        + ALLOW.replace("approvals = []", 'approvals = [{ from = "none", count = 1 }, { from = "one", count = 2 }]')
        + ALLOW.replace('"staging"\nroles = ["sre"]', '"other"\nroles = ["old"]')
    )
    assert warned(tmp_path, text) == [
        "roles.none: has no source: nobody holds it",
        "roles.spare: no rule, step or permission names it",
        "roles.old[0]: this source ended on 2026-03-04 00:00 UTC",
        "actions.run: no rule allows it",
        'allow[0].approvals[0]: nobody can hold "none" now, so every request is refused',
        'allow[0].approvals[1]: needs 2 people of "one", which has fewer',
        "allow[1].roles: matches nobody: old cannot be held now",
    ]


def test_an_ordinary_policy_draws_no_warning(tmp_path: Path) -> None:
    assert warned(tmp_path, TEXT) == []


def test_thousands_of_rules_are_not_held_against_each_other(tmp_path: Path) -> None:
    """Counted in calls, which are the same on a busy machine: ten times the rules are about ten times the work."""

    def calls(rules: int) -> int:
        some = (ALLOW.replace('"staging"', f'"rule-{n}"', 1).replace('["deploy"]', f'["u{n}"]') for n in range(rules))
        text = HEAD + "".join(some) + ALLOW.replace('"staging"', '"last"', 1).replace('["deploy"]', '["u7"]')
        path = tmp_path / "p.toml"
        path.write_text(text)
        policy = load(text)
        with counted_calls() as count:
            (warning,) = lint.warnings(policy, path, WEDNESDAY)
        assert warning.message == 'never decides: rule "rule-7" before it matches everything that it matches'
        return count[0]

    assert calls(2000) < 20 * calls(200)


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """How many functions are called in here."""
    count = [0]

    def note(_: FrameType, event: str, __: object) -> None:
        count[0] += event.endswith("call")

    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(None)
