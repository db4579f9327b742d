"""What people do besides connecting, as they type it: asking ahead, looking, reviewing, locking, revoking."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from contextlib import suppress

import pytest

from sshjit.api.views import RequestState
from sshjit_client import cli
from sshjit_client.__main__ import SUBCOMMANDS
from tests.support.waiting import PATIENCE
from tests.unit.client.conftest import Laptop
from tests.unit.client.standin import Server, wait_for


@pytest.fixture
def alice(laptop: Laptop) -> Laptop:
    """Alice's machine, signed in."""
    assert laptop.run("login").returncode == 0
    return laptop


def only(server: Server) -> str:
    (request,) = server.requests
    return request


def test_several_hosts_by_label_for_later(alice: Laptop, server: Server) -> None:
    began = time.time()
    done = alice.run("request", "--label", "env=prod", "web1", "--start", "+2h", "--for", "30m", "--reason", "CHG-7")
    assert done.returncode == 0, done.stderr
    (body,) = server.asked
    assert (body["hosts"], body["labels"], body["duration"]) == (["web1"], [["env", "prod"]], 1800)
    assert began - 60 < body["start"] - 7200 < time.time() + 60
    assert "deploy on web1, db1, secret1" in done.stdout


def test_a_command_that_was_left_on_the_line_is_no_host(alice: Laptop, server: Server) -> None:
    done = alice.run("request", "web1", "uptime")
    assert (done.returncode, server.requests) == (2, {})
    assert "every word after request is a host" in done.stderr


def test_a_dry_run_asks_nothing_and_says_what_is_due(alice: Laptop, server: Server) -> None:
    done = alice.run("request", "--dry-run", "db1")
    assert done.returncode == 0, done.stderr
    assert not server.requests
    assert 'APPROVAL  rule "prod-database" allows logging in to db1 as deploy for' in done.stdout
    assert "1 of sre-lead, signed: Bob, Eve" in done.stdout
    assert "it is for Sat and Sun, now it is Tue" in done.stdout
    assert json.loads(alice.run("explain", "web1", "--json").stdout)["verdict"] == "allow"


def test_asking_says_who_could_approve(alice: Laptop) -> None:
    done = alice.run("request", "db1")
    assert "1 of sre-lead: Bob" in done.stdout
    assert done.stderr.splitlines()[-1] == "ssh-jit: waiting for Bob (sre-lead)"


def test_a_yes_for_less_time_is_signed_and_told(alice: Laptop, server: Server) -> None:
    server.signed = True
    alice.run("request", "db1")
    request = only(server)
    done = alice.run("approve", request, "--for", "15m")
    assert done.returncode == 0, done.stderr
    assert "approved for 15 min at most; open until" in done.stderr
    assert (server.requests[request].decisions[0].duration, server.requests[request].decisions[0].signed) == (900, True)
    assert alice.run("request", "--wait", "db1").returncode == 0
    assert "for 15 min at most" in alice.run("show", request).stdout


def test_an_approver_sees_who_asks_and_why_they_are_asked(alice: Laptop, server: Server) -> None:
    alice.run("request", "db1", "--reason", "CHG-7")
    shown, approved = (alice.run(*words, only(server)).stdout for words in (("show",), ("approve",)))
    for text in (shown, approved):
        for wanted in ("groups     SRE", "5 min ago", "a second factor", "req-old0old0", "you hold sre-lead", "CHG-7"):
            assert wanted in text


def test_an_extension_is_asked_for_and_waited_for(alice: Laptop, server: Server) -> None:
    alice.run("request", "web1")
    done = alice.run("extend", "--reason", "still at it", "--wait")
    assert done.returncode == 0, done.stderr
    assert "30 min more, for req-" in done.stdout
    assert f"extended: {next(iter(server.requests))} is open until" in done.stderr
    assert alice.run("extend", "db1", "--reason", "x").returncode == 2


def test_what_is_said_meanwhile_reaches_whoever_waits(alice: Laptop, server: Server) -> None:
    waiting = alice.start("request", "--wait", "db1")
    wait_for(server, "GET /api/v1/requests/req-")
    request = only(server)
    assert alice.run("comment", request, "which", "ticket?").returncode == 0
    looks = sum(call.startswith(f"GET /api/v1/requests/{request}") for call in server.calls)
    wait_for(server, f"GET /api/v1/requests/{request}", looks + 2)
    server.close(request, "cancel")
    _, said = waiting.communicate(timeout=PATIENCE)
    assert "ssh-jit: Bob says: which ticket?" in said
    assert waiting.returncode == 4
    assert "is cancelled" in said


def test_break_glass_without_a_confirmation_asks_for_nothing(alice: Laptop, server: Server) -> None:
    done = alice.run("break-glass", "web1", "--reason", "INC-9 the site is down", "true")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        "ssh-jit: BREAK-GLASS: nobody is there to confirm it",
        "hint: --yes, if it is a script that means it",
    ]
    assert not server.requests
    short = alice.run("break-glass", "web1", "--reason", "help", "--yes")
    assert (short.returncode, "10 characters" in short.stderr) == (2, True)


def test_break_glass_is_marked_and_kept_apart(alice: Laptop, server: Server) -> None:
    done = alice.run("break-glass", "--yes", "web1", "--reason", "INC-9 the site is down", "whoami")
    assert (done.stdout, done.returncode) == ("deploy: whoami\n", 0), done.stderr
    assert all(line.startswith("ssh-jit: BREAK-GLASS: ") for line in done.stderr.splitlines())
    assert "somebody else must review it by" in done.stderr
    assert server.asked[0]["break_glass"] is True
    kept = [path.name for path in (alice.state / "open").glob("*.conf")]
    assert kept == ["break-glass=web1+shell.conf"]
    server.calls.clear()
    again = alice.run("break-glass", "web1", "--reason", "INC-9 the site is down", "again")
    assert (again.stdout, server.calls) == ("deploy: again\n", [])
    assert "BREAK-GLASS" in alice.run("status").stdout
    ordinary = alice.run("web1", "true")
    assert "POST /api/v1/requests" in server.calls
    assert "ssh-jit: BREAK-GLASS: deploy@web1 is open until" in ordinary.stderr


def test_break_glass_is_reviewed(alice: Laptop, server: Server) -> None:
    alice.run("break-glass", "--yes", "web1", "--reason", "INC-9 the site is down", "true")
    request = only(server)
    listed = alice.run("requests", "--review").stdout
    assert "BREAK-GLASS deploy@web1" in listed
    assert "not reviewed" in listed
    assert "break-glass that somebody else must review" in alice.run("requests").stdout
    assert alice.run("review", request).returncode == 2, "justified, or not?"
    done = alice.run("review", request, "--unjustified", "--comment", "no incident")
    assert done.returncode == 0, done.stderr
    assert server.requests[request].review is not None
    assert "unjustified, by Bob" in alice.run("show", request).stdout
    assert "no such requests" in alice.run("requests", "--review").stderr


def test_lists_are_filtered_paged_and_json(alice: Laptop, server: Server) -> None:
    alice.run("request", "web1", "--reason", "CHG-1")
    first = server.requests[only(server)]
    for number in range(5):
        other = dataclasses.replace(first, id=f"req-{number:016d}", asked=first.asked - 86400 * 30 * (number + 1))
        server.requests[other.id] = dataclasses.replace(other, state=RequestState.ENDED, reason=f"INC-{number}")
    found = json.loads(alice.run("requests", "--mine", "--json", "--since", "45d").stdout)["requests"]
    assert [each["reason"] for each in found] == ["CHG-1", "INC-0"]
    assert len(json.loads(alice.run("requests", "--mine", "--state", "ended", "--json").stdout)["requests"]) == 5
    done = alice.run("requests", "--mine", "--limit", "2")
    assert len(done.stdout.splitlines()) == 5
    assert "hint: there are older ones" in done.stderr
    assert "INC-3" in alice.run("requests", "--mine", "--find", "INC-3").stdout
    assert alice.run("requests", "--limit", "0").returncode == 2


def test_locking_and_unlocking_with_a_signature(alice: Laptop, server: Server) -> None:
    done = alice.run("lock", "--person", "acme/bob@example.com", "--reason", "laptop lost")
    assert done.returncode == 0, done.stderr
    (lock,) = server.locks
    assert "the person acme/bob@example.com is locked" in done.stderr
    assert "revoked: 3 grants, 1 sign-in, 2 live certificates" in done.stderr
    assert lock in alice.run("locks").stdout
    undone = alice.run("unlock", lock[:9], "--reason", "laptop found")
    assert undone.returncode == 0, undone.stderr
    assert not server.locks
    assert alice.run("locks").stderr == "ssh-jit: nothing is locked\n"
    assert alice.run("unlock", lock, "--reason", "again").returncode == 2


def test_everything_is_one_lock(alice: Laptop, server: Server) -> None:
    assert alice.run("lock", "--all", "--reason", "intruder").returncode == 0
    assert [lock.kind for lock in server.locks.values()] == ["everything"]
    for words in ((), ("--all", "--host", "web1"), ("--host", "web1")):
        reason = () if words == ("--host", "web1") else ("--reason", "x")
        assert alice.run("lock", *words, *reason).returncode == 2


def test_revoking_a_grant_a_certificate_or_a_sign_in(alice: Laptop, server: Server) -> None:
    alice.run("request", "web1")
    done = alice.run("revoke", only(server)[:10], "--reason", "over")
    assert done.returncode == 0, done.stderr
    assert "ssh-jit: revoked: deploy@web1, 1 h of Alice" in done.stderr
    assert server.requests[only(server)].state is RequestState.REVOKED
    assert "certificate 7" in alice.run("revoke", "--certificate", "7", "--reason", "over").stderr
    assert alice.run("revoke", "--login", "login-alice001", "--reason", "over").returncode == 0
    assert alice.run("revoke", "--reason", "over").returncode == 2


def test_t29_what_others_wrote_is_inert(alice: Laptop, server: Server) -> None:
    alice.run("request", "db1")
    request = only(server)
    nasty = "\x1b[2Jred\u202etxt\u2028end"
    server.requests[request] = dataclasses.replace(
        server.requests[request], reason=nasty, closing=nasty, address=nasty, command=nasty
    )
    alice.run("comment", request, "x")
    comment = server.requests[request].comments[0]
    server.requests[request] = dataclasses.replace(
        server.requests[request], comments=(dataclasses.replace(comment, text=nasty),)
    )
    for words in (("show", request), ("requests",), ("requests", "--mine"), ("approve", request)):
        text = alice.run(*words).stdout
        assert "\\x1b[2Jred\\u202etxt" in text
        for harmful in ("\x1b", "\u202e", "\u2028"):
            assert harmful not in text


@pytest.mark.parametrize("command", sorted(SUBCOMMANDS))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(SystemExit):  # argparse's way
        assert cli.subcommand([command, "--help"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith(f"usage: ssh-jit {command}")
    assert max(map(len, said.out.splitlines())) <= 100


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.subcommand(["--help"]) == 0
    assert set(re.findall(r"[a-z-]+", capsys.readouterr().out)) >= SUBCOMMANDS


def test_who_is_done_now_keeps_what_begins_later(alice: Laptop, server: Server) -> None:
    alice.run("request", "web1", "secret1", "--start", "+2h")
    alice.run("request", "web1")
    tonight, today = server.requests
    assert alice.run("done", "web1").returncode == 0
    states = {name: server.requests[name].state for name in (tonight, today)}
    assert states == {tonight: RequestState.APPROVED, today: RequestState.ENDED}
    assert alice.run("done", "web1").returncode == 0
    assert server.requests[tonight].state is RequestState.ENDED
