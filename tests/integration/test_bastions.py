"""Hosts behind a bastion, from the command line to their sshd: what passes through, and what does not."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit_ca.cli import maintenance
from sshjit_web.ca_cache import BUNDLE_LIFETIME
from tests.support import host_machine
from tests.support.client_server import ClientServer, client_server
from tests.support.hidden_network import HiddenNetwork, hidden_network
from tests.support.host_machine import free_port, wait_for_port
from tests.support.waiting import wait_until
from tests.unit.client.conftest import Laptop, machine
from tests.unit.client.installation_keys import make_key

BUILD = Path(__file__).resolve().parents[2] / "hostconfig" / "build_pyz.py"
PROHIBITED = "administratively prohibited"


class Site:
    """A bastion, ``gate``, and four hosts behind it; ``app3`` is enrolled as if it were reached directly."""

    def __init__(self, server: ClientServer, network: HiddenNetwork, stack: ExitStack, laptop: Laptop) -> None:
        self.server = server
        self.network = network
        self.laptop = laptop
        self.gate = stack.enter_context(network.host("10.77.0.99"))
        addresses = ("10.77.0.5", "10.77.0.6", "10.77.0.7", "fd77::5")
        self.apps = [stack.enter_context(network.host(address)) for address in addresses]
        self.gate.settings |= {"jump_login": "jump"}
        names = ("gate.example.com", "10.0.0.1")
        self.gate.enrol("gate", address="127.0.0.1", port=self.gate.port, aliases=names, jump_login="jump")
        for number, (app, via) in enumerate(zip(self.apps, ("gate.example.com", "gate", "", "gate"), strict=True), 1):
            aliases = (f"app{number}.example.com", app.listens)
            app.enrol(f"app{number}", address=app.listens, port=app.port, aliases=aliases, via=via)
            stack.enter_context(app.sshd())
        self.gate.refresh()
        self.log = stack.enter_context(self.gate.inetd())

    def through(self, way: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Ssh by the configuration for the bastion that a connection left behind, and what else is typed."""
        options = ["-o", "BatchMode=yes", "-F", str(way), "-l", "jump"]
        return subprocess.run(
            ["ssh", *options, *words],
            env=self.laptop.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("bastions")
    program = folder / "ssh-jit-host.pyz"
    host_machine.run(sys.executable, BUILD, program)
    with ExitStack() as stack:
        server = stack.enter_context(client_server(folder))
        laptop = machine(folder / "alice", "alice")
        laptop.set_up(server)
        network = stack.enter_context(hidden_network(server, program))
        yield Site(server, network, stack, laptop)


@pytest.fixture
def laptop(site: Site) -> Iterator[Laptop]:
    """Alice's machine, with nothing open."""
    yield site.laptop
    for request in site.server.requests():
        if site.server.state(request).value == "approved":
            site.server.say(m.Revoke(None, request, None, None, "the test is over"), m.RevokeReply, "admin")
    for lock in list(site.server.front.ca.context.state.locks):
        site.server.say(m.Unlock(None, lock, "the test is over", None), m.Done, "admin")
    time.sleep(BUNDLE_LIFETIME)  # the front end gives out the bundle from before for so long
    site.gate.refresh()
    for path in (site.laptop.state / "open").glob("*"):
        path.unlink()


def way(laptop: Laptop, name: str = "app1+shell") -> Path:
    return laptop.state / "open" / f"{name}~via"


def test_the_host_is_reached_through_the_bastion_and_in_no_other_way(site: Site, laptop: Laptop) -> None:
    app = site.apps[0]
    with (
        pytest.raises(OSError, match=r"nreachable|timed out|refused"),
        socket.create_connection((app.listens, app.port), timeout=2),
    ):
        pass
    done = laptop.run("app1", "echo $LOGNAME")
    assert (done.stdout, done.returncode) == ("deploy\n", 0), (
        done.stderr
        + site.log.read_text()
        + (site.gate.home / "principals" / "jump").read_text()
        + site.gate.dropin.read_text()
    )
    assert "Accepted publickey for jump" in site.log.read_text()
    site.server.calls.clear()
    assert laptop.run("app1", "true").returncode == 0
    assert site.server.calls == [], "both certificates are kept"


@pytest.mark.parametrize("typed", ["app1", "APP1", "app1.example.com", "10.77.0.5", "app4", "fd77::5"])
def test_every_name_of_the_host_finds_it(laptop: Laptop, typed: str) -> None:
    done = laptop.run(typed, "echo here")
    assert (done.stdout, done.returncode) == ("here\n", 0), done.stderr


def test_another_address_behind_the_bastion_is_refused(site: Site, laptop: Laptop) -> None:
    assert laptop.run("app1", "true").returncode == 0
    one, two, three, four = site.apps
    opened = site.through(way(laptop), "-W", f"{one.listens}:{one.port}", "gate")
    assert "SSH-2.0-" in opened.stdout, opened.stderr
    others = (f"{two.listens}:{two.port}", f"{three.listens}:{three.port}", f"[{four.listens}]:{four.port}")
    for place in (*others, f"{one.listens}:22", "localhost:22"):
        refused = site.through(way(laptop), "-W", place, "gate")
        assert refused.returncode != 0
        assert PROHIBITED in refused.stderr, place
    assert laptop.run("app2", "true").returncode == 0
    assert PROHIBITED in site.through(way(laptop, "app2+shell"), "-W", f"{one.listens}:{one.port}", "gate").stderr


def test_the_second_certificate_gives_no_shell_no_listener_and_no_socket(site: Site, laptop: Laptop) -> None:
    assert laptop.run("app1", "true").returncode == 0
    refused = site.through(way(laptop), "-tt", "gate")
    assert (refused.returncode, refused.stdout, "PTY allocation request failed" in refused.stderr) == (255, "", True)
    for words in (["gate"], ["gate", "id"], ["-s", "gate", "sftp"]):
        done = site.through(way(laptop), *words)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert words[0] == "-s" or "only opens the way to app1" in done.stderr
    done = site.through(way(laptop), "-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:1", "gate")
    assert (done.returncode, "remote port forwarding failed" in done.stderr) == (255, True), done.stderr
    with socket.socket(socket.AF_UNIX) as inside:
        path, port = site.gate.folder / "inside.sock", free_port()
        inside.bind(str(path))
        inside.listen()
        inside.settimeout(0)
        path.chmod(0o777)
        words = ["ssh", "-F", str(way(laptop)), "-l", "jump", "-N", "-L", f"127.0.0.1:{port}:{path}", "gate"]
        with subprocess.Popen(words, env=laptop.env, stdin=subprocess.DEVNULL) as forwarding:
            try:
                wait_for_port(port)
                with socket.create_connection(("127.0.0.1", port), timeout=30) as outside:
                    assert outside.recv(1) == b"", "it is closed at once"
                with pytest.raises(BlockingIOError):
                    inside.accept()
            finally:
                forwarding.kill()  # ssh can miss a SIGTERM that comes just before it waits


def test_neither_certificate_opens_what_the_other_is_for(site: Site, laptop: Laptop) -> None:
    assert laptop.run("app1", "true").returncode == 0
    first, second = (laptop.state / "open" / f"app1+shell{end}" for end in ("-cert.pub", "~via-cert.pub"))
    own = ["-o", f"IdentityFile={laptop.state / 'id_ed25519'}", "-o", "IdentitiesOnly=yes"]
    for login, certificate in (("jump", first), ("deploy", second), ("deploy", first)):
        words = ["ssh", "-F", "none", *own, "-o", f"CertificateFile={certificate}", "-o", "BatchMode=yes"]
        words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-p", str(site.gate.port)]
        done = subprocess.run(
            [*words, "-l", login, "127.0.0.1", "id"], capture_output=True, text=True, check=False, timeout=30
        )
        assert (done.returncode, "Permission denied" in done.stderr) == (255, True), (login, certificate, done)


def test_copies_and_raw_channels_go_through(site: Site, laptop: Laptop, tmp_path: Path) -> None:
    wrapper = tmp_path / "ssh-jit"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m sshjit_client "$@"\n')
    wrapper.chmod(0o755)
    (tmp_path / "file").write_text("carried")
    place = f"/var/tmp/{tmp_path.name}-carried"  # noqa: S108 - every account can write there
    for command in (
        ["scp", "-S", str(wrapper), str(tmp_path / "file"), f"app1:{place}"],
        ["scp", "-S", str(wrapper), f"app1:{place}", str(tmp_path / "back")],
        ["sftp", "-b", "-", "-S", str(wrapper), "app1"],
    ):
        done = subprocess.run(
            command, env=laptop.env, input=f"rm {place}\n", capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, (command, done.stderr)
    assert (tmp_path / "back").read_text() == "carried"
    app = site.apps[0]
    assert laptop.run("-W", f"127.0.0.1:{app.port}", "app1").returncode != 0, "the rule forwards no ports"


def test_an_emergency_certificate_passes_by_the_command_that_is_printed(site: Site, tmp_path: Path) -> None:
    """Past every rule, and no further than a grant: each certificate for its own host behind the bastion."""
    stem = tmp_path / "operator"
    line = make_key(stem).line
    message = m.SignEmergency("deploy", ("app1", "app2"), line, "the provider is down", 600)
    reply = site.server.say(message, m.EmergencyReply, "admin")
    maintenance.write_certificate(Path(f"{stem}-cert.pub"), reply.text)
    routes = {route.host_id: route for route in reply.routes}
    for passing in reply.bastions:
        place = Path(f"{stem}-{passing.target}-cert.pub")
        maintenance.write_certificate(place, passing.text)
        printed = maintenance.way_through(stem, place, passing, routes[passing.target], "deploy")
        unchecked = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
        command = shlex.split(printed.replace("ssh ", unchecked))
        for port, code in ((routes[passing.target].port, 0), (site.apps[2].port, 255)):
            words = [str(port) if word == str(routes[passing.target].port) else word for word in command]
            done = subprocess.run([*words, "echo $LOGNAME"], capture_output=True, text=True, check=False, timeout=30)
            assert (done.returncode, done.stdout) == (code, "deploy\n" if code == 0 else ""), done.stderr


def test_a_lock_on_the_bastion_closes_the_hosts_behind_it(site: Site, laptop: Laptop) -> None:
    assert laptop.run("app1", "true").returncode == 0
    kept = way(laptop)
    site.server.say(m.Lock(None, "host", "gate", "broken into"), m.LockReply, "admin")
    site.gate.refresh()
    app = site.apps[0]
    done = site.through(kept, "-W", f"{app.listens}:{app.port}", "gate")
    assert "Permission denied" in done.stderr
    assert laptop.run("app1", "true").returncode == 255
    refused = laptop.run("app2", "true")
    assert (refused.returncode, "locked" in refused.stderr) == (4, True), refused.stderr


def test_a_revoked_grant_closes_the_way_as_well(site: Site, laptop: Laptop) -> None:
    assert laptop.run("app1", "true").returncode == 0
    request = site.server.requests()[-1]
    site.server.say(m.Revoke(None, request, None, None, "laptop lost"), m.RevokeReply, "admin")
    site.gate.refresh()
    app = site.apps[0]
    assert "Permission denied" in site.through(way(laptop), "-W", f"{app.listens}:{app.port}", "gate").stderr
    assert site.apps[1].refresh() is not None
    assert laptop.run("app2", "true").returncode == 0, "others are not touched"


def test_a_host_that_is_behind_it_no_more_is_not_reached_through_it(site: Site, laptop: Laptop) -> None:
    assert laptop.run("app1", "true").returncode == 0
    app = site.apps[0]

    def change(via: str) -> None:
        site.server.say(m.ChangeHost("app1", via, None, dry_run=False), m.HostReply, "admin")
        wait_until(lambda: ("via/app1@gate" in taken()) is bool(via), jump.read_text)

    def taken() -> str:
        """What the bastion lets through by the bundle that the front end gives out, which may be half a second old."""
        site.gate.refresh()
        return jump.read_text()

    jump = site.gate.home / "principals" / "jump"
    change("")
    try:
        lines = jump.read_text()
        assert "via/app1@gate" not in lines
        assert f'permitopen="{site.apps[1].listens}:{site.apps[1].port}" via/app2@gate\n' in lines
        assert "Permission denied" in site.through(way(laptop), "-W", f"{app.listens}:{app.port}", "gate").stderr
    finally:
        change("gate")


def test_no_host_key_of_the_bastion_is_taken_unchecked(site: Site, laptop: Laptop) -> None:
    config = Path(laptop.env["HOME"]) / ".ssh" / "config"
    config.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    config.write_text("Host *\n    StrictHostKeyChecking no\n    UserKnownHostsFile /dev/null\n    User nobody-else\n")
    real, other = site.gate.folder / "host_key", site.gate.folder / "other_key"
    try:
        done = laptop.run("deploy@app1", "true")
        assert done.returncode == 0, done.stderr
        make_key(other)
        text = site.gate.sshd_config.read_text()
        site.gate.sshd_config.write_text(text.replace(f"HostKey {real}\n", f"HostKey {other}\n"))
        done = laptop.run("deploy@app1", "true")
        assert (done.returncode, "Host key verification failed" in done.stderr) == (255, True), done.stderr
        site.gate.sshd_config.write_text(text)
    finally:
        config.unlink()


def test_j_with_an_enrolled_host_draws_a_certificate_for_it(site: Site, laptop: Laptop) -> None:
    app = site.apps[2]
    assert laptop.run("-o", "ConnectTimeout=2", "app3", "true").returncode == 255, "it cannot be reached directly"
    refused = laptop.run("-J", "deploy@gate.example.com", "app3", "true")
    assert refused.returncode == 4
    assert "allows no port forwarding" in refused.stderr
    ca = site.server.front.ca
    held = ca.policy
    ca.change_policy('certificate = "5m"\n', 'certificate = "5m"\nforwarding = ["port"]\n')
    try:
        for path in (laptop.state / "open").glob("*"):
            path.unlink()
        for request in site.server.requests():
            if site.server.state(request).value == "approved":
                site.server.say(m.Revoke(None, request, None, None, "anew"), m.RevokeReply, "admin")
        done = laptop.run("-J", "deploy@gate.example.com", "app3", "echo there")
        assert (done.stdout, done.returncode) == ("there\n", 0), done.stderr
        assert "Accepted publickey for deploy" in site.log.read_text()
        site.server.calls.clear()
        done = laptop.run("-J", "deploy@gate.example.com", "app3", "echo again")
        assert (done.stdout, done.returncode, site.server.calls) == ("again\n", 0, []), done.stderr
        twice = laptop.run("-J", f"deploy@gate,{app.listens}", "app2", "echo twice")
        assert (twice.stdout, twice.returncode) == ("twice\n", 0), twice.stderr
        with_port = laptop.run("-J", f"ssh://deploy@gate:{site.gate.port}", "app3", "echo port")
        assert (with_port.stdout, with_port.returncode) == ("port\n", 0), with_port.stderr
    finally:
        ca.change_policy(ca.policy, held)


def test_a_lying_front_end_names_no_other_bastion(site: Site, laptop: Laptop) -> None:
    def alter(path: str, value: object) -> object:
        if isinstance(value, dict) and isinstance(value.get("certificate"), dict):
            for each in value["certificate"]["bastions"]:
                each["route"] |= {"host": "app2", "host_id": "app2", "aliases": []}
        return value

    site.server.alter = alter
    try:
        done = laptop.run("app1", "true")
        assert done.returncode != 0
        assert "wrong certificate for the bastion: it is for another way" in done.stderr
        assert not way(laptop).exists()
    finally:
        site.server.alter = None


def test_plain_ssh_goes_through_by_the_written_configuration(site: Site, laptop: Laptop) -> None:
    own = Path(laptop.env["HOME"], ".ssh", "config")
    assert laptop.run("login").returncode == 0
    assert laptop.run("config", "--write").returncode == 8, "ssh itself reads another home"
    try:
        for name in ("app1", "app1.example.com"):
            command = ["ssh", "-F", str(own), "-o", "BatchMode=yes", name, "echo $LOGNAME"]
            env = {**laptop.env, "SHELL": "/bin/sh"}
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)
            assert (done.stdout, done.returncode) == ("deploy\n", 0), done.stderr
    finally:
        laptop.run("config", "--remove")
    assert "Accepted publickey for jump" in site.log.read_text()
