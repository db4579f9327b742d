"""A removed machine still has its key and a host certificate of a week: OpenSSH's own client refuses it.

The certificates are a whole CA's, the list and the configuration that ssh reads are those that the client writes, and
the servers are real.
"""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit_client import certificate, connection_args, openssh, sshconfig, trusted_bundle
from sshjit_client.machine import HeldBundle, Settings
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving
from tests.support.published_bundle import newest, reply
from tests.support.sshd_oracle import SshdOracle, TrustedBySshd, running_sshd
from tests.support.waiting import PATIENCE

STAGING = (("env", "staging"),)


@dataclass
class World:
    """A CA, two servers that it enrolled, and a laptop."""

    ca: Installation
    servers: dict[str, SshdOracle]
    laptop: Path
    login: str = ""
    configurations: dict[str, Path] = field(default_factory=dict)

    def enrol(self, name: str) -> None:
        """Enrols a server by its key; it shows the certificate from then on."""
        host = self.servers[name].host
        message = m.AddHost(name, (), "127.0.0.1", self.servers[name].ports[name], STAGING, (_line(host.public_key),))
        (certificate,) = self.ca.say(message, m.HostReply, "admin").certificates
        self.show(name, certificate)

    def show(self, name: str, certificate: str) -> None:
        """Lets a server show this host certificate."""
        host = self.servers[name].host
        host.public_key.with_name("ssh_host_ed25519_key-cert.pub").write_text(f"{certificate}\n")
        host.reload()

    def next_bundle(self) -> None:
        """The laptop fetches the newest bundle."""
        told = reply(self.ca)
        assert told.bundle is not None
        assert told.signature is not None
        held = HeldBundle(told.sequence, told.bundle, told.signature, "")
        settings = Settings(1, "http://127.0.0.1:9", "test", self.ca.context.keys.public("bundle").fingerprint, None)
        found = trusted_bundle.accept(held, None, settings)
        assert found is not None
        trusted_bundle.keep(self.laptop, held, found)

    def get_in(self, name: str, own: str = "") -> None:
        """Draws a certificate for a server, and writes what the client does; ``own`` is the person's ssh_config."""
        (self.laptop / "own").write_text(own)
        line = connection_args.read(["-F", str(self.laptop / "own"), name])
        view = self.ca.ask(self.login, name).certificate
        assert view is not None
        key = self.ca.key(ALICE)
        found = certificate.check(view, _line(key.with_suffix(".pub")), name, None, newest(self.ca))
        kept = sshconfig.Files(key, self.laptop / trusted_bundle.REVOKED, self.laptop)
        mine = sshconfig.own(line, self.laptop)
        self.configurations[name] = certificate.keep(found, line, newest(self.ca), own=mine, kept=kept, skew=0)

    def ssh(self, name: str) -> subprocess.CompletedProcess[str]:
        """Connects as the client does when a certificate is alive: by the configuration that lies there."""
        command = ["ssh", "-F", str(self.configurations[name]), "-o", "BatchMode=yes", name, "echo in"]
        return subprocess.run(command, input="", capture_output=True, text=True, check=False, timeout=PATIENCE)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Everything enrolled and signed in, and a bundle on the laptop."""
    laptop = tmp_path / "laptop"
    laptop.mkdir(mode=0o700)
    with serving() as acme, serving() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time())
        trusted = TrustedBySshd((ca.context.keys.public("user_ca").line,), base64.b64decode(newest(ca).krl))
        with (
            running_sshd({"web1": trusted}, "deploy@web1") as web1,
            running_sshd({"web2": trusted}, "deploy@web2") as web2,
        ):
            made = World(ca, {"web1": web1, "web2": web2}, laptop)
            for name in made.servers:
                made.enrol(name)
            made.login = ca.native(ALICE)
            made.next_bundle()
            for name in made.servers:
                made.get_in(name)
            yield made
        ca.stop()


def test_t67_a_removed_host_is_refused_and_others_go_on(world: World) -> None:
    for name in world.servers:
        assert world.ssh(name).stdout == "in\n"
    world.ca.say(m.RemoveHost("web1", "stolen", None, None), m.Done, "admin")
    assert world.ssh("web1").stdout == "in\n"  # the laptop has not heard of it
    world.next_bundle()
    refused = world.ssh("web1")
    assert (refused.returncode, refused.stdout) == (255, "")
    assert "revoked" in refused.stderr
    assert world.ssh("web2").stdout == "in\n"


def test_t67_a_machine_in_its_place_is_believed(world: World) -> None:
    world.ca.say(m.RemoveHost("web1", "set up anew", None, None), m.Done, "admin")
    world.next_bundle()
    assert world.ssh("web1").returncode == 255
    world.enrol("web1")
    world.next_bundle()
    assert world.ssh("web1").stdout == "in\n"


def test_a_locked_host_is_refused_until_it_is_unlocked(world: World) -> None:
    lock = world.ca.say(m.Lock(None, "host", "web1", "stolen"), m.LockReply, "admin").lock
    world.next_bundle()
    assert world.ssh("web1").returncode == 255
    assert world.ssh("web2").stdout == "in\n"
    world.ca.say(m.Unlock(None, lock.id, "found again", None), m.Done, "admin")
    world.next_bundle()
    assert world.ssh("web1").stdout == "in\n"


@pytest.mark.parametrize(
    "change",
    [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-3])],
    ids=["missing", "cut-short"],
)
def test_t31_a_list_that_cannot_be_read_lets_no_host_pass(world: World, change: Callable[[Path], object]) -> None:
    world.ca.say(m.RemoveHost("web2", "scrapped", None, None), m.Done, "admin")
    world.next_bundle()
    change(world.laptop / trusted_bundle.REVOKED)
    assert world.ssh("web1").returncode == 255
    world.next_bundle()
    assert world.ssh("web1").stdout == "in\n"


def test_t43_who_has_a_list_of_their_own_keeps_it_and_ours_does_not_count(world: World) -> None:
    theirs = world.laptop / "theirs"
    openssh.make_key(world.laptop / "lost")
    theirs.write_text(_line(world.laptop / "lost.pub") + "\n")
    world.get_in("web1", f"RevokedHostKeys {theirs}\n")
    world.ca.say(m.RemoveHost("web1", "stolen", None, None), m.Done, "admin")
    world.next_bundle()
    assert world.ssh("web1").stdout == "in\n"
    theirs.write_text(_line(world.servers["web1"].host.public_key) + "\n")
    assert world.ssh("web1").returncode == 255


def _line(public: Path) -> str:
    return " ".join(public.read_text().split()[:2])
