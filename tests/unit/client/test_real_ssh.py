"""Connections by OpenSSH's own programs, client and server: what becomes of everything that people type to ssh."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from sshjit_client.connecting import connection
from sshjit_client.console.terminal import Terminal
from sshjit_client.ssh import certificate_index, connection_args, openssh, sharing
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.ssh.jumps import Way
from sshjit_client.ssh.openssh import RunningQuery
from sshjit_client.storage.machine import Machine
from tests.support.waiting import wait_until
from tests.unit.client.installation_keys import make_key
from tests.unit.client.real_agent import ssh_agent
from tests.unit.client.real_host import ACCOUNT, World, real_world


@pytest.fixture(scope="module")
def everything() -> Iterator[World]:
    with real_world() as world:
        yield world


@pytest.fixture
def world(everything: World) -> Iterator[World]:
    """Nothing is open, and the person has no ssh configuration."""
    yield everything
    for pid in waiting_for(everything):
        os.kill(pid, signal.SIGTERM)
    Path(everything.laptop.env["HOME"], ".ssh/config").unlink(missing_ok=True)
    everything.forget()


def command(world: World, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of OpenSSH on the laptop."""
    return subprocess.run(
        words, env={**world.laptop.env, **env}, capture_output=True, text=True, check=False, timeout=60
    )


def waiting_for(world: World) -> list[int]:
    """The processes that wait to stop a shared connection of this laptop."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes()
            if str(world.laptop.state / "m").encode() in words and b"stop" in words:
                found.append(int(path.parent.name))
    return found


PROGRAM = str(Path(sys.executable).with_name("ssh-jit"))


def test_scp_and_sftp_draw_a_certificate(world: World, tmp_path: Path) -> None:
    (tmp_path / "sent").write_text("content")
    done = command(world, "scp", "-S", PROGRAM, str(tmp_path / "sent"), "web1:/tmp/sent-by-scp")
    assert done.returncode == 0, done.stderr
    world.forget()
    done = command(world, "scp", "-O", "-S", PROGRAM, "web1:/tmp/sent-by-scp", str(tmp_path / "back"))
    assert (done.returncode, (tmp_path / "back").read_text()) == (0, "content"), done.stderr
    world.forget()
    (tmp_path / "batch").write_text("rm /tmp/sent-by-scp\n")
    done = command(world, "sftp", "-S", PROGRAM, "-b", str(tmp_path / "batch"), "web1")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words", [["-s", "web1", "sftp"], ["-f", "web1", "true"], ["-fN", "-oExitOnForwardFailure=yes", "web1"]]
)
def test_what_ssh_takes_only_with_a_command_or_without_one(world: World, words: list[str]) -> None:
    done = world.laptop.run(*words)
    assert done.returncode == 0, done.stderr
    assert "signing in" not in done.stderr


def test_streams_and_exit_codes_are_those_of_ssh(world: World) -> None:
    for _ in ("drawn", "alive"):
        done = world.laptop.run("web1", "echo out; echo err >&2; exit 41")
        assert (done.stdout, done.stderr.splitlines()[-1], done.returncode) == ("out\n", "err", 41)


def test_t69_a_match_exec_that_runs_us_ends(world: World, tmp_path: Path) -> None:
    log = tmp_path / "log"
    world.config(f'Match host web1 exec "echo >> {log}; {PROGRAM} web1 true 2>> {log}"\n    Port 1\nMatch all\n')
    done = world.laptop.run("web1", "echo there")
    assert (done.stdout, done.returncode) == ("there\n", 0) or done.returncode == 255
    assert "Match exec" in log.read_text()
    assert len(log.read_text().splitlines()) < 40


@pytest.mark.parametrize("kind", ["link", "exec", "child", "changing"])
def test_ssh_in_path_that_is_ourselves_is_passed_over(world: World, tmp_path: Path, kind: str) -> None:
    """A link, and scripts that become it, run it, or add to its words."""
    folder = tmp_path / "first"
    folder.mkdir()
    if kind == "link":
        (folder / "ssh").symlink_to(PROGRAM)
    else:
        line = {"exec": 'exec "$P" "$@"', "child": '"$P" "$@"', "changing": 'exec "$P" -q "$@"'}[kind]
        (folder / "ssh").write_text(f"#!/bin/sh\nP={PROGRAM}\n{line}\n")
        (folder / "ssh").chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    for _ in ("drawn", "alive"):
        done = command(world, str(folder / "ssh"), "web1", "echo there", PATH=path)
        if kind == "changing":
            assert (done.stdout, done.returncode) == ("", 8)
            assert "ssh starts ssh-jit, which starts ssh" in done.stderr
        else:
            assert (done.stdout, done.returncode) == ("there\n", 0), done.stderr
    done = command(world, PROGRAM, "-V", PATH=path)
    assert ("OpenSSH_" in done.stderr) is (kind != "changing")


def test_where_there_is_no_other_ssh_it_is_said(world: World, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").symlink_to(PROGRAM)
    done = command(world, PROGRAM, "web1", "true", PATH=str(tmp_path / "bin"))
    assert done.returncode == 8
    assert done.stderr.startswith("ssh-jit: there is no ssh in PATH but ssh-jit itself\nhint: ")


def test_the_first_line_of_an_error_of_ssh_is_shown(world: World) -> None:
    path = world.config("Host *\n    UseKeychain yes\n    AddKeysToAgent yes\n")
    done = world.laptop.run("web1", "true")
    assert done.returncode == 8
    assert f"ssh failed: {path}: line 2: Bad configuration option: usekeychain" in done.stderr
    assert "hint: if another ssh reads it, write before it: IgnoreUnknown usekeychain" in done.stderr
    world.config("IgnoreUnknown UseKeychain\nHost *\n    UseKeychain yes\n")
    assert world.laptop.run("web1", "true").returncode == 0


def test_the_account_is_the_one_on_the_host(world: World) -> None:
    assert world.laptop.run("web1", "id -un").stdout == f"{ACCOUNT}\n"


SHARED = "Host *\n    ControlMaster {0}\n    ControlPath ~/cm-%r@%h-%p\n    ControlPersist yes\n"


@pytest.mark.parametrize("kind", ["auto", "yes"])
def test_t34_a_connection_is_shared_by_its_own_certificate_alone(world: World, kind: str) -> None:
    """The person's path is the same for every action, and a shell over it ran the action again."""
    home = Path(world.laptop.env["HOME"])
    world.config(SHARED.format(kind))
    assert world.laptop.run("--action", "act", "web1").stdout == "of-the-action\n"
    assert world.laptop.run("web1", "echo of-the-shell").stdout == "of-the-shell\n"
    assert world.laptop.run("vault1", "echo of-the-vault").stdout == "of-the-vault\n"
    glass = world.laptop.run("break-glass", "--yes", "--reason", "the site is down", "vault1", "echo of-the-glass")
    assert glass.stdout == "of-the-glass\n", glass.stderr
    assert len(world.sockets) == 4
    assert len(waiting_for(world)) == 4, "each takes no new session once its certificate is over"
    assert not list(home.glob("cm-*"))
    mark = world.host.mark()
    assert world.laptop.run("web1", "echo again").stdout == "again\n"
    assert "Accepted" not in world.host.said(mark), "it went over the connection that was there"


def test_a_connection_that_is_shared_ends_with_the_grant(world: World) -> None:
    world.config(SHARED.format("auto"))
    world.laptop.run("web1", "true")
    assert len(world.sockets) == 1
    world.forget()
    assert world.sockets == []
    world.laptop.run("web1", "true")
    world.laptop.run("logout")
    assert world.sockets == []
    world.laptop.run("login")


def test_one_that_is_stopped_keeps_nobody_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-Z or SIGSTOP: its socket takes what it is told, and nothing answers."""
    world.config(SHARED.format("auto"))
    world.laptop.run("web1", "true")
    (socket,) = world.sockets
    (config,) = (world.laptop.state / "open").glob("*.conf")
    told = subprocess.run(
        ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "check", "--", "shared"],
        capture_output=True,
        text=True,
        check=True,
    )
    master = int(told.stderr.partition("pid=")[2].partition(")")[0])
    monkeypatch.setattr(sharing, "PATIENCE", 0.5)
    os.kill(master, signal.SIGSTOP)
    try:
        for sessions in (True, False):
            ending = threading.Thread(target=sharing.end, args=(config,), kwargs={"sessions": sessions}, daemon=True)
            ending.start()
            ending.join(20)
            assert not ending.is_alive()
    finally:
        os.kill(master, signal.SIGCONT)
        os.kill(master, signal.SIGTERM)


def test_one_whose_certificate_is_over_takes_no_new_session_and_lets_the_others_end(world: World) -> None:
    world.config(SHARED.format("auto"))
    with subprocess.Popen(
        [sys.executable, "-m", "sshjit_client", "web1", "echo begun; read word; echo $word"],
        env=world.laptop.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        assert session.stdout.readline() == "begun\n"
        (socket,) = world.sockets
        sharing.stop_later(socket, 0)
        wait_until(lambda: not socket.exists())
        session.stdin.write("went on\n")
        session.stdin.flush()
        assert session.stdout.readline() == "went on\n"
    written = next((world.laptop.state / "open").glob("*.conf")).read_text()
    (kept,) = (int(line.split()[1]) for line in written.splitlines() if "ControlPersist" in line)
    assert 200 < kept <= 300, "what is left of the certificate, whatever the person wrote"


def test_nobody_who_did_not_ask_shares_and_what_is_typed_is_ours_too(world: World, tmp_path: Path) -> None:
    theirs = str(tmp_path / "sock")
    world.config("ControlPath ~/cm-%h\n")
    world.laptop.run("web1", "true")
    assert world.sockets == []
    for words in (("-M", "-S", theirs), ("-o", "ControlMaster=auto", "-o", f"ControlPath={theirs}")):
        done = world.laptop.run(*words, "-o", "ControlPersist=1h", "web1", "echo there")
        assert done.stdout == "there\n", done.stderr
        assert not Path(theirs).exists()
        assert len(world.sockets) == len(waiting_for(world)) == 1
        mark = world.host.mark()
        assert world.laptop.run("-S", theirs, "web1", "echo over it").stdout == "over it\n"
        assert "Accepted" not in world.host.said(mark)
        assert world.laptop.run("-S", theirs, "-O", "check", "web1").returncode == 0
        alone = world.laptop.run("-S", "none", "web1", "echo alone")
        assert (alone.stdout, "Accepted" in world.host.said(mark)) == ("alone\n", True)
        assert world.laptop.run("-S", theirs, "-O", "exit", "web1").returncode == 0
        wait_until(lambda: not world.sockets)
        for pid in waiting_for(world):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not waiting_for(world))


def test_our_key_is_left_in_no_agent(world: World, tmp_path: Path) -> None:
    world.config("AddKeysToAgent yes\n")
    with ssh_agent(tmp_path) as address:
        for words in (["web1"], ["-oAddKeysToAgent=yes", "web1"]):
            assert world.laptop.run(*words, "true", SSH_AUTH_SOCK=address).returncode == 0
        listed = command(world, "ssh-add", "-L", SSH_AUTH_SOCK=address)
    assert listed.stdout == "The agent has no identities.\n"


@pytest.mark.parametrize(
    ("own", "said", "instead"),
    [
        (
            "PubkeyAcceptedAlgorithms ssh-ed25519",
            "has no ssh-ed25519-cert-v01@openssh.com, by which ssh shows",
            "+ssh-",
        ),
        ("PubkeyAuthentication no", "is off: ssh shows no certificate", "PubkeyAuthentication yes"),
        ("PreferredAuthentications password", "has no publickey", "PreferredAuthentications publickey,password"),
        ("HostKeyAlgorithms ssh-ed25519", "by which web1 shows who it is", "HostKeyAlgorithms +ssh-ed25519-cert"),
        (
            "CASignatureAlgorithms rsa-sha2-512",
            "has no ssh-ed25519, by which the installation certifies",
            "+ssh-ed25519",
        ),
        ("HostKeyAlias elsewhere", "calls web1 'elsewhere', which is no name of it", "HostKeyAlias web1"),
    ],
)
def test_a_hardened_configuration_is_named_with_its_option_and_file(
    world: World, own: str, said: str, instead: str
) -> None:
    inner = world.config("Include inner\n").with_name("inner")
    inner.write_text(f"# hardened\nHost web1\n    {own}\n")
    done = world.laptop.run("web1", "true")
    assert done.returncode == 4
    option = own.split(maxsplit=1)[0]
    assert f"ssh-jit: your {option} ({inner} line 3) " in done.stderr
    assert said in done.stderr
    assert instead in done.stderr.splitlines()[-1]
    inner.unlink()
    typed = world.laptop.run(f"-o{own}", "web1", "true")
    assert f"ssh-jit: your {option} (on the command line) " in typed.stderr


def test_a_host_key_that_the_person_knows_is_enough(world: World, tmp_path: Path) -> None:
    key = " ".join(world.host.public_key.read_text().split()[:2])
    (tmp_path / "known").write_text(f"web1 {key}\n")
    world.config(f"HostKeyAlgorithms ssh-ed25519\nUserKnownHostsFile {tmp_path}/known\n")
    assert world.laptop.run("web1", "echo there").stdout == "there\n"


def test_an_alias_of_the_host_may_be_its_host_key_alias(world: World) -> None:
    world.config("HostKeyAlias web1.lab\nGlobalKnownHostsFile none\n")
    assert world.laptop.run("web1", "echo there").stdout == "there\n"


def test_what_ssh_would_connect_to_is_tried_where_the_word_is_no_host(world: World) -> None:
    world.config("Host w my_w\n    HostName web1\nHost x\n    HostName localhost\nHost y\n    HostName 127.0.0.1\n")
    for word, host in (("w", "web1"), ("my_w", "web1"), ("x", "web2"), ("localhost", "web2")):
        done = world.laptop.run(word, "echo there")
        assert (done.stdout, done.returncode) == ("there\n", 0), done.stderr
        assert f"ssh-jit: {word} is {host}\n" in done.stderr
        assert world.laptop.run(word, "echo alive").stdout == "alive\n"
    several = world.laptop.run("y", "true")
    assert several.returncode == 2, "two hosts are there"
    assert "'y'" in several.stderr or " y" in several.stderr


def test_any_file_may_follow_f(world: World, tmp_path: Path) -> None:
    world.config("Host v\n    HostName nowhere.invalid\n")
    assert world.laptop.run("-F", "/dev/null", "web1", "echo there").stdout == "there\n"
    for host in ("web1", "vault1"):
        line = f'{PROGRAM} -F <(echo "Host v"; echo "HostName {host}") v \'echo there\''
        for said in (f"v is {host}", ""):
            done = command(world, "bash", "-c", line)
            assert (done.stdout, said in done.stderr) == ("there\n", True), done.stderr
    missing = world.laptop.run("-F", str(tmp_path / "missing"), "web1")
    assert (missing.returncode, "there is no file" in missing.stderr) == (2, True)


def test_a_length_that_makes_no_sense_is_refused_where_access_is_open_too(world: World) -> None:
    for _ in ("drawn", "alive"):
        done = world.laptop.run("--for", "banana", "web1", "true")
        assert done.returncode == 2
        assert "banana" in done.stderr
        assert world.laptop.run("web1", "true").returncode == 0


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["web1 true", "status"])
def test_closed_streams_are_no_fault(world: World, closed: str, words: str) -> None:
    done = command(world, "bash", "-c", f"{PROGRAM} {words} {closed}")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_t41_a_refused_certificate_is_followed_by_no_question_for_a_password(world: World) -> None:
    """PAM of the host would ask for one, and nobody knows which it means."""
    done = world.laptop.run("-v", "guest@web1", "true")
    assert done.returncode == 255
    assert "Permission denied" in done.stderr
    assert "Authentications that can continue: publickey,password,keyboard-interactive" in done.stderr
    assert "Next authentication method: password" not in done.stderr
    assert "Next authentication method: keyboard" not in done.stderr


def test_t41_nor_does_plain_ssh_ask_by_the_written_configuration(world: World) -> None:
    world.laptop.run("config", "--write")
    config = str(Path(world.laptop.env["HOME"], ".ssh/config"))
    done = command(world, "ssh", "-v", "-F", config, "guest@web1", "true", SHELL="/bin/sh")
    world.laptop.run("config", "--remove")
    assert "Authentications that can continue: publickey,password,keyboard-interactive" in done.stderr
    assert "Next authentication method: password" not in done.stderr
    assert "Next authentication method: keyboard" not in done.stderr


def test_a_host_that_wants_an_answer_beside_the_key_may_ask_for_it_where_the_person_says_so(world: World) -> None:
    world.config(f"Host web1\n    Port {world.second}\n")
    done = world.laptop.run("-v", "web1", "true")
    assert 'Authenticated using "publickey" with partial success.' in done.stderr
    assert "Next authentication method: keyboard-interactive" not in done.stderr
    doctor = world.laptop.run("doctor", "web1")
    wanted = "PreferredAuthentications publickey,keyboard-interactive"
    assert "sshd took the certificate, and wants more (keyboard-interactive)" in " ".join(doctor.stdout.split())
    assert f"write for this host in ~/.ssh/config: {wanted}" in " ".join(doctor.stdout.split())
    world.config(f"Host web1\n    Port {world.second}\n    {wanted}\n")
    done = world.laptop.run("-v", "web1", "true")
    assert "Next authentication method: keyboard-interactive" in done.stderr


def test_what_the_person_changes_counts_at_once_also_while_a_certificate_lives(world: World, tmp_path: Path) -> None:
    """The file was made by what theirs said: by the alias, ssh would look for a name that it does not have."""
    assert world.laptop.run("web1", "echo there").stdout == "there\n"
    world.server.calls.clear()
    for alias in ("web1.lab", "web1"):
        world.config(f"Host web1\n    HostKeyAlias {alias}\n")
        for _ in ("drawn", "alive"):
            done = world.laptop.run("web1", "echo there")
            assert done.stdout == "there\n", done.stderr
    assert len([call for call in world.server.calls if call == "POST /api/v1/requests"]) == 2
    typed = tmp_path / "typed"
    for alias in ("web1.lab", "web1"):
        typed.write_text(f"HostKeyAlias {alias}\n")
        done = world.laptop.run("-F", str(typed), "web1", "echo there")
        assert done.stdout == "there\n", done.stderr


def test_where_the_server_is_away_what_was_open_before_the_change_is_used(world: World) -> None:
    assert world.laptop.run("-J", "vault1", "web1", "echo there").stdout == "there\n"
    world.config("ServerAliveInterval 60\n")
    world.server.away()
    try:
        done = world.laptop.run("-J", "vault1", "web1", "echo there")
    finally:
        world.server.away(away=False)
    assert done.stdout == "there\n", done.stderr
    assert "what you changed in your ssh configuration may not count; using the access that is open" in done.stderr


def test_a_name_that_is_no_host_is_refused_or_left_to_plain_ssh_as_configured(world: World, tmp_path: Path) -> None:
    own = tmp_path / "own"
    make_key(own)
    (world.host.folder / "own_keys").write_text(own.with_suffix(".pub").read_text())
    key = " ".join(world.host.public_key.read_text().split()[:2])
    (tmp_path / "known").write_text(f"elsewhere {key}\n")
    text = (
        f"Host elsewhere\n    HostName 127.0.0.1\n    Port {world.host.port}\n    User {ACCOUNT}\n"
        f"    IdentityFile {own}\n    HostKeyAlias elsewhere\n    UserKnownHostsFile {tmp_path}/known\n"
    )
    (tmp_path / "config").write_text(text)
    typed = ("-F", str(tmp_path / "config"), "elsewhere", "echo there; exit 9")
    refused = world.laptop.run(*typed)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "; ssh NAME connects without ssh-jit, ssh-jit setup --unknown-hosts ssh always\n" in refused.stderr
    assert world.laptop.run("setup", "--unknown-hosts", "ssh").returncode == 0
    try:
        done = world.laptop.run(*typed)
        assert (done.returncode, done.stdout) == (9, "there\n"), done.stderr
        assert "ssh-jit: 'elsewhere' is no host of test: plain ssh connects, by your own keys\n" in done.stderr
        assert "hint: ssh-jit setup --unknown-hosts refuse" in done.stderr
        through = world.laptop.run("-J", "vault1", *typed)
        assert (through.returncode, through.stdout) == (9, "there\n"), through.stderr
        for words in (["--action", "act"], ["--reason", "CHG-7"], ["--for", "5m"]):
            assert world.laptop.run(*words, *typed).returncode == 2, "only an installation can give that"
        piped = command(world, "bash", "-c", f"{PROGRAM} -F <(cat {tmp_path}/config) elsewhere 'echo there'")
        assert piped.stdout == "there\n", piped.stderr
        assert world.laptop.run("web1", "echo there").stdout == "there\n"
    finally:
        world.laptop.run("setup", "--unknown-hosts", "refuse")


@pytest.mark.parametrize("more", ["", "    CertificateFile {own}-cert.pub\n", "    IdentitiesOnly no\n"])
def test_no_key_of_the_person_s_own_opens_what_our_certificate_does_not(
    world: World, tmp_path: Path, more: str
) -> None:
    """A host that refuses the certificate and has a line for the person's key, for wrapper and plain ssh."""
    own, principals = tmp_path / "id_work", world.host.folder / "principals"
    make_key(own)
    config = world.config(f"Host *\n    IdentityFile {own}\n{more.format(own=own)}")
    allowed, keys = principals.read_text(), world.host.folder / "own_keys"
    world.laptop.run("config", "--write")
    plain = ("ssh", "-F", str(config), "-o", "BatchMode=yes", "web1", "echo there")
    shell = {"SHELL": "/bin/sh"}
    try:
        assert command(world, *plain, **shell).stdout == "there\n"
        assert world.laptop.run("web1", "echo there").stdout == "there\n"
        keys.write_text(own.with_suffix(".pub").read_text())
        principals.write_text("nobody\n")
        world.forget()
        mark = world.host.mark()
        assert world.laptop.run("web1", "echo there").stdout == ""
        if "CertificateFile" not in more:  # there ssh must be told of ours in a way that shows plain keys too
            assert command(world, *plain, **shell).stdout == ""
        assert "Accepted" not in world.host.said(mark)
    finally:
        keys.write_text("")
        principals.write_text(allowed)
        world.laptop.run("config", "--remove")


FORWARDED = (
    ("-A", "-A", "agent"),
    ("-L1:localhost:1", "-L", "port"),
    ("-vL1:localhost:1", "-L", "port"),
    ("-R1:localhost:1", "-R", "port"),
    ("-D1", "-D", "port"),
    ("-X", "-X", "x11"),
)


def test_forwarding_that_the_rule_does_not_allow_is_said_before_ssh_starts(world: World) -> None:
    """Where a certificate is drawn, and where one is alive."""
    for word, option, kind in (FORWARDED[1], *FORWARDED):
        done = world.laptop.run(word, "web1", "true")
        assert "ssh-jit: the rule staging allows no " in done.stderr
        assert f"your {option} does nothing there\n" in done.stderr
        assert f'hint: for it the rule needs forwarding = ["{kind}"]\n' in done.stderr
    for word, _, kind in (FORWARDED[0], *FORWARDED):
        allowed = world.laptop.run(word, "vault1", "true")
        assert ("allows no" in allowed.stderr) is (kind == "x11")


def test_what_is_for_forwarding_alone_is_refused(world: World) -> None:
    for _ in ("drawn", "alive"):
        done = world.laptop.run("-W", "localhost:22", "web1")
        assert done.returncode == 4
        assert "your -W does nothing there" in done.stderr
        world.laptop.run("web1", "true")
    way = world.laptop.run("-J", "web1", "vault1", "true")
    assert (way.returncode, 'forwarding = ["port"]' in way.stderr) == (4, True)


def test_forwarding_of_the_configuration_is_said_when_a_certificate_is_drawn(world: World) -> None:
    world.config("ForwardAgent yes\n")
    assert "your forwardagent does nothing there" in world.laptop.run("web1", "true").stderr
    assert world.laptop.run("web1", "true").stderr == ""


def test_through_a_host_to_the_next(world: World) -> None:
    for _ in ("drawn", "alive"):
        done = world.laptop.run("-J", "vault1", "web1", "echo there; exit 9")
        assert (done.stdout, done.returncode) == ("there\n", 9), done.stderr


def test_through_a_host_that_the_person_s_own_configuration_names(world: World) -> None:
    """By ssh itself it would be reached without a certificate."""
    world.config("Host web1\n    ProxyJump vault1\n")
    for _ in ("drawn", "alive"):
        mark = world.host.mark()
        done = world.laptop.run("web1", "echo there")
        assert done.stdout == "there\n", done.stderr
        assert world.host.said(mark).count("Accepted publickey") == 2
    vault1, web1 = (world.laptop.state / "open" / f"{name}+shell.conf" for name in ("vault1", "web1"))
    end = certificate_index.end_of(str(vault1)) - 60
    vault1.write_text(vault1.read_text().replace(f"until {end + 60}", f"until {end}"))
    web1.unlink()
    assert world.laptop.run("web1", "echo there").stdout == "there\n"
    assert certificate_index.end_of(str(web1)) == end, "it lives as long as the way there"
    mark = world.host.mark()
    assert world.laptop.run("-J", "none", "web1", "echo there").stdout == "there\n"
    assert world.host.said(mark).count("Accepted publickey") == 1
    world.config("Host web1\n    ProxyJump vault1\nHost vault1\n    ProxyJump web1\n")
    loop = world.laptop.run("web1", "true")
    assert (loop.returncode, "the way to web1 leads through web1 itself" in loop.stderr) == (2, True)


def test_a_way_of_the_configuration_is_renewed_with_what_it_leads_to(world: World) -> None:
    """Its host's access was given back: the file for it is gone, and ssh would only say that."""
    world.config("Host web1\n    ProxyJump vault1\n")
    assert world.laptop.run("web1", "true").returncode == 0
    assert world.laptop.run("done", "vault1").returncode == 0
    world.server.calls.clear()
    done = world.laptop.run("web1", "echo there")
    assert done.stdout == "there\n", done.stderr
    assert world.server.calls
    world.server.calls.clear()
    assert world.laptop.run("web1", "echo there").stdout == "there\n"
    assert world.server.calls == [], "nothing is asked while all of it lives"


def test_tokens_in_the_way_are_filled_in(world: World) -> None:
    hosts = "Host gate-*\n    HostName vault1\nHost w\n    HostName web1\n"
    world.config(f"{hosts}    ProxyJump gate-%n,%r@gate-%h\n")
    for words in (["w"], ["-J", "gate-%n", "w"], ["-l", ACCOUNT, "-J", "%r@gate-%%", "w"]):
        done = world.laptop.run(*words, "echo there")
        assert done.stdout == "there\n", done.stderr
    assert "ssh knows no %i in the way" in world.laptop.run("-J", "gate-%i", "w", "true").stderr


class BecameSsh(Exception):  # it is the end of the process, not a fault
    """The words that ssh would be started with."""


@dataclass
class Slow:
    """A machine, and the hosts for which a certificate was drawn, in their order."""

    machine: Machine
    hosts: list[str]


@pytest.fixture
def slow(world: World, monkeypatch: pytest.MonkeyPatch) -> Slow:
    """Alice's machine in this process, where somebody decides about web1 for hours: all else is over after that."""
    drawn = Slow(Machine(world.laptop.env, Terminal()), [])
    draw = connection.access

    def access(machine: Machine, args: ConnectionArgs, query: RunningQuery | None = None) -> Path:
        drawn.hosts.append(f"{args.login}@{args.host}" if args.login else args.host)
        path = draw(machine, args, query)
        if len(drawn.hosts) == 2:
            for config in (world.laptop.state / "open").glob("vault1+shell++*.conf"):
                _, line, rest = config.read_text().partition("\n")
                config.write_text(f"{certificate_index.HEAD}{int(time.time())}{line}{rest}")
        return path

    def become(words: list[str], *, silent: bool) -> NoReturn:
        raise BecameSsh(silent, *words)

    monkeypatch.setenv("HOME", world.laptop.env["HOME"])
    monkeypatch.setattr(connection, "access", access)
    monkeypatch.setattr(openssh, "become", become)
    return drawn


@pytest.mark.parametrize("way", ["vault1", f"vault1,{ACCOUNT}@vault1"])
def test_what_has_ended_on_the_way_while_somebody_decided_is_renewed(slow: Slow, way: str) -> None:
    args = connection_args.read(["-F", "none", "-J", way, "web1", "true"])
    with pytest.raises(BecameSsh):
        connection.connect(slow.machine, args, None)
    second = ["web1", "vault1"] if way == "vault1" else [f"{ACCOUNT}@vault1", "vault1", "web1"]
    assert slow.hosts == ["vault1", *second]


def test_a_certificate_that_has_ended_while_somebody_decided_about_the_way_is_drawn_again(
    world: World, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hours(*_: object) -> Way:
        monkeypatch.setattr(certificate_index, "SPARE", 10**6)
        return Way()

    monkeypatch.setattr(connection, "_configured_way", hours)
    with pytest.raises(BecameSsh):
        connection.connect(slow.machine, connection_args.read(["-F", "none", "web1"]), None)
    assert [call for call in world.server.calls if call.endswith("/certificate")]


def test_what_the_person_changes_while_somebody_decides_counts(
    world: World, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ssh -G said is older than that; what is written is younger."""

    def hours(*_: object) -> Way:
        world.config("ForwardAgent yes\n")
        return Way()

    monkeypatch.setattr(connection, "_configured_way", hours)
    with pytest.raises(BecameSsh):
        connection.connect(slow.machine, connection_args.read(["web1"]), None)
    assert "your forwardagent does nothing there" in world.laptop.run("web1", "true").stderr


def test_nobody_is_asked_by_ssh_for_a_host_on_the_way_either(world: World, slow: Slow) -> None:
    """A key with a passphrase, on the way that the configuration names: its command is written, and for everybody."""
    config = world.config("Host web1\n    ProxyJump vault1\n")
    args = connection_args.read(["--non-interactive", "-F", str(config), "web1"])
    with pytest.raises(BecameSsh) as became:
        connection.connect(slow.machine, args, None)
    assert became.value.args[0] is True
    written = Path(became.value.args[became.value.args.index("-F") + 1]).read_text()
    assert "ProxyCommand" in written
    assert "BatchMode" not in written


def test_a_terminal_is_the_persons(world: World) -> None:
    """An interactive shell under a real terminal, as somebody types; its exit code is ours."""
    world.laptop.run("web1", "true")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "sshjit_client", "web1"], world.laptop.env)  # noqa: S606
    written = b""
    os.write(terminal, b"test -t 0 && echo ter''minal; exit 7\n")
    with suppress(OSError):  # it ends so on Linux
        while part := os.read(terminal, 1024):
            written += part
    assert b"terminal" in written
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
