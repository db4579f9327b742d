"""A laptop whose ssh runs by the files that the client writes, a whole CA, and servers that are a real sshd."""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sshjit import ca_protocol as m
from sshjit_client import trusted_bundle
from sshjit_client.connecting import certificate
from sshjit_client.console.terminal import Terminal
from sshjit_client.ssh import certificate_index, connection_args, known_hosts, sshconfig
from sshjit_client.storage.machine import HeldBundle, Machine, Settings
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving
from tests.support.published_bundle import newest, reply
from tests.support.signatures import join
from tests.support.sshd_oracle import SshdOracle, TrustedBySshd, running_sshd
from tests.support.waiting import PATIENCE

STAGING = (("env", "staging"),)


@dataclass
class World:
    """A CA, two servers that it may enrol, and a laptop on which somebody is signed in."""

    ca: Installation
    servers: dict[str, SshdOracle]
    laptop: Path
    login: str = ""
    configurations: dict[str, Path] = field(default_factory=dict)
    revoked: Path = Path()

    def enrol(self, name: str) -> None:
        """Enrols a server by its key; it shows the certificate from then on."""
        host = self.servers[name].host
        message = m.AddHost(name, (), "127.0.0.1", self.servers[name].ports[name], STAGING, (line_of(host.public_key),))
        (certificate,) = self.ca.say(message, m.HostReply, "admin").certificates
        self.show(name, certificate)

    def join_without_certificates(self, name: str, *aliases: str) -> None:
        """Lets a server join by all keys that it has, and show no host certificate."""
        added = m.AddHost(name, aliases, "127.0.0.1", self.servers[name].ports[name], STAGING, ())
        invitation = self.ca.say(added, m.HostReply, "admin").invitation
        assert invitation is not None
        keys = tuple(sorted(self.servers[name].host.folder.glob("ssh_host_*_key")))
        self.ca.say(join(self.ca, name, invitation.token, keys, host_certificates=False), m.HostReply, "web")

    def show(self, name: str, certificate: str) -> None:
        """Lets a server show this host certificate."""
        host = self.servers[name].host
        host.public_key.with_name("ssh_host_ed25519_key-cert.pub").write_text(f"{certificate}\n")
        host.reload()

    def next_bundle(self) -> None:
        """The laptop fetches the newest bundle."""
        told = reply(self.ca, version=2)
        assert told.bundle is not None
        assert told.signature is not None
        held = HeldBundle(told.sequence, told.bundle, told.signature, "")
        settings = Settings(1, "http://127.0.0.1:9", "test", self.ca.context.keys.public("bundle").fingerprint, None)
        found = trusted_bundle.accept(held, None, settings)
        assert found is not None
        environ = {"XDG_STATE_HOME": str(self.laptop), "XDG_RUNTIME_DIR": str(self.laptop)}
        self.revoked = trusted_bundle.keep(Machine(environ, Terminal()), settings, held, found).revoked
        known_hosts.update(self.laptop / "open", found)

    def get_in(self, name: str, own: str = "") -> None:
        """Draws a certificate for a server, and writes what the client does; ``own`` is the person's ssh_config."""
        (self.laptop / "own").write_text(own)
        line = connection_args.read(["-F", str(self.laptop / "own"), name])
        view = self.ca.ask(self.login, name).certificate
        assert view is not None
        key = self.ca.key(ALICE)
        found = certificate.check(view, line_of(key.with_suffix(".pub")), name, None, newest(self.ca, 2))
        kept = sshconfig.Files(key, self.revoked, self.laptop)
        mine = sshconfig.own(line)
        self.configurations[name] = certificate.keep(
            found, line, newest(self.ca, 2), own=mine, kept=kept, until=found.valid_before
        )

    def ssh(self, name: str) -> subprocess.CompletedProcess[str]:
        """Connects as the client does when a certificate is alive: by the configuration that lies there."""
        command = [
            "ssh",
            *certificate_index.STRICT,
            "-F",
            str(self.configurations[name]),
            "-o",
            "BatchMode=yes",
            name,
            "echo in",
        ]
        return subprocess.run(command, input="", capture_output=True, text=True, check=False, timeout=PATIENCE)


@contextmanager
def laptop_and_servers(folder: Path) -> Iterator[World]:
    """Two servers, not enrolled, and somebody who is signed in."""
    laptop = folder / "laptop"
    laptop.mkdir(mode=0o700)
    with serving() as acme, serving() as partner:
        ca = Installation(folder, {"acme": acme, "partner": partner}, time=time.time())
        trusted = TrustedBySshd((ca.context.keys.public("user_ca").line,), base64.b64decode(newest(ca).krl))
        with (
            running_sshd({"web1": trusted}, "deploy@web1") as web1,
            running_sshd({"web2": trusted}, "deploy@web2") as web2,
        ):
            made = World(ca, {"web1": web1, "web2": web2}, laptop)
            made.login = ca.native(ALICE)
            yield made
        ca.stop()


def line_of(public: Path) -> str:
    """A public key as ``type base64``."""
    return " ".join(public.read_text().split()[:2])
