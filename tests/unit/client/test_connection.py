"""The command as people type it, against a server, a provider and a host on loopback."""

from __future__ import annotations

import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit.api.views import RequestState
from sshjit_client.ssh import certificate_index, sharing
from sshjit_client.storage import files
from sshjit_client.storage.machine import Session
from tests.support import break_glass
from tests.support.client_server import ClientServer
from tests.support.installation import BOB
from tests.unit.client.conftest import Laptop
from tests.unit.client.installation_keys import keygen, make_key
from tests.unit.client.line_ends import LINE_ENDS
from tests.unit.client.real_agent import ssh_agent
from tests.unit.client.ssh_server import ssh_server


def test_connects_signs_in_by_itself_and_runs_the_command(laptop: Laptop, server: ClientServer) -> None:
    done = laptop.run("web1", "whoami")
    assert (done.stdout, done.returncode) == ("deploy: whoami\n", 0), done.stderr
    assert done.stderr == "ssh-jit: signing in with acme in your browser\nssh-jit: you log in as deploy\n"


def test_a_certificate_that_is_alive_is_used_without_asking_any_server(laptop: Laptop, server: ClientServer) -> None:
    assert laptop.run("web1", "true").returncode == 0
    server.calls.clear()
    done = laptop.run("web1", "again")
    assert (done.stdout, done.stderr, server.calls) == ("deploy: again\n", "", [])


def test_another_account_or_action_is_another_ask(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("web1", "true")
    server.calls.clear()
    done = laptop.run("guest@web1", "true")
    assert done.returncode == 255, "the host knows only deploy@web1"
    assert "POST /api/v1/requests" in server.calls


def test_what_is_kept_is_for_nobody_else(laptop: Laptop) -> None:
    laptop.run("web1", "true")
    kept = [path for path in laptop.state.rglob("*") if path.is_file() and path.suffix != ".pub"]
    assert {path.name for path in kept} >= {"id_ed25519", "session.json", "web1+shell.conf"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    folders = [path for path in laptop.place.parent.rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    shown = keygen("-L", "-f", str(laptop.state / "open" / "web1+shell-cert.pub")).decode()
    assert "deploy@web1" in shown


def test_a_denial_names_the_rule_in_the_hint(laptop: Laptop) -> None:
    done = laptop.run("vault1", "true")
    assert done.returncode == 4
    assert done.stderr.splitlines()[-2:] == [
        "ssh-jit: no rule allows logging in to vault1",
        "hint: vault on vault1 needs the role security (rule vault); roles held: dba, sre",
    ]


@pytest.fixture
def pending(laptop: Laptop, server: ClientServer) -> Iterator[subprocess.Popen[str]]:
    """``ssh-jit db1 true``, which waits for the approval; Bob signed in somewhere before."""
    server.sign_in(BOB)
    laptop.run("login")
    process = laptop.start("--reason", "CHG-7", "db1", "true")
    try:
        server.wait_for("GET /api/v1/requests/req-")
        yield process
    finally:
        process.kill()
        process.communicate()


def only(server: ClientServer) -> str:
    (request,) = server.requests()
    return request


def test_waits_for_an_approval_and_goes_on(laptop: Laptop, bob: Laptop, server: ClientServer) -> None:
    server.sign_in(BOB)
    laptop.run("login")
    waiting = laptop.start("--action", "migrate", "--reason", "CHG-7", "postgres@db1")
    server.wait_for("GET /api/v1/requests/req-")
    request = only(server)
    approved = bob.run("approve", request)
    assert approved.returncode == 0, approved.stderr
    assert "/opt/app/bin/migrate" in approved.stdout
    assert "CHG-7" in approved.stdout
    _, said = waiting.communicate(timeout=20)
    first, address, *_ = said.splitlines()
    assert first.startswith("ssh-jit: postgres@db1, migrate, 1 h: waiting for approval by Bob (lead), until ")
    assert address == f"ssh-jit: {server.url}/requests/{request}"
    assert "ssh-jit: approved by Bob" in said
    certificate = next((laptop.state / "open").glob("*-cert.pub"))
    assert "force-command /opt/app/bin/migrate" in keygen("-L", "-f", str(certificate)).decode()


def test_ctrl_c_leaves_the_request_alive_and_the_same_command_picks_it_up(
    pending: subprocess.Popen[str], laptop: Laptop, server: ClientServer
) -> None:
    pending.send_signal(signal.SIGINT)
    _, said = pending.communicate(timeout=20)
    request = only(server)
    assert pending.returncode == 3
    assert f"stopped waiting; {request} stays open until" in said
    assert said.splitlines()[-1].startswith("hint: the same command picks it up")
    server.decide(request)
    again = laptop.run("--reason", "CHG-8", "db1", "true")
    assert (again.stdout, again.returncode) == ("postgres: true\n", 0)
    assert only(server) == request
    assert "waiting" not in again.stderr
    assert "your new reason was NOT recorded" in again.stderr
    assert f"hint: to change it: ssh-jit done {request[:12]}, then ask again" in again.stderr


def test_a_denied_request_is_not_picked_up_again(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("request", "--reason", "CHG-7", "db1")
    server.decide(only(server), "deny", "not today")
    again = laptop.run("request", "--reason", "CHG-7", "db1")
    assert again.returncode == 0
    assert len(server.requests()) == 2


def test_a_denied_request_ends_the_wait(pending: subprocess.Popen[str], bob: Laptop, server: ClientServer) -> None:
    assert bob.run("deny", only(server), "--reason", "freeze").returncode == 0
    _, said = pending.communicate(timeout=20)
    assert pending.returncode == 4
    assert "ssh-jit: denied by Bob: freeze" in said


def test_a_server_that_is_away_for_a_while_does_not_end_the_wait(
    pending: subprocess.Popen[str], server: ClientServer
) -> None:
    server.away()
    seen = sum(call.startswith("GET /api/v1/requests/req-") for call in server.calls)
    server.wait_for("GET /api/v1/requests/req-", seen + 2)
    server.away(away=False)
    server.decide(only(server))
    _, said = pending.communicate(timeout=20)
    assert "ssh-jit: can't reach the CA; trying again\n" in said
    assert "still work" not in said
    assert "approved by Bob" in said


def test_nobody_home_is_exit_8_and_says_what_still_works(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("web1", "true")
    server.away()
    done = laptop.run("postgres@db1", "true")
    assert done.returncode == 8
    assert done.stderr == "ssh-jit: can't reach the CA; existing certificates still work: ssh-jit status\n"
    status = laptop.run("status")
    assert (status.returncode, "deploy@web1" in status.stdout) == (8, True)
    assert "ssh-jit status" not in status.stderr, "one who has typed it knows"
    assert laptop.run("web1", "true").returncode == 0


def test_a_front_end_that_is_gone_is_exit_8(laptop: Laptop) -> None:
    laptop.run("login")
    session = laptop.state / "session.json"
    session.write_text(re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:9", session.read_text()))
    done = laptop.run("web1", "true")
    said = "can't reach http://127.0.0.1:9: Connection refused"
    assert (done.returncode, done.stderr) == (8, f"ssh-jit: {said}\n"), "no certificate is here that could still work"


def test_without_a_browser_or_terminal_a_login_is_needed(laptop: Laptop) -> None:
    done = laptop.run("web1", "true", BROWSER="")
    assert (done.returncode, done.stderr) == (7, "ssh-jit: you are not signed in\nhint: ssh-jit login\n")


def test_a_token_that_the_server_forgot_is_renewed_once(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("login")
    session = files.load(laptop.state / "session.json", Session)
    assert session is not None
    server.say(m.Logout(session.login.id), m.Done)
    done = laptop.run("web1", "true")
    assert done.stdout == "deploy: true\n", done.stderr


def test_rfc9207_an_answer_of_another_provider_is_refused(laptop: Laptop, server: ClientServer) -> None:
    server.provider.sent_issuer = "https://evil.example"
    done = laptop.run("login")
    assert done.returncode == 7
    assert "another provider answered" in done.stderr
    assert not (laptop.state / "session.json").exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("login", "root", "it is not for root@web1"),
        ("routes", [], "no route to web1"),
        ("text", "ssh-ed25519 AAAA", "unusable"),
    ],
)
def test_a_certificate_that_does_not_fit_never_reaches_a_file(
    laptop: Laptop, server: ClientServer, field: str, value: object, said: str
) -> None:
    server.lies = {field: value}
    done = laptop.run("web1", "true")
    assert done.returncode == 8
    assert said in done.stderr
    assert not list(laptop.state.glob("open/*"))


@pytest.mark.parametrize("field", ["reason", "rule"])
def test_t51_what_the_front_end_says_of_a_request_is_no_line_of_the_configuration(
    laptop: Laptop, server: ClientServer, tmp_path: Path, field: str
) -> None:
    """The line would be a command on the laptop, or the socket of somebody else's shared connection."""
    ran = tmp_path / "ran"
    text = "".join(f"x{end}ProxyCommand touch {ran}" for end in LINE_ENDS) + "x" * 4096 + f"# shared by {ran}"

    def lie(path: str, value: Any) -> Any:
        if path.endswith("/requests") and "request" in value:
            value["request"][field] = text
        return value

    server.alter = lie
    done = laptop.run("web1", "true")
    assert (done.stdout, done.returncode) == ("deploy: true\n", 0), done.stderr
    written = laptop.state / "open" / "web1+shell.conf"
    lines = written.read_text("utf-8").splitlines()
    assert [line for line in lines if "ProxyCommand" in line and not line.startswith("# ")] == []
    assert max(map(len, lines)) < 1200
    assert sharing.of(written) not in (None, ran)
    server.calls.clear()
    assert laptop.run("web1", "true").returncode == 0
    assert (server.calls, ran.exists()) == ([], False)


def test_t37_nothing_of_ours_is_on_the_standard_output(laptop: Laptop) -> None:
    assert laptop.run("web1", "x").stdout == "deploy: x\n"


def test_requests_lists_and_done_ends(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("web1", "true")
    listed = laptop.run("requests").stdout
    assert "deploy@web1, 8 h" in listed
    assert laptop.run("done", "web1").returncode == 0
    assert not list((laptop.state / "open").iterdir())
    assert server.state(only(server)) is RequestState.ENDED


def test_cancel_takes_a_pending_request_back(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("request", "--reason", "CHG-7", "db1")
    done = laptop.run("cancel", only(server)[4:10])
    assert (done.returncode, done.stderr) == (0, "ssh-jit: cancelled: postgres@db1, 1 h\n")


def test_an_id_that_two_requests_begin_with_is_refused(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("request", "--reason", "CHG-7", "db1")
    laptop.run("request", "web1")
    done = laptop.run("cancel", "req-")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "ssh-jit: 2 requests begin with req-")


@pytest.mark.parametrize("nothing", ["", "req-"])
def test_what_every_id_begins_with_names_no_request(laptop: Laptop, server: ClientServer, nothing: str) -> None:
    laptop.run("request", "--reason", "CHG-7", "db1")
    done = laptop.run("deny", nothing, "--reason", "a variable was empty")
    assert done.returncode == 2
    assert server.state(only(server)) is RequestState.PENDING


def test_logout_forgets_key_token_and_certificates(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("web1", "true")
    assert laptop.run("logout").returncode == 0
    left = sorted(path.name for path in laptop.place.rglob("*") if not path.is_dir())
    assert left == ["sign-in.lock"]
    assert [login.closed for login in server.front.ca.context.state.logins.values()] == [True]


def test_whoami_status_and_hosts(laptop: Laptop) -> None:
    laptop.run("web1", "true")
    assert "Alice <alice@example.com> (acme)" in laptop.run("whoami").stdout
    status = laptop.run("status", "web1")
    assert "deploy@web1" in status.stdout
    assert "agrees with the server" in status.stdout
    assert "env=staging" in laptop.run("hosts").stdout


def test_status_drops_a_certificate_whose_grant_was_taken_away(
    laptop: Laptop, bob: Laptop, server: ClientServer
) -> None:
    laptop.run("web1", "true")
    assert bob.run("revoke", only(server), "--reason", "over").returncode == 0
    status = laptop.run("status", "web1")
    assert status.stderr == "ssh-jit: removed the certificate for deploy@web1: its request is revoked (over)\n"
    assert "no access to web1 is open" in status.stdout
    assert list((laptop.state / "open").iterdir()) == []


def test_t41_after_permission_denied_status_says_window_principal_host_and_clock(laptop: Laptop) -> None:
    """All that ssh says is "Permission denied (publickey)"; what a host looks at stands here, and what is not so."""
    laptop.run("web1", "true")
    said = laptop.run("status", "web1").stdout
    assert re.search(r"clock +agrees with the server", said)
    assert "open until" in said
    assert "web1 lets you in if its principals file for the account lists deploy@web1" in said
    assert "web1 answers at 127.0.0.1 port" in said
    laptop.run("request", "--reason", "CHG-7", "db1")
    assert "the request for db1 is not decided yet" in laptop.run("status", "db1").stdout
    assert "no access to vault1 is open; the next connection requests it" in laptop.run("status", "vault1").stdout


def test_t39_the_certificate_comes_before_every_key_of_a_full_agent(laptop: Laptop, tmp_path: Path) -> None:
    with ssh_agent(tmp_path) as socket:
        for number in range(7):
            make_key(tmp_path / f"key{number}")
            add = ["ssh-add", "-q", str(tmp_path / f"key{number}")]
            subprocess.run(add, env={**laptop.env, "SSH_AUTH_SOCK": socket}, check=True)
        done = laptop.run("-v", "web1", "true", SSH_AUTH_SOCK=socket)
    offers = [line for line in done.stderr.splitlines() if "Offering public key" in line]
    assert len(offers) == 1
    assert "web1+shell~key ED25519-CERT" in offers[0]


def test_login_with_a_key_of_ones_own(laptop: Laptop, tmp_path: Path) -> None:
    keygen("-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "mine"))
    assert laptop.run("login", "--key", str(tmp_path / "mine")).returncode == 0
    assert not (laptop.state / "id_ed25519").exists()
    assert laptop.run("web1", "x").stdout == "deploy: x\n"
    laptop.run("logout")
    assert (tmp_path / "mine").exists()


def test_a_state_folder_that_others_can_enter_is_refused(laptop: Laptop) -> None:
    laptop.run("web1", "true")
    laptop.place.chmod(0o755)
    done = laptop.run("web1", "true")
    assert done.returncode == 8
    assert "only you can enter" in done.stderr


@pytest.mark.parametrize("own", ["StrictHostKeyChecking accept-new", "StrictHostKeyChecking no", ""])
@pytest.mark.parametrize("words", [["web1"], ["-oStrictHostKeyChecking=no", "web1"]])
def test_a_front_end_that_lies_about_the_address_is_no_man_in_the_middle(
    laptop: Laptop, server: ClientServer, tmp_path: Path, own: str, words: list[str]
) -> None:
    """The person takes new host keys as they come, and the front end sends them to a server of its own."""
    config, thief = tmp_path / "own", tmp_path / "thief"
    config.write_text(f"Host *\n    UserKnownHostsFile {tmp_path / 'known'}\n    {own}\n")
    thief.mkdir()
    make_key(thief / "ca")
    user_ca = server.front.ca.context.keys.public("user_ca").line
    with ssh_server(thief, ["web1"], ["deploy@web1"], thief / "ca", user_ca) as port:
        route = {"host": "web1", "host_id": "web1", "aliases": ["web1.lab"], "address": "127.0.0.1", "port": port}
        server.lies = {"routes": [route]}
        for _ in range(2):
            done = laptop.run("-F", str(config), *words, "whoami")
            assert (done.stdout, done.returncode) == ("", 255), done.stderr
            assert "Host key verification failed." in done.stderr
        assert not (tmp_path / "known").exists()
    server.lies = {}
    laptop.run("logout")
    honest = laptop.run("-F", str(config), *words, "whoami")
    assert honest.stdout == "deploy: whoami\n"
    lax = own or len(words) > 1
    assert ("this connection ignores your StrictHostKeyChecking" in honest.stderr) is bool(lax)


def test_nor_where_the_glass_is_broken(laptop: Laptop, server: ClientServer, tmp_path: Path) -> None:
    """For a new certificate, and for the one that is kept."""
    config, thief = tmp_path / "own", tmp_path / "thief"
    config.write_text(f"Host *\n UserKnownHostsFile {tmp_path / 'known'}\n StrictHostKeyChecking accept-new\n")
    thief.mkdir()
    make_key(thief / "ca")
    user_ca = server.front.ca.context.keys.public("user_ca").line
    words = ("break-glass", "--yes", "-F", str(config), "--reason", break_glass.REASON, "db1", "whoami")
    with ssh_server(thief, ["db1"], ["postgres@db1", "root@db1"], thief / "ca", user_ca) as port:
        route = {"host": "db1", "host_id": "db1", "aliases": ["db1.lab"], "address": "127.0.0.1", "port": port}
        server.lies = {"routes": [route]}
        for said in ("somebody else must review it", "using the access that is open on db1"):
            done = laptop.run(*words)
            assert (done.stdout, done.returncode) == ("", 255), done.stderr
            assert said in done.stderr
            assert "Host key verification failed." in done.stderr
        assert not (tmp_path / "known").exists()
    assert "this connection ignores your StrictHostKeyChecking accept-new" not in done.stderr, "it was told at once"
    server.lies = {}
    laptop.run("logout")
    honest = laptop.run(*words)
    assert honest.stdout.endswith(": whoami\n"), honest.stderr
    assert "this connection ignores your StrictHostKeyChecking accept-new" in honest.stderr


def test_the_cas_line_names_what_was_typed_and_nothing_that_came_unsigned(laptop: Laptop, server: ClientServer) -> None:
    route = {"host": "web1", "host_id": "web1", "aliases": ["bank.example"], "address": "127.0.0.1", "port": 1}
    server.lies = {"routes": [route]}
    laptop.run("web1", "true")
    (known,) = (laptop.state / "open").glob("*.known")
    assert {line.split(" ")[1] for line in known.read_text().splitlines()} == {"web1"}


def test_nor_does_any_configuration_take_back_how_host_keys_are_checked(tmp_path: Path) -> None:
    (tmp_path / "own").write_text(
        "Host *\n    StrictHostKeyChecking no\n    VerifyHostKeyDNS yes\n    UpdateHostKeys yes\n"
    )
    typed = ("-o", "VerifyHostKeyDNS=yes", "-o", "UpdateHostKeys=yes", "-G", "web1")
    done = subprocess.run(
        ["ssh", *certificate_index.STRICT, "-F", tmp_path / "own", *typed], capture_output=True, text=True, check=True
    )
    assert {"stricthostkeychecking true", "verifyhostkeydns false", "updatehostkeys false"} <= set(
        done.stdout.splitlines()
    )
