"""``ssh-jit policy test``: expectations hold, or it is said what is expected, what is got, and why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.decisions import TABLE
from tests.unit.client import policy_folder
from tests.unit.client.policy_folder import PolicyFolder

TESTS = """\
version = 1
at = 2026-03-04T12:00:00+01:00

[[test]]
name = "the database needs two approvals"
person = "dana"
hosts = ["db1"]
reason = "CHG-7"
expect = "approval"
rule = "database"
steps = [{ from = "dba", count = 1 }, { from = "sre-lead", count = 1, signed = true }]
duration = "1h"

[[test]]
name = "strangers get nothing"
person = "carol"
hosts = "db1"
login = "postgres"
expect = "denied"
code = "no_rule"
misses = { database = "it is for the role dba, which is not held" }
"""


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> PolicyFolder:
    monkeypatch.setenv("COLUMNS", "160")
    return policy_folder.make(tmp_path, capsys)


def test_the_table_of_decisions_holds(folder: PolicyFolder) -> None:
    result = folder.run("test", TABLE)
    assert (result.code, result.err) == (0, "")
    assert int(result.out.split()[0]) >= 80
    assert result.out.endswith(" passed\n")


BEHIND = """\
version = 1
at = 2026-03-04T12:00:00+01:00

[hosts]
gate = { env = "dev", role = "vault" }

[bastions]
gate = { login = "jump", hosts = ["web1"] }

[[test]]
name = "a deny on the bastion closes what is behind it"
person = "alice"
hosts = ["web1"]
expect = "denied"
rule = "gate-closed"

[[test]]
name = "and nothing else"
person = "alice"
hosts = ["web2"]
expect = "allow"
"""
CLOSED = '[[deny]]\nname = "gate-closed"\nhosts = { env = "dev", role = "vault" }\n\n'


def test_a_host_behind_a_bastion_falls_under_its_denies(folder: PolicyFolder) -> None:
    text = folder.policy.read_text()
    folder.policy.write_text(text.replace("[[deny]]", f"{CLOSED}[[deny]]", 1))
    result = folder.run("test", folder.write("tests.toml", BEHIND))
    assert (result.code, result.out) == (0, "2 passed\n"), result.err + result.out
    result = folder.run("test", folder.write("tests.toml", BEHIND.replace('hosts = ["web1"] }', 'hosts = ["web3"] }')))
    assert result.code == 1
    inventory = folder.path / "inventory.toml"
    part = '[bastions]\nweb3 = { login = "jump", hosts = ["web1"] }\n\n[people.alice]'
    inventory.write_text(inventory.read_text().replace("[people.alice]", part, 1))
    folder.policy.write_text(
        text.replace("[[deny]]", CLOSED.replace('"dev"', '"staging"').replace("vault", "web") + "[[deny]]", 1)
    )
    result = folder.run("explain", folder.policy, "--person", "alice", "--host", "web1")
    assert "gate-closed" in result.out


@pytest.mark.parametrize(
    ("bastion", "problem"),
    [
        ('gate = { login = "jump", hosts = ["nowhere"] }', "'nowhere' is not another host of [hosts]"),
        ('gate = { login = "jump", hosts = ["gate"] }', "'gate' is not another host of [hosts]"),
        ('other = { login = "jump", hosts = ["web1"] }', "there is no host 'other'"),
        ('gate = { login = "a b", hosts = ["web1"] }', "bastions.gate.login"),
        ('gate = { hosts = ["web1"] }', "bastions.gate"),
        (
            'gate = { login = "jump", hosts = ["web1"] }\nweb2 = { login = "jump", hosts = ["web1"] }',
            "'web1' has a bastion already",
        ),
        (
            'gate = { login = "jump", hosts = ["web1"] }\nweb1 = { login = "jump", hosts = ["web2"] }',
            "cannot be behind one",
        ),
    ],
)
def test_a_bastion_that_is_none_is_told(folder: PolicyFolder, bastion: str, problem: str) -> None:
    text = BEHIND.replace('gate = { login = "jump", hosts = ["web1"] }', bastion)
    result = folder.run("test", folder.write("tests.toml", text))
    assert result.code == 2
    assert problem in result.err


def test_policy_and_inventory_beside_the_tests_are_taken(folder: PolicyFolder) -> None:
    result = folder.run("test", folder.write("tests.toml", TESTS))
    assert (result.code, result.out) == (0, "2 passed\n")


def test_a_failure_shows_expected_got_and_the_explanation(folder: PolicyFolder) -> None:
    path = folder.write("tests.toml", TESTS)
    new = folder.changed(('{ from = "sre-lead", count = 1, signed = true }', '{ from = "sre-lead", count = 1 }'))
    result = folder.run("test", path, "--policy", new)
    assert result.code == 1
    assert "FAILED the database needs two approvals (line 4)" in result.out
    assert '"count": 1, "signed": true}]' in result.out
    assert '"count": 1, "signed": false}]' in result.out
    assert "      ✓ database            allow        decides" in result.out
    assert result.out.endswith("1 failed, 1 passed\n")
    results = folder.run("test", path, "--policy", new, "--json")
    assert results.code == 1
    first, second = results.json
    assert (first["passed"], first["differences"][0]["what"], second["passed"]) == (False, "steps", True)
    assert first["explanation"]["outcome"]["rule"] == "database"
    assert second["explanation"] is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('expect = "denied"\ncode = "no_rule"', 'expect = "allow"'), ("expect", "allow", "denied")),
        (('code = "no_rule"', 'code = "denied_by_rule"'), ("code", "denied_by_rule", "no_rule")),
        (('rule = "database"', 'rule = "lax-database"'), ("rule", "lax-database", "database")),
        (('duration = "1h"', 'duration = "2h"'), ("duration", "7200", "3600")),
        (("dba, which is not held", "dba"), ("misses.database", "the role dba", "the role dba, which is not")),
    ],
)
def test_each_kind_of_expectation_can_fail(
    folder: PolicyFolder, change: tuple[str, str], expected: tuple[str, str, str]
) -> None:
    assert TESTS.count(change[0]) == 1
    result = folder.run("test", folder.write("tests.toml", TESTS.replace(*change)))
    assert result.code == 1
    what, wanted, got = expected
    lines = [line.strip() for line in result.out.splitlines()]
    assert any(line.startswith(f"{what} expected") and wanted in line for line in lines)
    assert any(line.startswith(f"{what} got") and got in line for line in lines)


def test_files_of_tests_are_read_strictly(folder: PolicyFolder) -> None:
    path = folder.write(
        "tests.toml",
        'version = 1\nat = 2026-03-04T12:00:00\n[[test]]\nname = "a"\nperson = "alise"\nhosts = ["db"]\n'
        'expect = "allowed"\nrul = "x"\n[[test]]\nname = "a"\nperson = "dana"\nhosts = "db1"\n'
        'for = "soon"\nat = "2026-03-04 12:00"\n',
    )
    result = folder.run("test", path)
    assert (result.code, result.out) == (2, "")
    lines = [line.removeprefix(f"{path}:") for line in result.err.splitlines()]
    assert lines[0].startswith("2: at: '2026-03-04 12:00:00' has no zone; write it like")
    assert lines[1] == '5: test[0].person: there is no person "alise"; did you mean "alice"?'
    assert lines[2].startswith('6: test[0].hosts[0]: there is no host "db"; did you mean "db')
    assert '7: test[0].expect: there is no verdict "allowed"; did you mean "allow"?' in lines
    assert '8: test[0].rul: unknown key; did you mean "rule"?' in lines
    assert "9: test[1].expect: missing" in lines
    assert '10: test[1].name: "a" is the name of a test already' in lines
    assert any(line.startswith("13: test[1].for: 'soon' is not a duration") for line in lines)
    assert any(line.startswith("14: test[1].at: '2026-03-04 12:00' has no zone") for line in lines)


def test_a_file_without_tests_does_not_pass(folder: PolicyFolder) -> None:
    result = folder.run("test", folder.write("tests.toml", "version = 1\n"))
    assert result.code == 2
    assert "there are no tests" in result.err


def test_hosts_and_people_may_stand_in_the_file_itself(tmp_path: Path, folder: PolicyFolder) -> None:
    (tmp_path / "own").mkdir()
    path = folder.write(
        "own/tests.toml",
        'version = 1\npolicy = "../policy.toml"\n[hosts]\nw = { env = "dev" }\n[people.zoe]\nprovider = "acme"\n'
        'groups = ["SRE"]\n[[test]]\nname = "zoe"\nperson = "zoe"\nhosts = "w"\nexpect = "allow"\nas = "deploy"\n',
    )
    assert folder.run("test", path).out == "1 passed\n"


def test_it_needs_the_standard_library_and_the_core_alone(folder: PolicyFolder) -> None:
    """As on a laptop: isolated from whatever else is installed here."""
    root = Path(__file__).resolve().parents[3]
    program = (
        f"import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [{str(root)!r}, "
        f"{str(root / 'client')!r}]; sys.argv = ['ssh-jit', 'policy', 'test', {str(TABLE)!r}];"
        "from sshjit_client.__main__ import main; code = main();"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('flask', 'msgspec', 'sqlalchemy', 'sshjit_ca')];"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" passed\n")


def test_the_other_commands_do_not_load_it() -> None:
    program = (
        "import sys; sys.argv = ['ssh-jit', '--version']; from sshjit_client.__main__ import main; main();"
        "print([m for m in sys.modules if m.startswith(('sshjit_client.policy', 'sshjit.policy', 'zoneinfo'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
