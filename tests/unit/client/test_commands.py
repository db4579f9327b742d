"""What people do besides connecting, as they type it: asking ahead, looking, reviewing, locking, revoking."""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import suppress
from typing import Any

import pytest

from sshjit.api.views import RequestState
from sshjit_client import cli
from sshjit_client.__main__ import SUBCOMMANDS
from tests.support.break_glass import REASON
from tests.support.client_server import ClientServer
from tests.support.installation import BOB
from tests.support.signatures import ADMIN_POLICY, SIGNED_POLICY
from tests.support.typed_session import typed_session
from tests.support.waiting import PATIENCE
from tests.unit.client.conftest import Laptop

DB1 = ("request", "--reason", "CHG-7", "db1")
BREAK_GLASS = ("break-glass", "--yes", "db1", "--reason", REASON)


@pytest.fixture
def alice(laptop: Laptop, server: ClientServer) -> Laptop:
    """Alice's machine, signed in; Bob, who approves, signed in somewhere too."""
    server.sign_in(BOB)
    assert laptop.run("login").returncode == 0
    return laptop


def only(server: ClientServer) -> str:
    (request,) = server.requests()
    return request


def test_several_hosts_by_label_for_later(alice: Laptop, server: ClientServer) -> None:
    server.host("web2", 22)
    began = time.time()
    done = alice.run("request", "--label", "env=staging", "web1", "--start", "+2h", "--for", "30m", "--reason", "CHG-7")
    assert done.returncode == 0, done.stderr
    request = server.view(only(server))
    assert (request.hosts, request.duration) == (("web1", "web2"), 1800)
    assert request.start is not None
    assert began - 60 < request.start - 7200 < time.time() + 60
    assert "deploy on web1, web2" in done.stdout


def test_a_command_that_was_left_on_the_line_is_no_host(alice: Laptop, server: ClientServer) -> None:
    done = alice.run("request", "web1", "uptime")
    assert (done.returncode, server.requests()) == (2, [])
    assert "every word after request is a host" in done.stderr


def test_a_dry_run_asks_nothing_and_says_what_is_due(alice: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy(*SIGNED_POLICY)
    done = alice.run("request", "--dry-run", "--reason", "CHG-7", "db1")
    assert done.returncode == 0, done.stderr
    assert not server.requests()
    assert 'APPROVAL  rule "database" allows logging in to db1 as postgres for 1 h' in done.stdout
    assert "1 of lead, signed: Bob" in done.stdout
    assert "no request was made" in done.stdout
    assert json.loads(alice.run("explain", "web1", "--json").stdout)["verdict"] == "allow"


def test_asking_says_who_could_approve_until_when_and_the_address(alice: Laptop, server: ClientServer) -> None:
    done = alice.run(*DB1, TZ="Europe/Berlin")
    assert "1 of lead: Bob" in done.stdout
    assert f"page       {server.url}/requests/{only(server)}" in done.stdout
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(r"ssh-jit: waiting for approval by Bob \(lead\), until \d\d:\d\d CES?T", last)


def test_a_repeated_request_says_that_its_new_reason_was_not_recorded(alice: Laptop, server: ClientServer) -> None:
    alice.run(*DB1)
    same = alice.run(*DB1)
    known = f'already requested 0 s ago ({only(server)[:12]}, reason "CHG-7")'
    assert re.sub(r"\d+ s ago", "0 s ago", same.stderr).splitlines()[0] == f"ssh-jit: {known}"
    assert "hint:" not in same.stderr
    other = alice.run("request", "--reason", "CHG-8", "db1")
    first, hint = re.sub(r"\d+ s ago", "0 s ago", other.stderr).splitlines()[:2]
    assert first == f"ssh-jit: {known}; your new reason was NOT recorded"
    assert hint == f"hint: to change it: ssh-jit cancel {only(server)[:12]}, then ask again"


def test_a_yes_for_less_time_is_signed_and_told(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy(*SIGNED_POLICY)
    alice.run(*DB1)
    request = only(server)
    done = bob.run("approve", request, "--for", "15m")
    assert done.returncode == 0, done.stderr
    assert "approved for 15 min at most; open until" in done.stderr
    (decision,) = server.view(request).decisions
    assert (decision.duration, decision.signed) == (900, True)
    assert alice.run("request", "--wait", "--reason", "CHG-7", "db1").returncode == 0
    assert "for 15 min at most" in alice.run("show", request).stdout


def test_an_approver_sees_who_asks_and_why_they_are_asked(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    alice.run("request", "web1", "--reason", "CHG-1")
    alice.run("done", "web1")
    alice.run(*DB1)
    earlier, request = server.requests()
    shown, approved = (bob.run(*words, request).stdout for words in (("show",), ("approve",)))
    for text in (shown, approved):
        for wanted in ("groups     Database, SRE", " ago", earlier[:12], "you have the role lead", "CHG-7", "CHG-1"):
            assert wanted in text


def test_an_extension_is_asked_for_and_waited_for(alice: Laptop, server: ClientServer) -> None:
    alice.run("request", "web1")
    done = alice.run("extend", "--reason", "still at it", "--wait")
    assert done.returncode == 0, done.stderr
    assert "30 min more, for req-" in done.stdout
    assert f"extended: {server.requests()[0]} is open until" in done.stderr
    other = alice.run("extend", "db1", "--reason", "x")
    assert (other.returncode, other.stderr) == (
        2,
        "ssh-jit: nothing of yours is open at 'db1'\nhint: ssh-jit requests\n",
    )


def test_an_id_whose_access_is_over_is_no_host(alice: Laptop, server: ClientServer) -> None:
    """Its words: what became of it, and where to look; an id of nobody is no request."""
    alice.run("request", "web1")
    (request,) = server.requests()
    assert alice.run("done", request).returncode == 0
    for typed in (request, request[:12]):
        again = alice.run("done", typed)
        wanted = f"ssh-jit: {request[:12]} is not open: {server.view(request).state.value}\n"
        assert (again.returncode, again.stderr) == (2, f"{wanted}hint: ssh-jit show {request}\n")
    assert "there is no request req-zzzz" in alice.run("done", "req-zzzz").stderr
    assert "nothing of yours is open at 'web1'" in alice.run("done", "web1").stderr


def test_more_time_is_asked_about_only_where_there_is_some(alice: Laptop, server: ClientServer) -> None:
    """At a terminal: where the rule gives none, the person is told so, and types no reason in vain."""
    alice.run("request", "web1")
    words = [sys.executable, "-m", "sshjit_client", "extend", "web1"]
    with typed_session(words, alice.env) as session:
        session.wait_for("Why do you need more time? ")
        session.interrupt()
        assert session.end() == 130
    server.front.ca.change_policy('extend = { count = 2, by = "30m" }\n', "")
    with typed_session(words, alice.env) as session:
        assert session.end() == 4
        assert "Why do you need" not in session.text
        assert "does not allow extensions" in session.text


def test_what_is_said_meanwhile_reaches_whoever_waits(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    waiting = alice.start("request", "--wait", "--reason", "CHG-7", "db1")
    server.wait_for("GET /api/v1/requests/req-")
    request = only(server)
    assert bob.run("comment", request, "which", "ticket?").returncode == 0
    looks = sum(call.startswith(f"GET /api/v1/requests/{request}") for call in server.calls)
    server.wait_for(f"GET /api/v1/requests/{request}", looks + 2)
    assert alice.run("cancel", request).returncode == 0
    _, said = waiting.communicate(timeout=PATIENCE)
    assert "ssh-jit: Bob says: which ticket?" in said
    assert waiting.returncode == 4
    assert "is cancelled" in said


def test_break_glass_without_a_confirmation_asks_for_nothing(alice: Laptop, server: ClientServer) -> None:
    done = alice.run("break-glass", "db1", "--reason", REASON, "true")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        "ssh-jit: BREAK-GLASS: nobody is at the terminal to confirm this",
        "hint: in a script, use --yes",
    ]
    assert not server.requests()
    short = alice.run("break-glass", "db1", "--reason", "help", "--yes")
    assert (short.returncode, "10 characters" in short.stderr) == (2, True)


def test_break_glass_is_marked_and_kept_apart(alice: Laptop, server: ClientServer) -> None:
    done = alice.run(*BREAK_GLASS, "whoami")
    assert (done.stdout, done.returncode) == ("root: whoami\n", 0), done.stderr
    assert all(line.startswith("ssh-jit: BREAK-GLASS: ") for line in done.stderr.splitlines())
    assert "somebody else must review it by" in done.stderr
    assert server.view(only(server)).break_glass
    kept = [path.name for path in (alice.state / "open").glob("*.conf")]
    assert kept == ["break-glass=db1+shell.conf"]
    server.calls.clear()
    again = alice.run("break-glass", "db1", "--reason", REASON, "again")
    assert (again.stdout, server.calls) == ("root: again\n", [])
    assert "BREAK-GLASS" in alice.run("status").stdout
    ordinary = alice.run("root@db1", "true")
    assert "POST /api/v1/requests" in server.calls
    assert "ssh-jit: BREAK-GLASS: root@db1 is open until" in ordinary.stderr


def test_break_glass_is_reviewed(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    alice.run(*BREAK_GLASS, "true")
    request = only(server)
    listed = bob.run("requests", "--review").stdout
    assert "BREAK-GLASS root@db1" in listed
    assert "not reviewed" in listed
    assert "break-glass access to review" in bob.run("requests").stdout
    assert bob.run("review", request).returncode == 2, "justified, or not?"
    done = bob.run("review", request, "--unjustified", "--comment", "no incident")
    assert done.returncode == 0, done.stderr
    assert server.view(request).review is not None
    assert "unjustified, by Bob" in alice.run("show", request).stdout
    assert "no requests" in bob.run("requests", "--review").stderr


def test_lists_are_filtered_paged_and_json(alice: Laptop, server: ClientServer) -> None:
    for number in range(5):
        alice.run("request", "web1", "--reason", f"INC-{number}")
        alice.run("done", "web1")
    alice.run("request", "web1", "--reason", "CHG-1")
    found = json.loads(alice.run("requests", "--mine", "--json", "--since", "1h").stdout)["requests"]
    assert [each["reason"] for each in found] == ["CHG-1", *(f"INC-{number}" for number in (4, 3, 2, 1, 0))]
    later = ("--since", f"{time.localtime().tm_year + 1}-01-01")
    assert json.loads(alice.run("requests", "--mine", "--json", *later).stdout)["requests"] == []
    assert len(json.loads(alice.run("requests", "--mine", "--state", "ended", "--json").stdout)["requests"]) == 5
    for word in ("open", "approved"):
        waiting = json.loads(alice.run("requests", "--mine", "--state", word, "--json").stdout)["requests"]
        assert [each["reason"] for each in waiting] == ["CHG-1"], "by the word of the list as by its own"
    done = alice.run("requests", "--mine", "--limit", "2")
    assert len(done.stdout.splitlines()) == 5
    assert "hint: there are older requests" in done.stderr
    assert "INC-3" in alice.run("requests", "--mine", "--find", "INC-3").stdout
    assert alice.run("requests", "--limit", "0").returncode == 2


def test_locking_and_unlocking_with_a_signature(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    assert alice.run("web1", "true").returncode == 0
    done = bob.run("lock", "--person", "acme/alice@example.com", "--reason", "laptop lost")
    assert done.returncode == 0, done.stderr
    (lock,) = server.front.ca.context.state.locks
    assert "ssh-jit: Alice (acme) is locked: lock-" in done.stderr
    assert "revoked: 1 grant, 1 sign-in, 1 live certificate" in done.stderr
    assert lock in bob.run("locks").stdout
    undone = bob.run("unlock", lock[:9], "--reason", "laptop found")
    assert undone.returncode == 0, undone.stderr
    assert not server.front.ca.context.state.locks
    assert bob.run("locks").stderr == "ssh-jit: nothing is locked\n"
    assert bob.run("unlock", lock, "--reason", "again").returncode == 2


@pytest.mark.parametrize("token", ["a\r\nb", "\u20ac", "", "two words"])
def test_t76_a_token_that_cannot_be_sent_back_means_signing_in_again(alice: Laptop, token: str) -> None:
    assert alice.run("requests").returncode == 0
    path = alice.state / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"token": token}))
    again = alice.run("requests")
    assert again.returncode == 0, again.stderr
    assert json.loads((alice.state / "session.json").read_text())["token"] != token


def test_everything_is_one_lock(bob: Laptop, server: ClientServer) -> None:
    assert bob.run("lock", "--all", "--reason", "intruder").returncode == 0
    assert [lock["kind"] for lock in json.loads(bob.run("locks", "--json").stdout)["locks"]] == ["everything"]
    for words in ((), ("--all", "--host", "web1"), ("--host", "web1")):
        reason = () if words == ("--host", "web1") else ("--reason", "x")
        assert bob.run("lock", *words, *reason).returncode == 2
    assert len(server.front.ca.context.state.locks) == 1


def test_revoking_a_grant_a_certificate_or_a_sign_in(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    alice.run("web1", "true")
    done = bob.run("revoke", only(server), "--reason", "over")
    assert done.returncode == 0, done.stderr
    assert "ssh-jit: revoked: deploy@web1, 8 h of Alice" in done.stderr
    assert server.state(only(server)) is RequestState.REVOKED
    alice.run("request", "web1")
    alice.run("web1", "true")
    serial = max(server.front.ca.context.state.certificates)
    assert f"certificate {serial}" in bob.run("revoke", "--certificate", str(serial), "--reason", "over").stderr
    login = json.loads((alice.state / "session.json").read_text())["login"]["id"]
    assert bob.run("revoke", "--login", login, "--reason", "over").returncode == 0
    assert bob.run("revoke", "--reason", "over").returncode == 2


def test_hosts_are_added_labelled_and_removed_with_a_signature(bob: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy('unlock = ["lead"]', ADMIN_POLICY[1].partition("\n")[2])
    key = server.front.folder / "ssh_host_key.pub"
    words = ("--address", "192.0.2.9", "--label", "env=prod", "--host-key", str(key), "--alias", "app1.lab")
    added = bob.run("hosts", "add", "app1", *words)
    assert added.returncode == 0, added.stderr
    assert "app1 " in bob.run("hosts").stdout
    dry = bob.run("hosts", "label", "app1", "--label", "env=staging", "--dry-run")
    assert "no open grant and no waiting request is affected" in dry.stderr
    assert "env=prod" in bob.run("hosts").stdout
    assert bob.run("hosts", "label", "app1", "--label", "env=staging").returncode == 0
    assert re.search(r"app1 +192\.0\.2\.9:22 +env=staging +until .* app1\.lab", bob.run("hosts", "--details").stdout)
    assert bob.run("hosts", "remove", "app1", "--reason", "gone").returncode == 0
    left = bob.run("hosts")
    assert "app1" not in left.stdout
    assert "any more" not in left.stderr  # whoever removed it knows; another laptop is told, in test_host_names.py


def test_t73_new_labels_say_whom_they_meet(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy('unlock = ["lead"]', ADMIN_POLICY[1].partition("\n")[2])
    assert alice.run("request", "deploy@web1").returncode == 0
    for more in (("--dry-run",), ("--yes",)):
        said = bob.run("hosts", "label", "web1", "--label", "env=prod", *more).stderr
        assert "Alice: deploy@web1 by rule staging, until " in said
        assert "gives no more certificates: no rule allows logging in to web1 as deploy" in said
    assert "gives no more" not in bob.run("hosts", "label", "web1", "--label", "env=prod", "--yes").stderr


def test_t73_what_gives_no_more_certificates_is_not_called_open(
    alice: Laptop, bob: Laptop, server: ClientServer
) -> None:
    server.front.ca.change_policy('unlock = ["lead"]', ADMIN_POLICY[1].partition("\n")[2])
    assert alice.run("request", "deploy@web1").returncode == 0
    assert "access to web1 is open; the next connection gets a certificate" in alice.run("status", "web1").stdout
    assert bob.run("hosts", "label", "web1", "--label", "env=prod", "--yes").returncode == 0
    said = alice.run("status", "web1").stdout
    assert "is open; the next connection gets a certificate" not in said
    assert "no access to web1 is open (no rule allows logging in to web1 as deploy); the next connection" in said
    assert "out of date, ask again" in alice.run("requests").stdout
    assert "open until" not in alice.run("requests").stdout


def test_t73_an_approver_is_not_asked_about_what_nobody_can_approve(
    alice: Laptop, bob: Laptop, server: ClientServer
) -> None:
    dana_waits = alice.run(*DB1)
    assert dana_waits.returncode == 0, dana_waits.stderr
    server.front.ca.change_policy('name = "database"', 'name = "databases"')
    tried = bob.run("approve", only(server), "--yes")
    assert tried.returncode == 4
    assert "nobody can approve it any more: " in tried.stderr
    assert "hint: the requester has to ask again\n" in tried.stderr
    assert "the requester has to ask again" in tried.stdout, "and not what to type: that is for the requester"
    assert not any(call.endswith("/approve") for call in server.calls)
    assert "next step" in alice.run("show", only(server)).stdout
    said = alice.run("status", "db1").stdout
    assert "is not decided yet" not in said
    assert "no access to db1 is open (" in said


def test_t29_what_others_wrote_is_inert(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    """Even if the front end sends what the CA would never have taken."""
    alice.run(*DB1)
    nasty = "\x1b[2Jred\u202etxt\u2028end"

    def spoil(_path: str, value: dict[str, Any]) -> dict[str, Any]:
        for view in [value.get("request"), *value.get("requests", ())]:
            if isinstance(view, dict):
                person = view["requester"]
                comment = {"person": person, "text": nasty, "time": 1, "channel": "native"}
                view.update(reason=nasty, closing=nasty, address=nasty, command=nasty, comments=[comment])
        for host in value.get("hosts", ()):
            if isinstance(host, dict):
                host.update(address=nasty, labels=[["env", nasty]], aliases=[nasty])
        for entry in value.get("entries", ()):
            entry.update(summary=nasty)
        return value

    server.alter = spoil
    for who, words in (
        (alice, ("show", only(server))),
        (alice, ("requests", "--mine")),
        (bob, ("approve", only(server))),
        (alice, ("status", "db1")),
        (alice, ("hosts", "--details")),
        (alice, ("hosts",)),
        (alice, ("log",)),
        (alice, ("doctor", "db1")),
    ):
        text = who.run(*words).stdout
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
    assert max(map(len, said.out.splitlines())) <= 80


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.subcommand(["--help"]) == 0
    assert set(re.findall(r"[a-z-]+", capsys.readouterr().out)) >= SUBCOMMANDS


def test_t70_what_was_ended_before_a_failure_is_said(alice: Laptop, server: ClientServer) -> None:
    """Two grants are open at one host, and the answer about the second is none: the first is over, here as well."""
    alice.run("request", "web1")
    alice.run("web1", "true")
    server.host("web2", 22)
    alice.run("request", "web1", "web2")
    ended: list[str] = []

    def fail(path: str, value: Any) -> Any:
        if path.endswith("/end"):
            ended.append(path)
            return {} if len(ended) > 1 else value
        return value

    server.alter = fail
    done = alice.run("done", "web1")
    assert len(ended) == 2
    assert done.returncode != 0
    assert done.stderr.count("done: ") == 1
    assert ended[0] != ended[1]


def test_status_has_what_is_open_behind_the_first_page(alice: Laptop, server: ClientServer) -> None:
    """An access for a week may have a hundred shorter ones after it."""
    alice.run("request", "web1")
    pages: list[str] = []

    def first_page(path: str, value: Any) -> Any:
        if path == "/api/v1/requests" and "requests" in value:
            pages.append(path)
            return {"requests": [], "next": 1} if len(pages) == 1 else value
        return value

    server.alter = first_page
    shown = alice.run("status")
    assert len(pages) == 3, "what waits and what is open is asked for by itself"
    assert "deploy@web1" in shown.stdout


def test_who_is_done_now_keeps_what_begins_later(alice: Laptop, server: ClientServer) -> None:
    server.host("web2", 22)
    alice.run("request", "web1", "web2", "--start", "+2h")
    alice.run("request", "web1")
    tonight, today = server.requests()
    assert alice.run("done", "web1").returncode == 0
    states = {name: server.state(name) for name in (tonight, today)}
    assert states == {tonight: RequestState.APPROVED, today: RequestState.ENDED}
    assert alice.run("done", "web1").returncode == 0
    assert server.state(tonight) is RequestState.ENDED
