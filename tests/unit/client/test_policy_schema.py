"""The schema for editors says what the reader says, as far as a schema can."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from sshjit.policy import PolicyError, fields, load
from sshjit_client.policy import schema
from tests.support import decisions
from tests.unit.sshjit.policy_texts import ALLOW, BREAK_GLASS, HEAD
from tests.unit.sshjit.policy_world import TEXT
from tests.unit.sshjit.test_policy_properties import policy_texts

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "docs" / "policy.schema.json"
VALIDATOR = Draft202012Validator(schema.schema())
WHOLE = (
    TEXT
    + """
[[allow]]
name = "everything"
roles = ["sre"]
hosts = { env = ["prod", "staging"] }
logins = ["deploy"]
actions = ["shell"]
days = ["mon"]
hours = "22:00-04:00"
zone = "Europe/Berlin"
reason = { pattern = "x", prompt = "Why" }
fresh_login = "15m"
mfa = true
hardware_key = false
approvals = [
  { from = "sre-lead", count = 2, signed = true, not_own = "team" },
  { from = "@team", count = 1, escalate = { to = "dba", after = "10m", tell = ["pager"] } },
]
limits = { person = { open = 1, week = 5 }, rule = { open = 20 } }
pending = "30m"
use_by = "15m"
grant = "1h30m"
certificate = "5m"
max_hosts = 4
source = "client"
forwarding = []
extend = { count = 1, by = "1h" }
[owners.team]
label = "role"
roles = { db = "dba", web = "sre" }
"""
)


def plain(value: Any) -> Any:
    """A TOML value as editors hand it to a schema: dates are strings."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


def fits(document: Any) -> bool:
    return bool(VALIDATOR.is_valid(plain(document)))


def reads(text: str) -> bool:
    try:
        load(text)
    except PolicyError:
        return False
    return True


def test_the_schema_is_one_and_the_file_is_it() -> None:
    Draft202012Validator.check_schema(schema.schema())
    assert FILE.read_text(encoding="utf-8") == schema.text(), "ssh-jit policy schema > docs/policy.schema.json"
    assert json.loads(schema.text())["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize(
    "text",
    [TEXT, WHOLE, (ROOT / "ca/etc/policy.toml").read_text(), (decisions.FOLDER / "policy.toml").read_text()],
    ids=["shared", "whole", "example", "decisions"],
)
def test_good_policies_fit(text: str) -> None:
    assert reads(text)
    assert list(VALIDATOR.iter_errors(plain(tomllib.loads(text)))) == []


@settings(max_examples=150, deadline=None)
@given(policy_texts())
def test_whatever_the_reader_takes_fits(text: str) -> None:
    assert fits(tomllib.loads(text))


def tables(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every table of a document."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from tables(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from tables(item, (*path, number))


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


@pytest.mark.parametrize("path", list(tables(tomllib.loads(WHOLE))), ids=str)
def test_an_unknown_key_does_not_fit_anywhere(path: tuple[str | int, ...]) -> None:
    """Where keys are names of one's own, what the name holds is of the wrong kind."""
    document = tomllib.loads(WHOLE)
    at(document, path)["nonsense"] = 5
    assert not fits(document)


KNOWN: dict[str, fields.Fields] = {
    "": fields.TOP,
    "permissions": fields.ALLOWED_TO,
    "actions.": fields.ACTION,
    "labels.": fields.LABEL,
    "deny.": fields.DENY,
    "allow.": fields.ALLOW,
    "break_glass.": fields.BREAK_GLASS,
    "allow..reason": fields.REASON,
    "allow..extend": fields.EXTEND,
    "allow..approvals.": fields.STEP,
    "allow..approvals..escalate": fields.ESCALATE,
    "allow..limits": fields.LIMITS,
    "allow..limits.person": fields.LIMIT,
    "owners.": fields.OWNERS,
    "roles..": fields.SOURCE,
    "terms.": fields.TERMS,
    "never.": fields.NEVER,
    "files.": fields.CALENDAR_FILE,
    "calendars.": fields.CALENDAR,
}
"""A place in a policy, numbers and names of one's own left out -> the keys that the reader knows there."""


def place(path: tuple[str | int, ...]) -> str:
    return ".".join("" if number == 1 or isinstance(part, int) else part for number, part in enumerate(path))


def schema_at(where: str) -> Any:
    """The part of the schema for a place; of alternatives the table."""
    part_schema = schema.schema()
    for part in where.split(".") if where else ():
        part_schema = (
            part_schema["properties"][part] if part else part_schema.get("items") or part_schema["additionalProperties"]
        )
        part_schema = next((each for each in part_schema.get("anyOf", ()) if each.get("type") == "object"), part_schema)
    return part_schema


@pytest.mark.parametrize("where", KNOWN)
def test_the_schema_has_the_readers_keys_and_no_others(where: str) -> None:
    part = schema_at(where)
    assert part["properties"].keys() == KNOWN[where].keys()
    needed = {key for key, needed in KNOWN[where].items() if needed}
    if "terms" in KNOWN[where] and where:  # what sets of terms may say need not be in the rule
        assert {"required": ["terms"]} in part["anyOf"]
        assert {*part["anyOf"][1]["required"]} == needed & fields.TERMS.keys()
        needed -= fields.TERMS.keys()
    assert set(part["required"]) == needed
    assert part["additionalProperties"] is False
    assert all(each.get("description") or "const" in each or "items" in each for each in part["properties"].values())


def known_at(path: tuple[str | int, ...]) -> fields.Fields:
    return KNOWN.get(place(path), {})


NEEDED = [(path, key) for path in tables(tomllib.loads(WHOLE)) for key, needed in known_at(path).items() if needed]


@pytest.mark.parametrize(("path", "key"), NEEDED, ids=str)
def test_what_must_be_there_is_missed(path: tuple[str | int, ...], key: str) -> None:
    document = tomllib.loads(WHOLE)
    del at(document, path)[key]
    assert not fits(document)


@pytest.mark.parametrize(
    "line",
    [
        'grnt = "1h"',
        "max_hosts = 0",
        "max_hosts = 257",
        "max_hosts = 1.5",
        "mfa = 1",
        "reason = true",
        'reason = { patern = "x" }',
        'source = "anywhere"',
        "source = []",
        'forwarding = ["agents"]',
        "extend = { count = 1 }",
        'extend = { count = 21, by = "1h" }',
        "limits = {}",
        "limits = { person = {} }",
        "limits = { person = { open = 0 } }",
        "limits = { persons = { open = 1 } }",
        "limits = { person = { opened = 1 } }",
        'limits = { rule = { week = "3" } }',
        'use_by = "-5m"',
        'use_by = "5 minutes"',
        'use_by = ""',
        'days = ["sat"]',
        "days = []\nzone = 'UTC'",
        'zone = "Europe/Berlin"',
        'hours = "9-18"\nzone = "UTC"',
        'hours = "09:00-18:00"',
        'actions = ["Shell"]',
        'actions = ["shell", "shell"]',
        'notify = ["pager"]',
        "unless_break_glass = true",
    ],
)
def test_a_wrong_line_of_a_rule_is_refused_by_both(line: str) -> None:
    text = f"{HEAD}{ALLOW}{line}\n"
    assert not reads(text)
    assert not fits(tomllib.loads(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version = 1", "version = 2"),
        ('values = ["prod", "staging"]', "values = []"),
        ('values = ["prod", "staging"]', 'values = ["prod", "a b"]'),
        ("env = {", "Env = {"),
        ('"acme/group:SRE"', '"acme:SRE"'),
        ('"acme/group:SRE"', '"acme/email:nobody"'),
        ('sre = ["acme/group:SRE"]', 'Sre = ["acme/group:SRE"]'),
        ('name = "staging"', 'name = "Staging"'),
        ('roles = ["sre"]', "roles = []"),
        ('hosts = { env = "staging" }', "hosts = {}"),
        ('hosts = { env = "staging" }', "hosts = { env = [] }"),
        ('logins = ["deploy"]', 'logins = ["De ploy"]'),
        ('logins = ["deploy"]', 'logins = ["@me"]'),
        ("approvals = []", "approvals = {}"),
        ("approvals = []", 'approvals = [{ from = "sre" }]'),
        ("approvals = []", 'approvals = [{ from = "sre", count = 0 }]'),
        ("approvals = []", 'approvals = [{ from = "sre", count = 1, not_own = "@team" }]'),
        ("approvals = []", 'approvals = [{ from = "sre", count = 1, escalate = { to = "sre" } }]'),
        ("approvals = []", 'approvals = [{ from = "sre", count = 1, escalate = { to = "sre", after = "soon" } }]'),
        ('grant = "8h"', "grant = 8"),
        ('certificate = "5m"', 'certificate = "5M"'),
    ],
)
def test_a_spoilt_line_is_refused_by_both(old: str, new: str) -> None:
    assert (HEAD + ALLOW).count(old) == 1
    text = (HEAD + ALLOW).replace(old, new)
    assert not reads(text)
    assert not fits(tomllib.loads(text))


@pytest.mark.parametrize(
    "rule",
    [
        '[[deny]]\nname = "all"\n',
        '[[deny]]\nname = "all"\nmfa = true\nlogins = ["root"]\n',
        BREAK_GLASS + "approvals = []\n",
        BREAK_GLASS + 'pending = "1h"\n',
        '[actions.shell]\ncommand = "/bin/sh"\n',
        "[actions.run]\n",
        '[permissions]\nroot = ["sre"]\n',
    ],
)
def test_a_wrong_table_is_refused_by_both(rule: str) -> None:
    assert not reads(HEAD + rule)
    assert not fits(tomllib.loads(HEAD + rule))
