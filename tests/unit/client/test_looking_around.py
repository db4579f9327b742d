"""What people look at besides connecting: what they can reach, what is wrong, their history; and completion."""

from __future__ import annotations

import http.server
import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.api.explain import ExplainBody, ExplainReply
from sshjit.api.log import EntryView
from sshjit.errors import Failed, Refused
from sshjit.terminal_text import width
from sshjit_client.__main__ import SUBCOMMANDS
from sshjit_client.api.full import FullApi
from sshjit_client.commands import entry_text
from sshjit_client.console import exit_codes
from sshjit_client.console.command_files import COMMANDS
from sshjit_client.console.terminal import Terminal
from sshjit_client.diagnosis import machine_checks, trial
from sshjit_client.requests import explained_hosts
from sshjit_client.storage import host_names, settings
from sshjit_client.storage.machine import Machine
from tests.support.client_server import ClientServer
from tests.support.installation import BOB
from tests.support.release_clone import ROOT
from tests.support.typed_session import typed_session
from tests.unit.client.conftest import Laptop
from tools.manual import files


@pytest.fixture
def alice(laptop: Laptop, server: ClientServer) -> Laptop:
    """Alice's machine, signed in, with open access to web1; Bob, who approves, signed in somewhere too."""
    server.sign_in(BOB)
    assert laptop.run("--reason", "CHG-1 first", "web1", "true").returncode == 0
    return laptop


def typed(laptop: Laptop, *words: str, answer: str = "", after: str = "", **env: str) -> tuple[str, int]:
    """What a person sees at a terminal of 80 columns, and the exit code."""
    with typed_session([sys.executable, "-m", "sshjit_client", *words], {**laptop.env, **env}) as session:
        if after:
            session.wait_for(after)
            session.type(answer)
        code = session.end()
        return session.text, code


def test_what_can_be_reached_and_what_it_takes(alice: Laptop, server: ClientServer) -> None:
    server.host("web2", 22)
    rows = {line.split()[0]: line for line in alice.run("hosts").stdout.splitlines()}
    assert list(rows) == ["HOST", "web1", "web2", "db1", "vault1"], "what is open first, what is out of reach last"
    for host, text in (
        ("web1", "deploy    open until "),
        ("web2", "deploy    granted immediately"),
        ("db1", "needs a reason"),
        ("vault1", "not allowed"),
    ):
        assert text in rows[host], rows[host]
    listed = json.loads(alice.run("hosts", "--json").stdout)["hosts"]
    assert [(host["name"], host["access"]) for host in listed][:2] == [("web1", "open"), ("web2", "allow")]
    short = alice.run("hosts", "--limit", "1", "--label", "env=staging")
    assert [line.split()[0] for line in short.stdout.splitlines()] == ["HOST", "web1"]
    assert "hint: 1 more: --host PART" in short.stderr
    server.calls.clear()
    assert {line.split()[0] for line in alice.run("hosts").stdout.splitlines()} == set(rows)
    assert server.calls.count("POST /api/v1/explain") == 1
    names = [name for host in ("db1", "vault1", "web1", "web2") for name in (host, f"{host}.lab")]
    assert alice.run("completion", "hosts").stdout.split() == names
    screen, _ = typed(alice, "hosts")
    assert max(map(width, screen.splitlines())) <= 80


def test_lists_show_the_living_with_their_address_and_count_the_dead(
    alice: Laptop, bob: Laptop, server: ClientServer
) -> None:
    alice.run("done", "web1")
    alice.run("request", "--reason", "CHG-2 other", "db1")
    alice.run("request", "web1")
    over, pending, opened = server.requests()
    screen, _ = typed(alice, "requests")
    assert over[:12] not in screen
    assert "1 is over: ssh-jit requests --over" in screen
    for request in (pending, opened):
        assert f"\n    {server.url}/requests/{request}\n" in screen
    assert max(map(width, screen.splitlines())) <= 80
    assert over[:12] in alice.run("requests", "--over").stdout
    assert alice.run("requests").stdout.splitlines()[2].split()[-1] == "PAGE", "a pipe gets a line for each"
    later = alice.run("request", "--reason", "CHG-3", "--for", "10m", "--action", "migrate", "db1")
    assert later.returncode == 0, later.stderr
    queue = json.loads(bob.run("requests", "--approve", "--json").stdout)["requests"]
    assert [each["pending_until"] for each in queue] == sorted(each["pending_until"] for each in queue)
    assert len(queue) == 2
    assert queue[0]["page"] == f"{server.url}/requests/{queue[0]['id']}"


def test_an_older_server_is_asked_host_by_host(alice: Laptop, server: ClientServer) -> None:
    """And so is one whose CA is older: the answers are the same. A host that it says nothing of is not allowed."""

    class Behind(FullApi):
        """A front end whose CA is of version 1."""

        def explain(self, body: ExplainBody) -> ExplainReply:
            if body.each:
                raise Refused("too_old", "the CA is too old")
            return super().explain(body)

    session = Machine.here(alice.env).session(time.time())
    assert session is not None
    front_end, behind = (lambda cls=cls: cls(session.url, session.token) for cls in (FullApi, Behind))
    hosts = ["db1", "vault1", "web1"]
    answers = explained_hosts.ask(front_end, 2, hosts)
    assert [(answer.verdict, answer.code, answer.login) for answer in answers.values()] == [
        ("denied", "bad_reason", "postgres"), ("denied", "no_rule", None), ("allow", "", "deploy"),
    ]  # fmt: skip
    assert explained_hosts.ask(front_end, 1, hosts) == explained_hosts.ask(behind, 2, hosts) == answers
    asked = explained_hosts.ask(front_end, 1, ["db1", "db2"])
    assert [answer.code for answer in asked.values()] == ["bad_reason", "unknown_host"]
    server.alter = lambda path, value: {**value, "each": value["each"][1:]} if path.endswith("/explain") else value
    assert explained_hosts.ask(front_end, 2, hosts)["db1"].verdict == "denied"


def test_every_look_has_json(alice: Laptop, server: ClientServer) -> None:
    (request,) = server.requests()
    assert json.loads(alice.run("whoami", "--json").stdout)["person"]["name"] == "Alice"
    status = json.loads(alice.run("status", "--json").stdout)
    assert [kept["principals"] for kept in status["certificates"]] == [["deploy@web1"]]
    assert [each["page"] for each in status["requests"]] == [f"{server.url}/requests/{request}"]
    entries = json.loads(alice.run("log", "--json").stdout)["entries"]
    assert {entry["kind"] for entry in entries} >= {"asked", "user_certificate"} & {entry["kind"] for entry in entries}
    assert any("requested deploy@web1" in entry["summary"] for entry in entries)
    asked = json.loads(alice.run("request", "--reason", "CHG-7", "db1", "--json").stdout)
    assert asked["request"]["state"] == "pending"
    assert json.loads(alice.run("cancel", asked["request"]["id"], "--json").stdout)["request"]["state"] == "cancelled"
    assert json.loads(alice.run("done", "web1", "--json").stdout)["requests"][0]["state"] == "ended"


def test_the_log_is_ones_own_even_for_an_auditor(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy('audit = ["auditor"]', 'audit = ["lead"]')
    assert bob.run("login").returncode == 0
    assert "audit" in bob.run("whoami").stdout
    said = bob.run("log").stdout
    assert "Bob (acme) signed in" in said
    assert "Alice" not in said
    assert "hint: there are older entries" in bob.run("log", "--limit", "1").stderr
    assert "requested deploy@web1" in alice.run("log").stdout


def test_opening_a_page_prints_its_address_where_there_is_no_browser(alice: Laptop, server: ClientServer) -> None:
    (request,) = server.requests()
    done = alice.run("open", request[:9], BROWSER="")
    assert (done.returncode, done.stdout) == (0, f"{server.url}/requests/{request}\n")
    assert done.stderr == "ssh-jit: no browser can be started here; the address is:\n"
    for words, page in (
        (("open", "--json"), server.url),
        (("open", "--json", request), f"{server.url}/requests/{request}"),
    ):
        assert json.loads(alice.run(*words).stdout) == {"page": page}


@pytest.mark.parametrize(("zone", "ends"), [("Europe/Berlin", "15:32 CET"), ("UTC", "14:32 UTC")])
def test_the_log_has_the_times_of_this_machines_zone(zone: str, ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody wrote stays, and what the entry does not explain is called UTC. The year 2030 is far away."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    end = 1_893_508_320
    fact = json.dumps({"ends": end, "serial": 1 << 62, "hosts": [{"until": end + 86460}, end, 3600, 90_000]})
    more = json.dumps({"first": end + 3600, "second": end + 90_000})
    summary = 'at 14:32:00: 2030-01-02 14:33 UTC, 09:00:00, 15:32:00: "not 14:32:00", host 14:32:00:01'
    try:
        text = entry_text.local(EntryView(1, end, "opened", summary, fact, more))
    finally:
        monkeypatch.undo()
        time.tzset()
    later = ends.replace("32", "33")
    both = "09:00:00 UTC, 15:32:00 UTC"
    assert text == f'at 1 Jan 2030 {ends}: 2 Jan 2030 {later}, {both}: "not 14:32:00", host 14:32:00:01'


def test_a_table_of_the_log_names_the_zone_of_every_time(alice: Laptop) -> None:
    shown = alice.run("log", TZ="Europe/Berlin").stdout
    assert "UTC" not in shown
    assert not re.search(r"\d\d:\d\d:\d\d", shown), shown
    assert re.search(r"is open to Alice \(acme\) until (\d+ \w+ )?\d\d:\d\d CES?T: rule 'staging' allowed it", shown), (
        shown
    )


def test_doctor_tries_the_host_and_says_that_nothing_is_wrong(alice: Laptop) -> None:
    done = alice.run("doctor", "web1")
    assert done.returncode == 0, done.stdout + done.stderr
    subjects = [line.split("  ")[1].strip() for line in done.stdout.splitlines() if line.startswith("ok")]
    for subject in ("clock", "window", "certificate", "CA key", "options", "address", "trial"):
        assert any(subject in line for line in done.stdout.splitlines()), (subject, subjects)
    assert "sshd took the certificate" in done.stdout
    assert "deploy@web1: sshd wants exactly this" in done.stdout
    said = " ".join(done.stdout.split())
    assert "CA's signature, login key (ssh-ed25519)" in said
    assert re.search(r"key exchange \([a-z0-9@.-]+\)", said), said
    assert re.search(r"classical: .*host key \(ssh-ed25519", said), said
    status = " ".join(alice.run("status", "web1").stdout.split())
    assert "CA's signature, login key (ssh-ed25519)" in status
    assert json.loads(alice.run("status", "--json").stdout)["post_quantum"]["ca"] == "classical"
    (serial,) = (line for line in done.stdout.splitlines() if "serial" in line)
    assert "by this clock" not in serial, "both clocks say the same"


@pytest.mark.parametrize(
    ("forwarding", "text"),
    [
        (None, 'none; VS Code Remote, ssh -L and jumps through this host need forwarding = ["port"] in it'),
        ('["agent"]', 'the agent; VS Code Remote, ssh -L and jumps through this host need forwarding = ["port"] in it'),
        ('["port", "x11"]', "ports and X11"),
    ],
)
def test_doctor_says_what_may_be_forwarded(
    laptop: Laptop, server: ClientServer, forwarding: str | None, text: str
) -> None:
    if forwarding:
        old = 'extend = { count = 2, by = "30m" }'
        server.front.ca.change_policy(old, f"{old}\nforwarding = {forwarding}")
    assert laptop.run("web1", "true").returncode == 0
    findings = json.loads(laptop.run("doctor", "--no-trial", "--json", "web1").stdout)["findings"]
    (found,) = (finding for finding in findings if finding["subject"] == "forwarding")
    assert (found["level"], found["text"]) == ("ok", f"the rule allows {text}")


@pytest.mark.parametrize(
    ("term", "more", "coloured"), [("xterm", {}, True), ("xterm", {"NO_COLOR": "1"}, False), ("dumb", {}, False)]
)
def test_colours_are_for_terminals_that_want_them(
    alice: Laptop, term: str, more: dict[str, str], *, coloured: bool
) -> None:
    words = [sys.executable, "-m", "sshjit_client", "doctor"]
    with typed_session(words, {**alice.env, **more}, term=term) as session:
        session.end()
        assert ("\x1b[" in session.shown) is coloured, session.shown
    assert "\x1b" not in alice.run("doctor").stdout


def test_doctor_names_what_shuts_somebody_out(alice: Laptop, server: ClientServer, tmp_path: Path) -> None:
    nowhere = alice.run("doctor", "web7")
    assert nowhere.returncode == 1
    assert "there is no host web7" in nowhere.stdout
    assert "did you mean web1" in nowhere.stdout
    assert "no access to db1 was requested" in alice.run("doctor", "db1").stdout
    own = tmp_path / "own"
    own.write_text("")
    assert alice.run("-F", str(own), "web1", "true").returncode == 0
    own.write_text("PubkeyAcceptedAlgorithms ssh-ed25519\nHostKeyAlgorithms ssh-ed25519\n")
    for config in alice.state.rglob("open/*.conf"):
        if str(own) not in config.read_text():
            config.unlink()
    hardened = alice.run("doctor", "web1", "--json")
    found = {one["text"]: one for one in json.loads(hardened.stdout)["findings"] if one["subject"] == "options"}
    assert any("your PubkeyAcceptedAlgorithms leaves out" in text for text in found), hardened.stdout
    assert any("your HostKeyAlgorithms leaves out host certificates" in text for text in found)
    (request,) = [each for each in server.requests() if server.state(each) == "approved"]
    server.say(m.Revoke(None, request, None, None, "laptop lost"), m.RevokeReply, "admin")
    gone = alice.run("doctor", "web1", "--no-trial")
    assert "is revoked" in gone.stdout
    server.away()
    assert "can't reach the CA" in alice.run("doctor").stdout


@pytest.mark.parametrize(
    ("skew", "level", "text"),
    [
        (0, "ok", "agrees"),
        (30, "note", "30 s behind"),
        (600, "bad", "10 min behind"),
        (-86400, "bad", "1 d ahead of"),
    ],
)
def test_t41_a_clock_that_is_off_is_named(skew: int, level: str, text: str) -> None:
    found = machine_checks.clock(skew)
    assert (found.level, text in found.text) == (level, True)


def test_t91_an_address_that_is_shut_out_is_told_to_wait(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        config = tmp_path / "conf"
        config.write_text(f"Host web1\n HostName 127.0.0.1\n Port {listener.getsockname()[1]}\n")
        (found,) = trial.look("web1", config)
        thread.join()
    assert found.level == "bad"
    assert "PerSourcePenalties" in found.text
    assert "wait" in found.hint


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_without_its_server_is_told_apart_from_a_wrong_address(status: int) -> None:
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html><h1>nginx</h1></html>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(Failed) as error:
            FullApi(f"http://127.0.0.1:{server.server_port}").whoami()
        thread.join()
    assert f"(HTTP {status})" in error.value.message
    assert error.value.message.startswith("a proxy answers")
    assert "try again" in error.value.hint
    assert exit_codes.of(error.value) is exit_codes.ExitCode.REACH


@pytest.mark.parametrize("command", ["whoami", "requests", "status", "hosts", "doctor", "log", "open"])
def test_before_the_set_up_everything_says_so(stranger: Laptop, command: str) -> None:
    done = stranger.run(command, BROWSER="")
    assert done.returncode == 2
    assert done.stderr == "ssh-jit: this machine is not set up\nhint: ssh-jit setup URL --root SHA256:…\n"


def test_signing_out_with_the_server_away_says_what_is_left_there(alice: Laptop, server: ClientServer) -> None:
    session = alice.state / "session.json"
    server.away()
    done = alice.run("logout")
    assert done.returncode == 8
    assert "signed out on this machine; the server tells the CA as soon as that answers" in done.stderr
    assert not session.exists()
    server.away(away=False)
    assert alice.run("login").returncode == 0
    session = alice.state / "session.json"
    session.write_text(re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:9", session.read_text()))
    done = alice.run("logout")
    assert done.returncode == 8
    assert "signed out on this machine, but the CA does not know: can't reach http://127.0.0.1:9" in done.stderr
    assert "; the sign-in goes on there until " in done.stderr
    assert "ssh-jit revoke --login login-" in done.stderr
    assert not session.exists()


def test_who_may_not_is_not_asked(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    for words in (("lock", "--all"), ("unlock", "lock-1"), ("hosts", "remove", "web1", "--reason", "gone")):
        screen, code = typed(alice, *words)
        assert code == 4, screen
        assert "which you do not have" in screen
        assert "[y/N]" not in screen
        assert "Why?" not in screen
    alice.run("request", "--reason", "CHG-7", "db1")
    screen, code = typed(alice, "approve", server.requests()[-1])
    assert (code, "it is your own request" in screen, "[y/N]" in screen) == (4, True, False)
    refused = alice.run("requests", "--all")
    assert refused.returncode == 4
    assert "needs the permission 'audit'" in refused.stderr
    assert "hint: ssh-jit requests shows yours" in refused.stderr
    screen, code = typed(bob, "lock", "--all", after="Why? It goes into the log: ", answer="intruder\nn\n")
    assert (code, "nothing was locked" in screen) == (4, True), screen


def test_a_locked_person_reads_why(alice: Laptop, bob: Laptop, server: ClientServer) -> None:
    assert bob.run("lock", "--person", "acme/alice@example.com", "--reason", "laptop lost").returncode == 0
    for words in (("whoami",), ("web2", "true"), ("login",), ("requests",)):
        done = alice.run(*words)
        assert "is locked since" in done.stderr, (words, done.stderr)
        assert ": laptop lost\n" in done.stderr, (words, done.stderr)


def test_a_reason_is_asked_for_with_the_rules_own_prompt_and_pattern(alice: Laptop, server: ClientServer) -> None:
    with typed_session([sys.executable, "-m", "sshjit_client", "--no-wait", "db1", "true"], alice.env) as session:
        session.wait_for("Incident or change number: ")
        session.type("because\n")
        session.wait_for("needs a reason like ")
        session.type("CHG-9 \u200bindex\n")
        session.wait_for("ZERO WIDTH SPACE (U+200B) at character 7")
        session.type("CHG-9\u00a0index\n")
        assert session.end() == 3, session.text
    assert server.view(server.requests()[-1]).reason == "CHG-9 index"


def test_by_an_earlier_reason_nothing_is_drawn_before_the_person_agrees(alice: Laptop, server: ClientServer) -> None:
    (request,) = server.requests()
    drawn = server.view(request).certificates
    words = ("--reason", "CHG-2 other work", "web1", "true")
    screen, code = typed(alice, *words, after="go on by the earlier reason? [y/N] ", answer="n\n")
    assert (code, "nothing was done by the earlier reason" in screen) == (2, True)
    assert server.view(request).certificates == drawn
    screen, code = typed(alice, *words, after="go on by the earlier reason? [y/N] ", answer="y\n")
    assert code == 0, screen
    assert "deploy: true" in screen


def test_a_dumb_terminal_gets_plain_lines(alice: Laptop, server: ClientServer) -> None:
    words = [sys.executable, "-m", "sshjit_client", "--reason", "CHG-7", "db1", "true"]
    with typed_session(words, alice.env, term="dumb") as session:
        session.wait_for("waiting for approval by Bob (lead), until")
        session.wait_for("/requests/req-")
        session.interrupt()
        assert session.end() == 3
        assert "\x1b" not in session.shown
        assert "\a" not in session.shown
    words = [sys.executable, "-m", "sshjit_client", "--reason", "CHG-7", "db1", "true"]
    with typed_session(words, alice.env) as session:
        session.wait_for(" left · waiting for approval by Bob (lead)")
        server.decide(server.requests()[-1])
        assert session.end() == 0, session.text
        assert "\a" in session.shown, "the bell"
        assert "approved by Bob" in session.text


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("reqests",), "did you mean ssh-jit requests?"),
        (("requets", "--all"), "did you mean ssh-jit requests?"),
        (("stauts",), "did you mean ssh-jit status?"),
        (("--resaon", "x", "web1"), "did you mean --reason?"),
    ],
)
def test_a_command_that_was_mistyped_is_guessed(alice: Laptop, words: tuple[str, ...], meant: str) -> None:
    done = alice.run(*words)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"hint: {meant}")


def test_every_command_is_in_the_completions_and_the_manual_as_they_are_shipped() -> None:
    """``python -m tools.manual client/share`` writes them anew."""
    assert set(COMMANDS) <= SUBCOMMANDS
    for place, text in files().items():
        shipped = (ROOT / "client/share" / place).read_text(encoding="utf-8")
        assert shipped == text, f"{place} is out of date: python -m tools.manual client/share"
        assert all(command.replace("-", "\\-") in text or command in text for command in COMMANDS)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (("ssh-jit", "app"), {"approve"}),
        (("ssh-jit", "we"), {"web1", "web2"}),
        (("ssh-jit", "root@we"), {"root@web1", "root@web2"}),
        (("ssh-jit", "--rea"), {"--reason"}),
        (("ssh-jit", "doctor", "we"), {"web1", "web2"}),
        (("ssh-jit", "approve", "--y"), {"--yes"}),
    ],
)
def test_bash_completes(tmp_path: Path, line: tuple[str, ...], wanted: set[str]) -> None:
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    settings.save(env, settings.Settings(1, "https://jit.example.org", "lab", "SHA256:x", None))
    host_names.keep(Machine(env, Terminal()), ["web1", "web2", "db1"])
    program = tmp_path / "ssh-jit"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sshjit_client "$@"\n')
    program.chmod(0o755)
    script = f"""
    source {ROOT}/client/share/bash-completion/completions/ssh-jit
    COMP_WORDS=({" ".join(line)}); COMP_CWORD={len(line) - 1}; _ssh_jit; echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == wanted, done.stderr
