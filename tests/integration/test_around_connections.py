"""What people do around a connection, in the lab: real CA, real front end, real sshd, and the commands they type."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.lab import Lab, Person
from tests.support.installation import make_key
from tests.support.waiting import wait_until

DENIED, SSH_FAILED = 4, 255
"""Exit codes: ours, and ssh's own."""
STEP = 'approvals   = [{ from = "sre-lead", count = 1 }]'


def types(person: Person, *words: str, code: int = 0) -> str:
    """What ``ssh-jit`` says to these words, on both streams."""
    ran = person.run(["ssh-jit", *words])
    assert ran.code == code, f"{words}: {ran.code}\n{ran.stdout}{ran.stderr}"
    return ran.stdout + ran.stderr


def request_in(text: str) -> str:
    """The first id of a request in what was said."""
    found = re.search(r"req-[0-9a-z]{16}", text)
    assert found, text
    return found[0]


def put_in_force(lab: Lab, policy: str) -> None:
    """Changes the policy as an operator does."""
    (lab.paths.etc / "policy.toml").write_text(policy)
    os.kill(lab.ca.pid, signal.SIGHUP)
    show = ["ssh-jit-ca", "policy", "show"]
    wait_until(lambda: lab.operator.run(show).stdout.strip() == policy.strip(), "the new policy is not in force")


@pytest.fixture
def signed(lab: Lab) -> Iterator[None]:
    """While it is used, approvals for production count only with a signature."""
    plain = (lab.paths.etc / "policy.toml").read_text()
    assert STEP in plain
    put_in_force(lab, plain.replace(STEP, STEP.replace("count = 1", "count = 1, signed = true")))
    yield
    put_in_force(lab, plain)


@pytest.fixture
def bob(lab: Lab) -> Person:
    """An approver who is signed in: only whom the CA has seen lately can be asked."""
    types(lab.person("bob"), "login")
    return lab.person("bob")


@pytest.mark.usefixtures("signed")
def test_asked_by_label_approved_for_less_by_a_signature_and_extended(lab: Lab, bob: Person) -> None:
    dana, login = lab.person("dana"), lab.hosting.hosts["db1"].login
    explained = types(dana, "request", "--dry-run", "--label", "role=db", "--reason", "CHG-7")
    assert "1 of sre-lead, signed: Bob" in explained
    asked = types(dana, "request", "--label", "env=prod", "--label", "role=db", "--reason", "CHG-7 add index")
    request = request_in(asked)
    assert f"{login}@db1" in asked
    said = types(bob, "approve", request, "--for", "20m", "--comment", "twenty minutes will do")
    for shown in ("you have the role sre-lead", "partner", "CHG-7 add index", "approved for 20 min at most"):
        assert shown in said
    ran = dana.run(["ssh-jit", "db1", "whoami"])
    assert ran.stdout == f"{login}\n", ran.stderr

    more = request_in(types(dana, "extend", "db1", "--reason", "CHG-7 is not done yet"))
    assert more != request
    types(bob, "comment", more, "the last time")
    types(bob, "approve", more)
    grant = json.loads(types(dana, "show", request, "--json"))["request"]
    assert grant["ends"] - grant["approved"] == (20 + 30) * 60
    assert grant["decisions"][0]["signed"] is True
    assert "the last time" in types(dana, "show", more)
    types(dana, "done", "db1")


def test_break_glass_goes_in_at_once_and_is_reviewed_by_somebody_else(lab: Lab, bob: Person) -> None:
    alice, login = lab.person("alice"), lab.hosting.hosts["db1"].login
    types(alice, "db1", "true", code=DENIED)
    ran = alice.run(["ssh-jit", "break-glass", "--yes", "db1", "--reason", "INC-9 the database is down", "whoami"])
    assert ran.stdout == f"{login}\n", ran.stderr
    assert all(line.startswith("ssh-jit: BREAK-GLASS: ") for line in ran.stderr.splitlines())
    request = request_in(ran.stderr)
    assert "not reviewed" in types(bob, "requests", "--review")
    types(alice, "review", request, "--justified", code=DENIED)
    types(bob, "review", request, "--unjustified", "--comment", "a colleague was awake")
    assert "unjustified, by Bob" in types(alice, "show", request)
    assert request[:12] not in types(bob, "requests", "--review")
    types(alice, "done", "db1")


def test_everything_is_locked_and_unlocked(lab: Lab, bob: Person) -> None:
    alice = lab.person("alice")
    types(alice, "web1", "true")
    said = types(bob, "lock", "--all", "--reason", "intruder")
    lock = re.search(r"lock-[0-9a-z]{16}", said)
    assert lock, said
    try:
        assert lock[0] in types(bob, "locks")
        types(alice, "lock", "--all", "--reason", "me too", code=DENIED)
        assert "everything is locked" in types(alice, "request", "web1", code=DENIED)
        hosts_refuse = ["ssh-jit", "web1", "true"]
        wait_until(lambda: alice.run(hosts_refuse).code == SSH_FAILED, "web1 still takes the certificate")
    finally:
        types(bob, "unlock", lock[0], "--reason", "it was a drill")
    for person in lab.people.values():
        person.run(["ssh-jit", "status"])  # drops what was revoked
    types(alice, "web1", "true")


def test_t53_hosts_change_by_an_admins_signature(lab: Lab, bob: Person, tmp_path: Path) -> None:
    key = make_key(tmp_path / "ssh_host_ed25519_key")
    where = ("--address", "192.0.2.9", "--host-key", f"{key}.pub")
    types(lab.person("alice"), "hosts", "add", "web9", "--label", "env=staging", *where, code=DENIED)
    assert "web9 (web9) at 192.0.2.9:22, env=staging" in types(
        bob, "hosts", "add", "web9", "--alias", "www9", "--label", "env=staging", *where
    )
    types(bob, "hosts", "label", "web9", "--label", "env=prod", "--label", "role=web")
    assert re.search(
        r"^web9 +192\.0\.2\.9:22 +env=prod role=web +until .* UTC +www9$",
        types(bob, "hosts", "--details"),
        re.MULTILINE,
    )
    types(bob, "hosts", "remove", "web9", "--reason", "scrapped")
    assert "web9" not in types(bob, "hosts")
