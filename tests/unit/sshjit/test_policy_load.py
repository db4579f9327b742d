"""Policy texts that are not taken, and exactly what is said about them."""

from __future__ import annotations

import hashlib

import pytest

from sshjit.policy import Host, PolicyError, check_labels, load, providers_of
from tests.unit.sshjit import policy_world as world
from tests.unit.sshjit.policy_texts import ALLOW, BREAK_GLASS, HEAD, problems

KEYS = "roles, not_roles, hosts, logins, actions, days, not_days, hours, from, until, zone, networks, not_networks"


def test_a_good_text_is_taken_and_known_by_its_digest() -> None:
    policy = world.POLICY
    assert policy.digest == hashlib.sha256(world.TEXT.encode()).hexdigest()
    assert [rule.name for rule in policy.allows] == ["staging", "prod-database", "lax-database"]
    assert providers_of(policy) == {"acme", "partner"}
    database = policy.allows[1]
    assert (database.grant, database.certificate, database.pending, database.use_by) == (3600, 300, 1800, 1200)
    assert policy.break_glass[0].fresh_login == 900
    assert load(HEAD + ALLOW + BREAK_GLASS).allows[0].match.actions == ("shell",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1: version: missing; write version = 1"]),
        ("version = 2", ["1: version: must be 1, is 2"]),
        ("version = 1\nallows = 1", ['2: allows: unknown key; did you mean "allow"?']),
        ("version = 1\nversion = 1", ["2: cannot overwrite a value"]),
        ("version = 1\n[allow", ["2: expected ']' at the end of a table declaration"]),
        ("version = 1\n[allow]", ["2: allow: must be a list, is a table"]),
        ("version = 1\nallow = [1]", None),
        ('version = 1\nx = "', ["2: unterminated string"]),
        ("version = 1\nx = 08\n", ["2: expected newline or end of document after a statement in column 6"]),
        ("version = 1\n[labels]\nEnv = {}", ["3: labels.Env: 'Env' is not a label's name"]),
        (
            'version = 1\n[labels]\nenv = { values = ["a b"] }',
            ["3: labels.env.values[0]: 'a b' is not a label's value"],
        ),
        (
            "version = 1\n[labels]\nenv = { values = [] }",
            ["3: labels.env.values: must not be empty: it would match no value"],
        ),
        (
            "version = 1\n[labels]\nenv = { require = true }",
            ['3: labels.env.require: unknown key; did you mean "required"?'],
        ),
        (
            'version = 1\n[actions.shell]\ncommand = "ls"',
            ['2: actions.shell: "shell" is the name of a built-in action'],
        ),
        ("version = 1\n[actions.x]", ["2: actions.x.command: missing"]),
        (
            'version = 1\n[actions.x]\ncommand = "a\\nb"',
            ["3: actions.x.command: a command is 1 to 1000 printable ASCII characters on one line"],
        ),
        ("version = 1\n[permissions]\nlook = []", None),
        ('version = 1\n[permissions]\nlock = ["x"]', ['3: permissions.lock[0]: there is no role "x"']),
        ("version = 1\n[[deny]]\nname = 'all'", None),
    ],
)
def test_what_is_wrong_with_the_rest(text: str, expected: list[str] | None) -> None:
    found = problems(text)
    if expected is not None:
        assert found == expected
    elif "allow = [1]" in text:
        assert found[0] == "2: allow[0]: must be a table, is a whole number"
    elif "look" in text:
        assert found == ['3: permissions.look: unknown key; did you mean "lock"?']
    else:
        assert found == [f"2: deny[0]: matches everything; say what it denies, by {KEYS}"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            '"SRE"',
            '[0]: \'SRE\' is not a source of a role; write "<provider>/group:<name>" or "<provider>/email:<address>"',
        ),
        ('"acme/groups:SRE"', None),
        ('"acme/group:"', None),
        (
            '"Acme/group:SRE"',
            '[0]: \'Acme\' is not a provider\'s name; write "<provider>/group:<name>" or "<provider>/email:<address>"',
        ),
        ('"acme/email:dana"', "[0]: 'dana' is not an e-mail address"),
        (
            '{ from = "acme/group:SRE", until = "2026-12-31" }',
            "[0].until: must be a date, is a string; write it like until = 2026-12-31",
        ),
        ('{ from = "acme/group:SRE", til = 2026-12-31 }', '[0].til: unknown key; did you mean "until"?'),
        ("{ until = 2026-12-31 }", "[0].from: missing"),
        ("5", "[0]: must be a table, is a whole number"),
    ],
)
def test_t60_sources_are_typed(source: str, expected: str | None) -> None:
    found = problems(f"version = 1\n[roles]\nsre = [{source}]")
    assert len(found) == 1
    assert found[0] == f"3: roles.sre{expected}" if expected else "is not a source of a role" in found[0]


def test_all_problems_are_told_by_line() -> None:
    text = HEAD + ALLOW.replace('"8h"', '"8"') + BREAK_GLASS.replace("root", "1root")
    assert problems(text + "[[deny]]\nname = 'staging'\nlogin = ['root']\n") == [
        '7: allow[0].name: "staging" is the name of deny[0] already; give it another name',
        '12: allow[0].grant: \'8\' is not a duration; write it like "8h", "30m", "1h30m"',
        (
            "18: break_glass[0].logins[0]: '1root' is not an account name (letters, digits, '.', '_' and '-', "
            "not a digit, '.' or '-' first; '$' may be the last)"
        ),
        f"22: deny[0]: matches everything; say what it denies, by {KEYS}",
        '24: deny[0].login: unknown key; did you mean "logins"?',
    ]


def test_names_are_unique_over_all_kinds_of_rules() -> None:
    text = HEAD + ALLOW + BREAK_GLASS.replace("on-call", "staging")
    assert problems(text) == [
        '15: break_glass[0].name: "staging" is the name of allow[0] already; give it another name'
    ]


@pytest.mark.parametrize("key", ["name", "roles", "hosts", "logins", "grant", "certificate", "review_within"])
def test_a_break_glass_rule_leaves_nothing_open(key: str) -> None:
    lines = [line for line in BREAK_GLASS.splitlines() if not line.startswith(key)]
    assert problems(HEAD + "\n".join(lines)) == [f"6: break_glass[0].{key}: missing"]


@pytest.mark.parametrize("key", ["name", "roles", "hosts", "logins", "grant", "certificate", "approvals"])
def test_t04_an_allow_rule_leaves_nothing_open(key: str) -> None:
    lines = [line for line in ALLOW.splitlines() if not line.startswith(key)]
    assert [line.partition(";")[0] for line in problems(HEAD + "\n".join(lines))] == [f"6: allow[0].{key}: missing"]


def test_the_file_is_named() -> None:
    with pytest.raises(PolicyError, match=r"^/etc/ssh-jit/policy\.toml:1: version: missing") as caught:
        load("", file="/etc/ssh-jit/policy.toml")
    assert caught.value.message == f"the policy has 1 problem:\n{caught.value}"


def test_depth_is_no_way_to_break_the_loader() -> None:
    assert problems("version = 1\nx = " + "[" * 5000 + "]" * 5000) == ["1: is nested too deeply"]


def test_t62_labels_are_checked_when_a_host_is_enrolled() -> None:
    policy = world.POLICY
    assert check_labels(policy, dict(world.DB1.labels)) == ()
    assert check_labels(policy, Host("h", "h", (("rolle", "db"), ("env", "prd"))).by_label) == (
        'there is no label "rolle"; did you mean "role"?',
        'the label "env" has no value "prd"; did you mean "prod"?',
    )
    assert check_labels(policy, {"role": "anything"}) == ('the label "env" is missing',)
