"""``ssh-jit policy explain``: the decision, its terms, and every rule with where it matched or missed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from sshjit.policy import Ask, Denied, Host, Subject, load
from sshjit_client.policy.inventory import Inventory, Member
from sshjit_client.policy.question import Question, evaluate
from tests.unit.client import policy_folder
from tests.unit.client.policy_folder import NOON, PolicyFolder

CHANGE = ("--reason", "CHG-7", "--at", NOON)


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> PolicyFolder:
    monkeypatch.setenv("COLUMNS", "110")
    return policy_folder.make(tmp_path, capsys)


def test_an_approval_with_its_terms_and_who_could_give_it(folder: PolicyFolder) -> None:
    result = folder.run("explain", folder.policy, "--person", "dana", "--host", "db1", "--for", "2h", *CHANGE)
    assert result.code == 0
    text = result.out
    assert "dana (partner) asks to log in to db1\n" in text
    assert 'APPROVAL  rule "database" allows logging in to db1 as postgres for 1 h once it is approved' in text
    assert "1 of dba: dan\n" in text
    assert "1 of sre-lead, signed: bob\n" in text
    assert "1 h (the most that this rule allows), until 2026-03-04 17:00 UTC at the latest" in text
    assert "✓ database" in text
    assert "= lax-database        allow        matches, but another rule decides" in text
    assert "it is for deploy and the requester's own user name, not postgres" in text
    assert "\x1b" not in text


def test_a_refusal_says_what_each_rule_misses(folder: PolicyFolder) -> None:
    result = folder.run(
        "explain", folder.policy, "--person", "alice", "--host", "db1", "--login", "postgres", "--at", NOON
    )
    assert "DENIED  no rule allows logging in to db1 as postgres" in result.out
    assert "postgres on db1 needs the role dba (rule database); roles held: sre" in result.out
    assert "it is for the role dba, which is not held" in result.out


def test_step_ups_denies_commands_and_break_glass(folder: PolicyFolder) -> None:
    secrets = folder.run("explain", folder.policy, "--person", "alice", "--host", "vault1", "--at", NOON)
    assert "STEP-UP  " in secrets.out
    assert "needs  mfa" in secrets.out
    frozen = folder.run("explain", folder.policy, "--person", "dana", "--host", "db1", "--at", "2026-03-07T12:00Z")
    assert "✗ weekend-freeze" in frozen.out
    exact = folder.run(
        "explain", folder.policy, "--person", "dana", "--host", "db1", "--command", "pg_dump", "--at", NOON
    )
    assert "forced command  pg_dump" in exact.out
    fire = ("--break-glass", "--reason", "the site is down", "--at", NOON)
    alarm = folder.run("explain", folder.policy, "--person", "alice", "--host", "db1", "--host", "app1", *fire)
    assert 'ALLOWED  rule "on-call" allows logging in to db1 and app1 as root for 30 min' in alarm.out
    assert "notifies       pager" in alarm.out


def test_what_is_to_begin_later_goes_by_the_hours_of_then(folder: PolicyFolder) -> None:
    words = ("explain", folder.policy, "--person", "rita", "--host", "app1", "--action", "restart", "--at", NOON)
    assert "DENIED" in folder.run(*words).out
    later = folder.run(*words, "--start", "2026-03-06 23:00 Europe/Berlin")
    assert "ALLOWED" in later.out
    assert "start  2026-03-06 22:00 UTC" in later.out


def test_a_start_that_the_ca_would_not_take_is_refused(folder: PolicyFolder) -> None:
    words = ("explain", folder.policy, "--person", "alice", "--host", "web1", "--at", NOON, "--start")
    far = folder.run(*words, "2026-05-01 12:00 Europe/Berlin")
    assert "DENIED  a window begins at most 30 days ahead" in far.out
    assert "code  bad_start" in far.out
    assert "ALLOWED" in folder.run(*words, "2026-04-03 12:00 Europe/Berlin").out
    fire = ("--break-glass", "--reason", "the site is down")
    assert "bad_start" in folder.run(*words, "2026-03-04 12:01 Europe/Berlin", *fire).out
    past = folder.run(*words, "2026-03-04 11:00 Europe/Berlin", *fire)
    assert "bad_start" not in past.out


def test_more_people_are_needed_than_the_inventory_has(folder: PolicyFolder) -> None:
    path = folder.changed(('[{ from = "dba", count = 1 }, { from', '[{ from = "dba", count = 2 }, { from'))
    words = ("explain", path, "--person", "dana", "--host", "db1", *CHANGE)
    result = folder.run(*words)
    assert "2 of dba: dan; 1 more is needed\n" in result.out
    assert "1 of sre-lead, signed: bob\n" in result.out
    assert folder.run(*words, "--json").json["outcome"]["lacking"] == {"dba": 1}


def test_one_person_does_not_fill_two_steps(folder: PolicyFolder) -> None:
    path = folder.changed(('sre-lead = ["acme/group:SRE Leads"]', 'sre-lead = ["acme/group:Database"]'))
    result = folder.run("explain", path, "--person", "dana", "--host", "db1", *CHANGE)
    assert "1 of dba: dan\n" in result.out
    assert "1 of sre-lead, signed: dan; 1 more is needed\n" in result.out


def test_json_has_it_all(folder: PolicyFolder) -> None:
    explanation = folder.run("explain", folder.policy, "--json", "--person", "dana", "--host", "db1", *CHANGE).json
    assert (explanation["person"], explanation["roles"], explanation["hosts"]) == ("dana", ["dba"], ["db1"])
    outcome = explanation["outcome"]
    assert (outcome["verdict"], outcome["rule"], outcome["as"], outcome["duration"]) == (
        "approval",
        "database",
        "postgres",
        3600,
    )
    assert outcome["approvers"] == {"dba": ["dan"], "sre-lead": ["bob"]}
    by_name = {rule["name"]: rule for rule in explanation["rules"]}
    assert len(by_name) == 13
    assert by_name["database"]["decides"]
    assert by_name["secrets"]["misses"][0] == {
        "matcher": "roles",
        "host": None,
        "reason": "it is for the role sre, which is not held",
    }


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            ("--person", "alise", "--host", "db1"),
            'there is no person "alise" in the inventory',
            'did you mean "alice"?',
        ),
        (("--person", "alice", "--host", "db"), 'there is no host "db" in the inventory', "did you mean"),
        (("--person", "alice", "--host", "db1", "--for", "2 h"), "'2 h' is not a duration", "write it like"),
        (("--person", "alice", "--host", "db1", "--at", "noon"), "'noon' is not a time", "write it like"),
        (("--person", "alice", "--host", "db1", "--at", "2026-02-30"), "is not a valid time", "write it like"),
        (("--person", "alice", "--host", "db1", "--at", "2026-03-01 Mars"), "is not a valid time", "write it"),
        (("--person", "alice"), "the following arguments are required: --host", "ssh-jit policy explain --help"),
    ],
)
def test_what_is_typed_wrongly(folder: PolicyFolder, words: tuple[str, ...], message: str, hint: str) -> None:
    result = folder.run("explain", folder.policy, *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert f"hint: {hint}" in result.err


def test_an_inventory_is_read_as_strictly_as_a_policy(folder: PolicyFolder) -> None:
    path = folder.write(
        "wrong.toml",
        'version = 1\n[people.x]\nprovder = "acme"\ngroups = "SRE"\nemails = ["x"]\nsigned_in = "soon"\n'
        '[hosts]\nw1 = { env = "prd" }\nw2 = {}\nW3 = { env = "prod" }\nw4 = { en = "prod", env = 5 }\n[hst]\n',
    )
    result = folder.run("explain", folder.policy, "--person", "x", "--host", "w1", "--inventory", path)
    assert result.code == 2
    assert [line.removeprefix(f"{path}:") for line in result.err.splitlines()] == [
        "2: people.x.provider: missing",
        '3: people.x.provder: unknown key; did you mean "provider"?',
        "4: people.x.groups: must be a list, is a string",
        "5: people.x.emails[0]: 'x' is not an e-mail address",
        '6: people.x.signed_in: \'soon\' is not a duration; write it like "8h", "30m", "1h30m"',
        '8: hosts.w1: the label "env" has no value "prd"; did you mean "prod"?',
        '9: hosts.w2: the label "env" is missing',
        "10: hosts.W3: 'W3' is not a host name (lower-case letters, digits, '-', '.')",
        "11: hosts.w4.env: must be a string, is a whole number",
        '12: hst: unknown key; did you mean "hosts"?',
        f"ssh-jit: {path}: 10 problems",
    ]


def on_a_terminal(folder: PolicyFolder, **env: str) -> str:
    """What a person sees who runs it in a terminal."""
    ours, theirs = pty.openpty()
    words = ["explain", str(folder.policy), "--person", "alice", "--host", "web1", "--at", NOON]
    done = subprocess.run(
        [sys.executable, "-m", "sshjit_client", "policy", *words],
        env={**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", **env},
        stdout=theirs,
        check=True,
    )
    assert done.returncode == 0
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 1 << 16):
            text += part
    except OSError:  # Linux says so that nobody writes to the other side any more
        pass
    os.close(ours)
    return text.decode()


def test_colour_is_for_a_terminal_that_wants_it(folder: PolicyFolder) -> None:
    assert "\x1b[1;32mALLOWED\x1b[0m" in on_a_terminal(folder)
    assert "\x1b" not in on_a_terminal(folder, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(folder, TERM="dumb")


def test_texts_of_a_policy_cannot_steer_the_terminal(folder: PolicyFolder) -> None:
    path = folder.changed(('prompt = "Incident or change number"', 'prompt = "\\u001b[2Jgone\\u202e"'))
    result = folder.run("explain", path, "--person", "dana", "--host", "db1", "--at", NOON)
    assert "\x1b" not in result.out
    assert "\\x1b[2Jgone\\u202e" in result.out


def test_lines_are_as_wide_as_the_terminal(folder: PolicyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = folder.run("explain", folder.policy, "--person", "dana", "--host", "db1", *CHANGE)
    assert max(map(len, result.out.splitlines())) <= 80


def test_the_team_of_a_second_account_in_the_inventory_is_ones_own_too() -> None:
    text = (
        'version = 1\n[labels]\nteam = {}\n[roles]\npay = ["acme/group:Pay"]\nfind = ["acme/group:Find"]\n'
        '[owners.team]\nlabel = "team"\nroles = { a = "pay", b = "find" }\n[[allow]]\nname = "x"\nroles = ["find"]\n'
        'hosts = {}\nlogins = ["deploy"]\napprovals = [{ from = "pay", count = 1, not_own = "team" }]\n'
        'grant = "1h"\ncertificate = "5m"\n'
    ).replace("hosts = {}\n", 'hosts = { team = "b" }\n')
    groups = {"ann": "Find", "ann-2": "Pay", "bob": "Pay"}
    people = {
        name: Member(name, Subject(name, "acme", frozenset({group}), frozenset({f"{name[:3]}@example.com"})))
        for name, group in groups.items()
    }
    host = Host("h", "h", (("team", "b"),))
    asked = Question(load(text), Inventory({"h": host}, people), people["ann"].subject, (host,), Ask("deploy"), 0)
    outcome = evaluate(asked)
    assert isinstance(outcome, Denied), "whoever could approve is of a team of hers, by her other account"
    assert outcome.code == "nobody_can_approve"
