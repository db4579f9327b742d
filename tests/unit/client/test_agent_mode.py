"""Agent mode at real agents and a real sshd: the certificate alone is in the agent, and goes with its access."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sshjit import ca_protocol as m
from sshjit import sshcert
from sshjit.errors import Failed, Invalid, Refused
from sshjit_client.identity import sign_out
from sshjit_client.plain_ssh import ensure
from sshjit_client.ssh import agent, agent_certificates, certificate_index, own_known_hosts, private_key, sshconfig
from sshjit_client.ssh.agent import Agent, Destination
from sshjit_client.storage import logins
from sshjit_client.storage.machine import Machine
from tests.support.soft_agent import FAILURE, answering, with_key
from tests.support.softkey import SoftKey
from tests.support.waiting import wait_until
from tests.unit.client.installation_keys import InstallationKeys, keygen, make_key
from tests.unit.client.real_agent import ssh_agent
from tests.unit.client.real_host import ACCOUNT, World, real_world

CERTIFICATE = "ssh-ed25519-cert-v01@openssh.com"
INSTEAD = ": ssh reads the certificate from its file\n"


@pytest.fixture(scope="module")
def everything() -> Iterator[World]:
    with real_world() as world:
        done = world.laptop.run("setup", "--certificates", "agent")
        assert done.returncode == 0, done.stderr
        yield world


@pytest.fixture
def world(everything: World, tmp_path: Path) -> Iterator[World]:
    """Nothing is open, and an agent runs that holds nothing."""
    with ssh_agent(tmp_path) as address:
        everything.laptop.env["SSH_AUTH_SOCK"] = address
        yield everything
        Path(everything.laptop.env["HOME"], ".ssh/config").unlink(missing_ok=True)
        everything.forget()


def ssh_add(world: World, *words: str) -> str:
    done = subprocess.run(["ssh-add", *words], env=world.laptop.env, capture_output=True, text=True, check=False)
    return done.stdout


def held(world: World) -> list[str]:
    """The kind and the comment of what the agent holds."""
    lines = [line.split(None, 2) for line in ssh_add(world, "-L").splitlines() if not line.startswith("The agent has")]
    return [f"{kind} {comment}" for kind, _, comment in lines]


def works(world: World, *words: str, agent: str | None = None) -> str:
    """What a connection says that has to work."""
    address = world.laptop.env["SSH_AUTH_SOCK"] if agent is None else agent
    done = world.laptop.run(*words, "echo there", SSH_AUTH_SOCK=address)
    assert done.stdout == "there\n", done.stderr
    return done.stderr


def test_the_certificate_alone_is_in_the_agent_and_ssh_takes_it_from_there(world: World) -> None:
    for _ in ("drawn", "alive"):
        said = accepted(works(world, "-v", "web1"))
        assert str(world.laptop.state / "open" / "web1+shell-cert.pub") in said
        assert said.split()[-1] == "agent"
    assert held(world) == [f"{CERTIFICATE} ssh-jit {ACCOUNT}@web1"]
    assert (world.laptop.state / "id_ed25519").exists(), "it signs requests and approvals"


def test_ours_is_shown_first_whatever_keys_the_person_names(world: World, tmp_path: Path) -> None:
    """After six keys sshd hangs up."""
    for number in range(7):
        make_key(tmp_path / str(number))
    world.config("IdentitiesOnly no\n" + "".join(f"IdentityFile {tmp_path}/{number}\n" for number in range(7)))
    ssh_add(world, *(str(tmp_path / str(number)) for number in range(7)))
    for _ in ("drawn", "alive"):
        said = works(world, "-v", "web1")
        assert said.count("Offering public key") == 1, said


def test_t59_no_host_to_which_the_agent_is_forwarded_can_use_it_or_sign_by_it(world: World, tmp_path: Path) -> None:
    works(world, "web1")
    there = world.laptop.run("-A", "vault1", "ssh-add -L")
    assert there.stdout == "The agent has no identities.\n", "neither web1's nor, beyond itself, vault1's"
    (tmp_path / "text").write_text("what an approver signs")
    certificate = world.laptop.state / "open" / "web1+shell-cert.pub"
    signed = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-n", "any", "-f", certificate, tmp_path / "text"],
        env=world.laptop.env,
        capture_output=True,
        check=False,
    )
    assert signed.returncode != 0
    assert not (tmp_path / "text.sig").exists()


def test_through_a_host_to_the_next(world: World) -> None:
    for _ in ("drawn", "alive"):
        works(world, "-J", "vault1", "web1")
    assert len(held(world)) == 2


@pytest.mark.parametrize("end", ["done", "logout", "revoked"])
def test_it_goes_with_its_access(world: World, tmp_path: Path, end: str) -> None:
    own = tmp_path / "own"
    make_key(own)
    ssh_add(world, str(own))
    works(world, "web1")
    works(world, "vault1")
    assert len(held(world)) == 3
    match end:
        case "done":
            world.laptop.run("done", "web1")
            assert f"{CERTIFICATE} ssh-jit {ACCOUNT}@web1" not in held(world)
            assert f"{CERTIFICATE} ssh-jit {ACCOUNT}@vault1" in held(world)
            world.laptop.run("done", "vault1")
        case "logout":
            del world.laptop.env["SSH_AUTH_SOCK"]  # another terminal
            assert world.laptop.run("logout").returncode == 0
            world.laptop.env["SSH_AUTH_SOCK"] = str(tmp_path / "agent")
            world.laptop.run("login")
        case "revoked":
            for request in world.server.requests()[-2:]:
                world.server.say(m.Revoke(None, request, None, None, "over"), m.RevokeReply, "admin")
            world.laptop.run("status")
    assert [line.split()[0] for line in held(world)] == ["ssh-ed25519"], "the person's own"


def test_a_new_sign_in_leaves_nothing_of_the_older_one(world: World, tmp_path: Path) -> None:
    own = tmp_path / "own"
    make_key(own)
    ssh_add(world, str(own))
    works(world, "web1")
    assert world.laptop.run("ensure", "web1").returncode == 0
    assert len(held(world)) == 3
    assert world.laptop.run("login").returncode == 0
    assert [line.split()[0] for line in held(world)] == ["ssh-ed25519"], "the person's own"


@pytest.mark.parametrize("end", ["done", "revoked", "logout"])
def test_what_somebody_holds_is_left_and_goes_with_its_access(world: World, end: str) -> None:
    """Somebody is about to connect by the older sign-in when there is a new one."""
    works(world, "web1")
    session = logins.current(world.laptop.env, "test", 0)
    assert session is not None
    logins.hold(session)
    assert world.laptop.run("login").returncode == 0
    assert held(world) == [f"{CERTIFICATE} ssh-jit {ACCOUNT}@web1"]
    match end:
        case "done":
            assert world.laptop.run("done", "web1").returncode == 0
        case "revoked":
            request = world.server.requests()[-1]
            world.server.say(m.Revoke(None, request, None, None, "over"), m.RevokeReply, "admin")
            assert "removed the certificate for" in world.laptop.run("status").stderr
        case "logout":
            assert world.laptop.run("logout").returncode == 0
    assert held(world) == []
    assert not list(Path(session.folder).glob("open/*"))
    if end == "logout":
        world.laptop.run("login")


def test_a_key_of_the_person_s_own_stays_and_its_certificate_goes(world: World, tmp_path: Path) -> None:
    own = tmp_path / "own"
    make_key(own)
    ssh_add(world, str(own))
    for end in (["login", "--key", str(own)], ["logout"], ["login"]):
        assert world.laptop.run("login", "--key", str(own)).returncode == 0
        works(world, "web1")
        assert len(held(world)) == 2
        assert world.laptop.run(*end).returncode == 0
        assert [line.split()[0] for line in held(world)] == ["ssh-ed25519"], end
    world.forget()


def test_who_signed_out_meanwhile_leaves_nothing_in_the_agent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_out, put, env = list[bool](), agent_certificates.put, dict(world.laptop.env)

    def slowly(*args: Any, **more: Any) -> None:
        signed_out.append(world.laptop.run("logout").returncode == 0)
        del env["SSH_AUTH_SOCK"]  # it may be an agent that the configuration alone names
        put(*args, **more)

    monkeypatch.setattr(agent_certificates, "put", slowly)
    with pytest.raises(Refused):
        ensure.ensure(Machine.here(env), "web1")
    assert (signed_out, held(world)) == ([True], [])
    assert world.laptop.run("login").returncode == 0


def test_add_keys_to_agent_leaves_no_plain_key(world: World) -> None:
    world.config("AddKeysToAgent yes\n")
    works(world, "web1")
    works(world, "-oAddKeysToAgent=yes", "web1")
    assert held(world) == [f"{CERTIFICATE} ssh-jit {ACCOUNT}@web1"]


def test_another_terminal_with_another_agent_uses_it_where_it_is(world: World, tmp_path: Path) -> None:
    works(world, "web1")
    assert works(world, "web1", agent=str(tmp_path / "another")) == ""


def test_the_agent_that_the_person_names_for_a_host_is_the_one(world: World, tmp_path: Path) -> None:
    world.config(f"Host web1\n    IdentityAgent {tmp_path}/agent\nHost vault1\n    IdentityAgent none\n")
    works(world, "web1", agent="/nowhere")
    assert len(held(world)) == 1
    assert "there is no agent (your IdentityAgent is none)" + INSTEAD in works(world, "vault1")


def test_one_that_forgot_it_is_said_and_the_file_is_used(world: World) -> None:
    works(world, "web1")
    ssh_add(world, "-D")
    world.server.calls.clear()
    said = works(world, "web1")
    assert f"ssh-jit: the agent {world.laptop.env['SSH_AUTH_SOCK']} has your certificate no more{INSTEAD}" in said
    assert works(world, "web1") == "", "once is enough"
    assert world.server.calls == []


def test_through_a_host_whose_certificate_the_agent_has_no_more(world: World) -> None:
    works(world, "-J", "vault1", "web1")
    ssh_add(world, "-D")
    assert works(world, "-J", "vault1", "web1").count("has your certificate no more") == 2


def test_on_the_way_that_the_configuration_names_it_is_looked_for_each_time(world: World) -> None:
    world.config("Host web1\n    ProxyJump vault1\n")
    works(world, "web1")
    ssh_add(world, "-D")
    assert works(world, "web1").count("has your certificate no more") == 2
    assert works(world, "web1") == ""


def test_a_connection_that_shall_ask_no_agent_reads_the_file(world: World) -> None:
    """Typed or configured; what was written for the agent names no key in a file."""
    works(world, "web1")
    for _ in ("drawn", "alive"):
        assert accepted(works(world, "-v", "-o", "IdentityAgent=none", "web1")).split()[-1] != "agent"
    assert accepted(works(world, "-v", "web1")).split()[-1] == "agent"
    world.config("IdentityAgent none\n")
    assert "there is no agent (your IdentityAgent is none)" + INSTEAD in works(world, "web1")


def test_what_the_person_changes_before_the_file_is_written_again_counts(world: World) -> None:
    works(world, "web1")
    world.config("Host web1\n    ForwardAgent yes\n")
    config = str(world.laptop.state / "open" / "web1+shell.conf")
    sshconfig.read_from_files(Path(config), certificate_index.in_agent(config))
    assert "your forwardagent does nothing there" in works(world, "web1")


def test_a_locked_agent_takes_nothing_and_logout_says_what_it_may_have(world: World, tmp_path: Path) -> None:
    works(world, "web1")
    with (tmp_path / "word").open("w") as file:
        file.write("#!/bin/sh\necho word\n")
    (tmp_path / "word").chmod(0o755)
    asked = {"SSH_ASKPASS": str(tmp_path / "word"), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-x"], env={**world.laptop.env, **asked}, check=True, capture_output=True)
    assert "takes no certificate" + INSTEAD in works(world, "vault1")
    out = world.laptop.run("logout")
    assert f"agent {tmp_path}/agent does not show your certificates: if it is locked (ssh-add -x)" in out.stderr
    subprocess.run(["ssh-add", "-X"], env={**world.laptop.env, **asked}, check=True, capture_output=True)
    assert len(held(world)) == 1
    world.laptop.run("login")
    works(world, "web1")
    assert "if it is locked" not in world.laptop.run("logout").stderr, "what it shows is taken out"
    world.laptop.run("login")


def test_a_host_whose_certificate_is_gone_and_which_the_person_knows_is_reached(world: World, tmp_path: Path) -> None:
    """Ssh believes the key then; the agent compares it as well, and would not sign for it."""
    key = " ".join(world.host.public_key.read_text().split()[:2])
    (tmp_path / "known").write_text(f"web1 {key}\n")
    world.config(f"UserKnownHostsFile {tmp_path}/known\n")
    certificate = world.host.public_key.with_name("ssh_host_ed25519_key-cert.pub")
    works(world, "web1")
    held_back = certificate.rename(tmp_path / "held-back")
    try:
        world.host.reload()
        assert accepted(works(world, "-v", "web1")).split()[-1] == "agent"
    finally:
        held_back.rename(certificate)
        world.host.reload()


def test_a_destination_is_every_key_that_ssh_believes_for_the_host(tmp_path: Path) -> None:
    keys = [make_key(tmp_path / name).line for name in ("plain", "ca", "revoked", "other")]
    lines = f"web1 {keys[0]}\n@cert-authority web* {keys[1]}\nweb1 {keys[2]}\n@revoked * {keys[2]}\nweb2 {keys[3]}\n"
    (tmp_path / "known").write_text(lines)
    values = {"userknownhostsfile": f"{tmp_path}/none {tmp_path}/known", "globalknownhostsfile": "/nowhere"}
    assert own_known_hosts.keys("web1", values) == [(keys[0], False), (keys[1], True)]
    assert own_known_hosts.has("web1", values)
    assert not own_known_hosts.has("db1", values)


def test_a_host_key_that_only_the_person_knows_is_a_destination(world: World, tmp_path: Path) -> None:
    key = " ".join(world.host.public_key.read_text().split()[:2])
    (tmp_path / "known").write_text(f"web1 {key}\n")
    world.config(f"HostKeyAlgorithms ssh-ed25519\nUserKnownHostsFile {tmp_path}/known\n")
    assert accepted(works(world, "-v", "web1")).split()[-1] == "agent"


def test_without_an_agent_ssh_reads_files_and_that_is_said(world: World) -> None:
    for address, said in (("", "there is no agent (SSH_AUTH_SOCK is not set)"), ("/nowhere", "no agent answers at")):
        first = works(world, "web1", agent=address)
        assert said in first
        assert first.endswith(INSTEAD)
        assert works(world, "web1", agent=address) == ""
        world.forget()


def plain(world: World, *words: str) -> str:
    """What plain ssh says, by the written configuration, where it has to work."""
    config = Path(world.laptop.env["HOME"], ".ssh/config")
    command = ["ssh", "-v", "-F", str(config), "-o", "BatchMode=yes", *words, "echo there"]
    env = {**world.laptop.env, "SHELL": "/bin/sh"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "there\n", done.stderr
    return done.stderr


def accepted(said: str) -> str:
    return next(line for line in said.splitlines() if "Server accepts key" in line)


def test_plain_ssh_takes_it_from_the_agent_by_the_written_configuration(world: World) -> None:
    world.laptop.run("config", "--write")
    for word in ("web1", "web1", f"{ACCOUNT}@web1"):
        assert accepted(plain(world, word)).split()[-1] == "agent"
    leads = world.laptop.state / "plain" / "web1~id"
    assert leads.readlink() == Path("web1-cert.pub"), "ssh finds no key beside it"
    assert held(world) == [f"{CERTIFICATE} ssh-jit {ACCOUNT}@web1"]
    shown = json.loads(world.laptop.run("path", "--json", "web1").stdout)
    assert shown["agent"] == world.laptop.env["SSH_AUTH_SOCK"]
    assert Path(shown["key"]).exists(), "for programs that read files"
    world.forget()
    assert held(world) == []
    assert list((world.laptop.state / "plain").glob("*~id*")) == []
    works(world, "web1")
    assert f"{CERTIFICATE} ssh-jit {ACCOUNT}@web1" in held(world), "the wrapper's own is beside the plain one"
    world.laptop.run("config", "--remove")


def test_plain_ssh_takes_it_for_a_host_whose_plain_key_the_person_knows(world: World, tmp_path: Path) -> None:
    key = " ".join(world.host.public_key.read_text().split()[:2])
    (tmp_path / "known").write_text(f"web1 {key}\n")
    world.config(f"HostKeyAlgorithms ssh-ed25519\nUserKnownHostsFile {tmp_path}/known\n")
    world.laptop.run("config", "--write")
    assert accepted(plain(world, "web1")).split()[-1] == "agent"
    world.laptop.run("config", "--remove")


def test_plain_ssh_reads_the_file_where_the_agent_has_it_no_more(world: World, tmp_path: Path) -> None:
    world.laptop.run("config", "--write")
    plain(world, "web1")
    ssh_add(world, "-D")
    said = plain(world, "web1")
    assert f"ssh-jit: web1: the agent {tmp_path}/agent has your certificate no more{INSTEAD}" in said.replace("\r", "")
    assert accepted(said).split()[-1] != "agent"
    assert (world.laptop.state / "plain" / "web1~id").readlink() == Path("web1")
    assert "ssh-jit:" not in plain(world, "web1")
    world.forget()
    world.laptop.env["SSH_AUTH_SOCK"] = ""
    assert "there is no agent (SSH_AUTH_SOCK is not set)" + INSTEAD in plain(world, "web1").replace("\r", "")
    world.laptop.run("config", "--remove")


@pytest.mark.parametrize("lost", ["guest", ACCOUNT])
def test_the_certificate_of_the_account_that_is_asked_for_is_looked_for(world: World, lost: str) -> None:
    world.laptop.run("config", "--write")
    folder = world.laptop.state / "plain"
    for account in (ACCOUNT, "guest"):
        assert world.laptop.run("ensure", "web1", account).returncode == 0
    gone = agent_certificates.blob_of((folder / f"{lost}@web1-cert.pub").read_text())
    Agent(world.laptop.env["SSH_AUTH_SOCK"]).remove(gone)
    for account in (ACCOUNT, "guest"):
        said = world.laptop.run("ensure", "--quiet", "web1", account).stderr
        assert ("has your certificate no more" in said) is (account == lost), account
        key = folder / f"{account}@web1{'' if account == lost else '-cert.pub'}"
        assert (folder / f"{account}@web1~id").readlink() == Path(key.name)
    world.laptop.run("config", "--remove")


def test_doctor_says_what_the_agent_has(world: World) -> None:
    works(world, "web1")
    assert "keys and certificates in it: 1, of this sign-in: 1" in world.laptop.run("doctor").stdout
    none = world.laptop.run("doctor", SSH_AUTH_SOCK="").stdout
    assert "none is running: ssh reads your certificates from files" in " ".join(none.split())


def test_the_choice_outlives_a_set_up_of_the_same_installation(world: World) -> None:
    again = world.laptop.run("setup", world.server.url, "--root", world.server.root)
    assert again.returncode == 0
    assert (world.laptop.settings.certificates, world.laptop.settings.unknown_hosts) == ("agent", "refuse")
    changed = world.laptop.run("setup", "--unknown-hosts", "ssh")
    assert "ssh-jit: test: a name that is no host of it is left to plain ssh\n" in changed.stderr
    assert (world.laptop.settings.certificates, world.laptop.settings.unknown_hosts) == ("agent", "ssh")
    world.laptop.run("setup", "--unknown-hosts", "refuse")


PINENTRY = """#!/bin/sh
echo asked >> {log}
echo "OK"
while read -r word rest; do case "$word" in GETPIN) echo "D secret";; esac; echo "OK"; done
"""


def test_t38_gpg_agent_gets_no_key_of_ours(world: World, tmp_path: Path) -> None:
    """It says yes, asks for a passphrase, keeps the plain key on the disk, and forgets the certificate."""
    home = Path("/tmp", f"gpg-{os.getpid()}")  # noqa: S108  # a socket's path is short
    home.mkdir(mode=0o700)
    (home / "pinentry").write_text(PINENTRY.format(log=home / "log"))
    (home / "pinentry").chmod(0o755)
    (home / "gpg-agent.conf").write_text(f"pinentry-program {home}/pinentry\n")
    env = {**world.laptop.env, "GNUPGHOME": str(home)}
    try:
        subprocess.run(["gpg-agent", "--enable-ssh-support", "--daemon", "true"], env=env, check=False)
        with subprocess.Popen(
            ["gpg-agent", "--enable-ssh-support", "--daemon", "cat"], env=env, stdin=subprocess.PIPE
        ) as running:
            wait_until((home / "S.gpg-agent.ssh").exists)
            said = works(world, "web1", agent=str(home / "S.gpg-agent.ssh"))
            assert "is like gpg-agent, which keeps plain keys and no certificates" + INSTEAD in said
            doctor = world.laptop.run("doctor", SSH_AUTH_SOCK=str(home / "S.gpg-agent.ssh")).stdout
            assert "it is like gpg-agent, which takes no certificates" in " ".join(doctor.split())
            assert running.stdin is not None
            running.stdin.close()
        assert not (home / "log").exists(), "the person is asked nothing"
        assert list((home / "private-keys-v1.d").glob("*")) == []
    finally:
        subprocess.run(["rm", "-rf", home], check=True)


def test_t38_an_agent_that_says_yes_and_has_nothing_is_found_out(world: World, tmp_path: Path) -> None:
    says = {25: b"\x06", 11: b"\x0c\0\0\0\0"}
    with answering(tmp_path / "lying", lambda message: says.get(message[0], FAILURE)) as address:
        assert f"the agent {address} takes no certificate{INSTEAD}" in works(world, "web1", agent=address)


def test_an_answer_that_makes_no_sense_is_no_fault_of_ours(world: World, tmp_path: Path) -> None:
    says = {25: b"\x06", 11: b"\x0c\0\0\0\x09"}
    with answering(tmp_path / "broken", lambda message: says.get(message[0], FAILURE)) as address:
        assert works(world, "web1", agent=address).endswith(INSTEAD)


def test_one_that_drips_its_answer_keeps_nobody_from_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then, each within the time for one: as a whole it never ends."""
    monkeypatch.setattr(agent, "PATIENCE", 1)
    over, outcome = threading.Event(), list[str]()

    def drip(listener: socket.socket) -> None:
        channel, _ = listener.accept()
        with channel, suppress(OSError):
            channel.sendall((1000).to_bytes(4, "big"))
            while not over.wait(0.1):
                channel.sendall(b"x")

    def ask(address: str) -> None:
        try:
            Agent(address).held()
        except Failed as error:
            outcome.append(error.message)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "dripping"))
        listener.listen()
        both = [
            threading.Thread(target=drip, args=(listener,), daemon=True),
            threading.Thread(target=ask, args=(str(tmp_path / "dripping"),), daemon=True),
        ]
        for thread in both:
            thread.start()
        both[1].join(20)
        over.set()
        both[0].join(20)
    assert outcome == [f"the agent {tmp_path}/dripping does not answer"]


@pytest.mark.parametrize(
    ("kind", "passphrase", "why"), [("rsa", "", "of the kind ssh-rsa"), ("ed25519", "secret", "has a passphrase")]
)
def test_keys_that_do_not_go_into_an_agent_alone_stay_files(
    tmp_path: Path, kind: str, passphrase: str, why: str
) -> None:
    """RSA certificates in an agent fail in four libraries; a key with a passphrase is nobody's to read."""
    keygen("-q", "-t", kind, "-N", passphrase, "-f", str(tmp_path / "key"))
    with pytest.raises(Invalid, match=why):
        private_key.read(tmp_path / "key")
    with pytest.raises(Invalid, match="not a private key"):
        private_key.read(tmp_path / "key.pub")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_it_is_gone_when_its_time_is_over(installation: InstallationKeys, tmp_path: Path, kind: str) -> None:
    public = make_key(tmp_path / "key", kind)
    line = installation.certify(public.line, "deploy@web1", serial=77)
    only = Destination("deploy", "web1", ((installation.host_ca.line, True), (installation.root.line, False)))
    with ssh_agent(tmp_path) as address:
        agent = Agent(address)
        for destination in (only, None):
            key = private_key.read(tmp_path / "key")
            agent_certificates.put(agent, line, key, comment="web1", seconds=1, destination=destination)
            assert [sshcert.line(blob) for blob in agent.held()] == [" ".join(line.split()[:2])]
            wait_until(lambda: agent.held() == [])
    with pytest.raises(Failed, match="no agent answers"):
        agent.held()


def test_a_hardware_key_signs_in_and_logs_in_and_its_certificate_stays_a_file(world: World, tmp_path: Path) -> None:
    """The device is a stand-in behind an agent; ssh, ssh-keygen and sshd are real."""
    key = SoftKey()
    public = tmp_path / "id_sk.pub"
    public.write_text(f"{key.line}\n")
    with answering(tmp_path / "device", with_key(key)) as address:
        signed_in = world.laptop.run("login", "--key", str(public), SSH_AUTH_SOCK=address)
        assert "touch the security key to sign" in signed_in.stderr, signed_in.stderr
        assert signed_in.returncode == 0, signed_in.stderr
        said = works(world, "web1", agent=address)
        assert said.endswith(f"{public} is not a private key in OpenSSH's form{INSTEAD}")
    shown = next((world.laptop.state / "open").glob("*-cert.pub")).read_text()
    assert shown.startswith("sk-ssh-ed25519-cert-v01@openssh.com ")
    assert world.laptop.run("login").returncode == 0


def test_what_another_installation_keeps_by_the_same_key_of_the_person_stays(tmp_path: Path) -> None:
    """One key of theirs may serve two installations: the sign-out from one takes nothing of the other's away."""
    own, blobs = tmp_path / "own", []
    make_key(own)
    for name in ("one", "other"):
        what = ["-I", f"req-{name:0<16}", "-n", "deploy@web1", "-V", "+5m", "-z", "7"]
        subprocess.run(["ssh-keygen", "-q", "-s", str(own), *what, f"{own}.pub"], check=True)
        folder = tmp_path / name / "open"
        folder.mkdir(parents=True)
        line = Path(f"{own}-cert.pub").read_text()
        (folder / "web1-cert.pub").write_text(line)
        blobs.append(agent_certificates.blob_of(line))
    session = SimpleNamespace(key=str(own), folder=str(tmp_path / "one"), public=Path(f"{own}.pub").read_text())
    is_of = sign_out._of([cast("logins.Session", session)], [tmp_path / "one"], [tmp_path / "other"])
    assert [is_of(blob) for blob in blobs] == [True, False]
    assert sign_out._of([cast("logins.Session", session)], [], [])(blobs[0]), "though its file is gone"
