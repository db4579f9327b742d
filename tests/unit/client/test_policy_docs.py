"""``docs/policy.md``: its examples are good policies, and its output is what the commands print."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit import policy
from sshjit.policy import fields
from sshjit.policy.rota import parse_rota, turns_of
from sshjit_client.policy import lint
from tests.unit.client.policy_folder import CommandResult, PolicyFolder

PAGE = Path(__file__).resolve().parents[3] / "docs" / "policy.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
SHOWN = re.findall(r"^<!-- (ssh-jit policy [^\n]*) -->\n```text\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
HEAD, ALLOW, DATES, SEVERAL, LEFT_OUT, OWNERS, STEPS, LIMITS, PLACES, TICKETS, ON_CALL, SHARED, DENY, *MORE = BLOCKS
ROTA = re.findall(r"^```rota\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[0]
EDGES, EDGE_TESTS, INVENTORY, TESTS, NEVER, EDITOR, TAPLO = MORE
POLICY = f"{HEAD}\n{ALLOW}\n{DENY}"
NEW = POLICY.replace('sre-lead = ["acme/group:SRE Leads"]', 'sre-lead = ["acme/group:SRE Leads", "acme/group:SRE"]')
NEW = NEW.replace(', { from = "sre-lead", count = 1, signed = true }]', "]").replace('["sat", "sun"]', '["sun"]')


@pytest.fixture
def folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[PolicyFolder]:
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    made = PolicyFolder(tmp_path, capsys)
    typo = POLICY.replace('certificate = "5m"', 'certificat = "5m"', 1)
    texts = {"policy": POLICY, "new": NEW, "inventory": INVENTORY, "tests": TESTS, "typo": typo}
    for name, text in {**texts, "never": POLICY + NEVER}.items():
        made.write(f"{name}.toml", text)
    yield made
    monkeypatch.undo()
    time.tzset()


def run(folder: PolicyFolder, command: str) -> CommandResult:
    return folder.run(*shlex.split(command)[2:])


def test_the_contents_lead_to_each_section_and_no_link_within_the_page_is_dead() -> None:
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    contents, _, _ = prose.partition("\n## ")
    sections = [_anchor(heading) for heading in re.findall(r"^#{2,} (.+)$", prose, re.MULTILINE)]
    links = re.findall(r"\]\(#([^)]+)\)", prose)
    assert sorted(re.findall(r"\]\(#([^)]+)\)", contents)) == sorted(sections)
    assert len(set(sections)) == len(sections)
    assert set(links) - set(sections) == set()


def _anchor(heading: str) -> str:
    """What a page shown by a forge calls a heading: small letters, no punctuation, hyphens for blanks."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_examples_are_one_good_policy_without_a_warning(folder: PolicyFolder) -> None:
    example = policy.load(POLICY)
    assert [rule.name for rule in example.allows] == ["staging", "prod-database"]
    assert (example.denies[0].name, example.break_glass[0].name) == ("weekend-freeze", "on-call")
    assert lint.warnings(example, folder.policy, 1_770_000_000) == ()
    assert policy.load(EDITOR).allows == ()


def test_the_rules_by_dates_say_what_the_page_says(folder: PolicyFolder) -> None:
    folder.write("release.toml", "dates = [2026-12-30]\n")
    path = folder.write("dated.toml", POLICY + DATES)
    assert "warning" not in folder.run("check", path).out
    answers = {
        "2026-12-15 20:00": "ALLOWED",  # a Tuesday
        "2026-12-16 01:59": "ALLOWED",
        "2026-12-16 20:00": "DENIED  no rule",
        "2026-12-22 20:00": 'DENIED  rule "year-end-freeze"',
        "2027-01-03 23:59": 'DENIED  rule "',
        "2027-01-05 21:00": "ALLOWED",
    }
    for time_, answer in answers.items():
        words = ("--person", "dana", "--host", "db1", "--login", "deploy", "--at", f"{time_} Europe/Berlin")
        assert answer in folder.run("explain", path, *words).out, time_
    assert folder.run("explain", path, *words, "--json").json["policy"] != policy.load(POLICY).digest


def test_people_who_are_left_out_are_those_of_the_page(folder: PolicyFolder) -> None:
    head = HEAD[: HEAD.index("[roles]")].replace("role = {}", "")
    path = folder.write("left-out.toml", f"{head}\n{LEFT_OUT}")
    people = '[people.trainee]\nprovider = "acme"\ngroups = ["SRE", "Trainees"]\n'
    people += '[people.lead]\nprovider = "acme"\ngroups = ["SRE", "SRE Leads"]\n'
    folder.write("inventory.toml", f"{INVENTORY.replace(', role = ' + chr(34) + 'db' + chr(34), '')}\n{people}")

    def said(person: str, at: str) -> str:
        return folder.run("explain", path, "--person", person, "--host", "db1", "--at", f"{at} UTC").out

    assert "ALLOWED" in said("alice", "2026-12-01 12:00")
    assert "it is not for the role trainee" in said("trainee", "2026-12-01 12:00")
    assert 'DENIED  rule "release-freeze"' in said("alice", "2026-12-20 12:00")
    assert "ALLOWED" in said("lead", "2026-12-20 12:00")


def test_owners_steps_and_limits_are_those_of_the_page(folder: PolicyFolder) -> None:
    people = '[people.pat]\nprovider = "acme"\ngroups = ["Payments"]\n[people.lea]\nprovider = "acme"\n'
    people += 'groups = ["SRE Leads"]\n[people.don]\nprovider = "acme"\ngroups = ["Database", "Payments"]\n'
    hosts = '[hosts]\npay = { env = "prod", team = "pay" }\nfind = { env = "prod", team = "find" }\n'
    hosts += 'shared = { env = "prod", team = "shared" }\n'
    folder.write("inventory.toml", f"version = 1\n{hosts}{people}")
    owners = folder.write("owners.toml", f"version = 1\n{OWNERS}")
    assert "nobody owns hosts with team=" in folder.run("check", owners).out

    def said(path: Path, person: str, host: str) -> str:
        return folder.run("explain", path, "--person", person, "--host", host, "--at", "2026-03-04 12:00 UTC").out

    assert 'ALLOWED  rule "own-hosts"' in said(owners, "pat", "pay")
    assert 'DENIED  rule "other-teams"' in said(owners, "pat", "find")
    assert "1 of payments: don, pat" in said(owners, "lea", "pay").replace("pat, don", "don, pat")
    assert 'rule "for-others" needs an approval by the owner of shared' in said(owners, "lea", "shared")
    folder.write(
        "inventory.toml", f"version = 1\n{hosts.replace('shared =', 'other =').replace('shared', 'pay')}{people}"
    )
    steps = said(folder.write("steps.toml", f"version = 1\n{STEPS}"), "pat", "pay")
    assert "1 of dba, signed: don" in steps
    assert "1 of dba, after 20 min also of manager, not of payments: nobody in the inventory" in steps
    folder.write("inventory.toml", INVENTORY.replace("web1 =", "#").replace(', role = "db"', ""))
    assert "ALLOWED" in said(folder.write("limits.toml", f"version = 1\n{LIMITS}"), "alice", "db1")


def test_where_a_request_comes_from_counts_as_the_page_says(folder: PolicyFolder) -> None:
    path = folder.write("places.toml", f"{HEAD}\n{PLACES}\n{ALLOW}")
    cases = "".join(
        f'[[test]]\nname = "{person} {host} {address}"\nperson = "{person}"\nhosts = "{host}"\naddress = "{address}"\n'
        f'reason = "CHG-1"\nexpect = "{expect}"\n'
        for person, host, address, expect in (
            ("dana", "db1", "10.1.2.3", "approval"),
            ("dana", "db1", "192.0.2.1", "denied"),
            ("alice", "web1", "10.20.1.1", "allow"),
            ("alice", "web1", "10.1.2.3", "denied"),
        )
    )
    folder.write("tests.toml", f"version = 1\nat = 2026-03-04T12:00:00Z\n{cases}")
    assert folder.run("test", "tests.toml", "--policy", path).out == "4 passed\n"


def test_a_ticket_is_accepted_or_not_as_the_page_says(folder: PolicyFolder) -> None:
    path = folder.write("tickets.toml", f"{HEAD}\n{TICKETS}")
    cases = "".join(
        f'[[test]]\nname = "{says}"\nperson = "dan"\nhosts = "db1"\nreason = "CHG-1"\nticket = "{says}"\n{expected}'
        for says, expected in (
            ("accepted", 'expect = "allow"\n'),
            ("refused", 'expect = "denied"\ncode = "ticket_refused"\n'),
            ("missing", 'expect = "denied"\ncode = "unknown_ticket"\n'),
            ("down", 'expect = "denied"\ncode = "ticket_down"\n'),
        )
    )
    folder.write("tests.toml", f"version = 1\nat = 2026-03-04T12:00:00Z\n{cases}")
    assert folder.run("test", "tests.toml", "--policy", path).out == "4 passed\n"
    folder.write("lax.toml", path.read_text().replace('"jira"\napp', '"jira"\nticket_down = "allow"\napp'))
    assert "code" in folder.run("test", "tests.toml", "--policy", "lax.toml").out
    asked = ("--person", "dan", "--host", "db1", "--reason", "see CHG-1", "--at", "2026-03-04 12:00 UTC")
    assert "ticket        must be accepted: CHG-1, by jira" in folder.run("explain", path, *asked).out


def test_who_is_on_call_is_who_the_page_says(folder: PolicyFolder) -> None:
    head = HEAD[: HEAD.index("[roles]")]
    path = folder.write("on-call.toml", f"{head}\n{ON_CALL}")
    folder.write("inventory.toml", INVENTORY.replace('own      = "alice"', 'own      = "alice"\non_call = ["primary"]'))
    night = ("--host", "db1", "--at", "2026-03-04 22:00 Europe/Berlin")
    assert "ALLOWED" in folder.run("explain", path, "--person", "alice", *night).out
    assert "on-call, sre" in folder.run("explain", path, "--person", "alice", *night).out
    assert "DENIED" in folder.run("explain", path, "--person", "bob", *night).out
    example = policy.load(path.read_text())
    rota = parse_rota(ROTA)
    alice = policy.Subject("a", "acme", frozenset(), frozenset({"alice@example.com"}))
    (turn,) = turns_of(alice, [(example.rotas["primary"], rota)])
    assert (turn.rota, turn.end - turn.begin) == ("primary", 7 * 86400)
    lonely = policy.load(path.read_text().replace('lifetime = "8d"', 'lifetime = "2h"'))
    (turn,) = turns_of(alice, [(lonely.rotas["primary"], rota)])
    assert turn.end == rota.issued + 7200


def test_what_rules_share_says_what_the_page_says(folder: PolicyFolder) -> None:
    labels, kinds = SEVERAL.split("\n\n", 1)
    head = HEAD.replace('[labels]\nenv  = { values = ["prod", "staging"], required = true }\nrole = {}', labels)
    path = folder.write("shared.toml", f"{head}\n{kinds}\n{SHARED}")
    assert "good: " in folder.run("check", path).out
    folder.write("inventory.toml", INVENTORY.replace('role = "db"', 'role = "cache"').replace("db1", "cache1"))
    both = ("--person", "alice", "--host", "web1", "--host", "cache1", "--at", "2026-03-04 12:00 UTC")
    assert 'ALLOWED  rule "operations" allows logging in to web1 and cache1' in folder.run("explain", path, *both).out
    redis = ("--person", "dana", "--host", "cache1", "--login", "redis", "--reason", "CHG-1", "--at", both[-1])
    taken = folder.run("explain", path, *redis).out
    assert "window        30 min" in taken
    assert "required      a sign-in within 30 min, a second factor" in taken
    looser = folder.write("looser.toml", path.read_text().replace('grant  = "30m"', 'grant  = "2h"'))
    assert 'gives more than the terms "prod", which may only be tightened' in folder.run("check", looser).err


EDGE_INVENTORY = """version = 1
[hosts]
lab1 = { env = "lab" }
lab2 = { env = "lab" }
lab3 = { env = "lab" }
stage1 = { env = "stage" }
prod1 = { env = "prod" }
[people.ann]
provider = "acme"
emails = ["ANN@example.com"]
own = "ann"
mfa = true
[people.otto]
provider = "acme"
groups = ["ops"]
[people.shouting]
provider = "acme"
groups = ["DEV"]
mfa = true
"""


def test_where_two_readings_are_possible_the_page_says_which_one_counts(folder: PolicyFolder) -> None:
    folder.write("edges.toml", EDGES)
    folder.write("edges-inventory.toml", EDGE_INVENTORY)
    folder.write("tests.toml", EDGE_TESTS)
    assert run(folder, "ssh-jit policy test tests.toml").out == "23 passed\n"
    names = re.findall(r'\{ name = "([a-z]+)"', EDGE_TESTS)
    table = TEXT[TEXT.index("## Where two readings") : TEXT.index("## On your laptop")]
    cells = " ".join(re.findall(r"^\|.*\| ([^|]*) \|$", table, re.MULTILINE))
    shown = re.findall(r"`([a-z]+)`", cells)
    assert shown == names, "each line of the table has its test, in this order"


def test_sentences_in_the_file_of_tests_are_decided_with_them(folder: PolicyFolder) -> None:
    folder.write("tests.toml", f"{TESTS}\n{NEVER}")
    result = run(folder, "ssh-jit policy test tests.toml")
    assert (result.code, result.out.splitlines()[-1]) == (1, "1 failed, 4 passed")
    assert "BROKEN root-is-for-leads" in result.out
    values = run(folder, "ssh-jit policy test tests.toml --json").json
    assert [each["passed"] for each in values] == [True, True, True, True, False]
    assert values[4]["counterexample"]["labels"] == {"env": "prod"}
    folder.write("tests.toml", f"{TESTS}\n{NEVER}break_glass = false\n")
    result = run(folder, "ssh-jit policy test tests.toml")
    assert (result.code, result.out) == (0, "5 passed\n")


def test_a_sentence_that_is_over_is_said_to_be_and_not_to_hold(folder: PolicyFolder) -> None:
    folder.write("late.toml", POLICY + NEVER.replace("2027-12-31", "2026-03-03"))
    at = '--at "2026-03-04 12:00 Europe/Berlin"'
    result = run(folder, f"ssh-jit policy prove late.toml {at}")
    over = "OVER root-is-for-leads: nothing is proved of it after 2026-03-03, the last day of its within\n\n"
    assert (result.code, result.out) == (0, f"{over}1 holds, 1 over\n")
    values = run(folder, f"ssh-jit policy prove late.toml --json {at}").json
    assert [(each["over"], each["passed"]) for each in values] == [(False, True), (True, True)]
    folder.write("tests.toml", f"{TESTS}\n{NEVER.replace('2027-12-31', '2026-03-03')}")
    result = run(folder, "ssh-jit policy test tests.toml")
    assert (result.code, result.out) == (0, f"{over}4 passed, 1 over\n")


def test_an_ask_that_breaks_a_sentence_gives_a_reason_that_the_rule_takes(folder: PolicyFolder) -> None:
    """It is made up, and the form that the rule wants is shown. Nor does it matter that no approver is known here."""
    rule = POLICY.replace('pattern = "(INC|CHG)-[0-9]+"', 'pattern = "^(INC|CHG)-[0-9]+$"', 1)
    assert rule != POLICY
    folder.write("form.toml", f'{rule}[[never]]\nname = "no-postgres"\nlogin = "postgres"\n')
    command = 'ssh-jit policy prove form.toml --at "2026-03-04 12:00 Europe/Berlin"'
    result = run(folder, command)
    assert result.code == 1
    assert "  reason    of the form ^(INC|CHG)-[0-9]+$\n" in result.out
    assert '    APPROVAL  rule "prod-database" allows' in result.out
    (value,) = run(folder, f"{command} --json").json
    assert value["counterexample"]["reason_form"] == "^(INC|CHG)-[0-9]+$"
    assert value["counterexample"]["outcome"]["verdict"] == "approval"


def test_the_tests_on_the_page_pass(folder: PolicyFolder) -> None:
    assert run(folder, "ssh-jit policy test tests.toml").out == "3 passed\n"


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_page_shows_what_the_command_prints(folder: PolicyFolder, command: str, output: str) -> None:
    result = run(folder, command)
    assert result.out + result.err == output


def test_every_command_is_on_the_page() -> None:
    assert {command.split()[2] for command, _ in SHOWN} == {"check", "explain", "diff", "prove"}
    for name in ("check", "explain", "test", "diff", "prove", "schema"):
        assert f"\n### {name}\n\n`ssh-jit policy {name}` " in TEXT


def test_every_key_of_a_rule_is_on_the_page() -> None:
    for key in {*fields.ALLOW, *fields.DENY, *fields.BREAK_GLASS}:
        assert f"`{key}`" in TEXT or re.search(rf"^{key} +=", TEXT, re.MULTILINE), key
