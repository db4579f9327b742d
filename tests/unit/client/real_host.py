"""A real sshd of which everything is trusted by a real CA, and a laptop for it: what only OpenSSH itself can judge.

One of each for a whole file of tests, because they take seconds to start.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import debian, hosts, openssh
from demo.hosts import Host
from sshjit import ca_protocol as m
from sshjit.api.views import RequestState
from tests.support.client_server import HOSTS, NAMES, ClientServer, client_server
from tests.unit.client.conftest import Laptop, machine
from tests.unit.client.installation_keys import keygen

ACCOUNT = hosts.login("deploy")
"""The account on the host; not ``deploy`` where there can be no other account than one's own."""
ACTION = "echo of-the-action"
CHANGES = (
    ('logins = ["root"]', f'logins = ["{ACCOUNT}"]'),
    ('[[allow]]\nname = "staging"', f'[actions.act]\ncommand = "{ACTION}"\ntitle = "Act"\n[[allow]]\nname = "staging"'),
    ('logins = ["deploy", "guest"]', f'logins = ["{ACCOUNT}", "guest"]\nactions = ["shell", "act", "command"]'),
    (
        'roles = ["security"]\nhosts = { role = "vault" }\nlogins = ["vault"]',
        f'roles = ["sre"]\nhosts = {{ role = "vault" }}\nlogins = ["{ACCOUNT}"]\nforwarding = ["port", "agent"]',
    ),
)
"""web1 has a shell and an action, vault1 forwards; Alice gets both at once, and vault1 by break-glass too."""


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind((hosts.ADDRESS, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class World:
    """The host, by any of its names, the server, and Alice's machine, set up and signed in."""

    server: ClientServer
    host: Host
    laptop: Laptop
    second: int
    """Another port of the host, where an answer to a question has to follow the key."""

    def config(self, text: str) -> Path:
        """Makes this the person's own ssh configuration."""
        path = Path(self.laptop.env["HOME"], ".ssh", "config")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def sockets(self) -> list[Path]:
        """The sockets of connections that are shared."""
        return [path for path in (self.laptop.state / "m").glob("*") if path.is_socket()]

    def forget(self) -> None:
        """Nothing is open any more."""
        for request in self.server.requests():
            if self.server.state(request) is RequestState.APPROVED:
                done = self.laptop.run("done", request)
                assert done.returncode == 0, done.stderr


@contextmanager
def real_world(changes: tuple[tuple[str, str], ...] = (), workloads: str = "") -> Iterator[World]:
    """Starts all of it; ``changes`` and ``workloads`` are those of ``client_server``.

    Names are short, because a control socket's path must be.
    """
    with (
        tempfile.TemporaryDirectory(prefix="sj-") as near,
        tempfile.TemporaryDirectory(prefix="test-sshd-", dir=debian.cache()) as far,
        client_server(Path(near), (*CHANGES, *changes), workloads) as server,
    ):
        folder = Path(far)
        folder.chmod(0o755)
        host = Host("web1", folder, openssh.sshd(), ACCOUNT)
        host.prepare()
        context = server.front.ca.context
        keygen("-q", "-s", str(server.front.ca.config.key_file("host_ca")), "-h", "-I", "host", "-n", ",".join(NAMES),
               "-V", "-1m:+1h", str(host.public_key))  # fmt: skip
        (folder / "trusted").write_text(f"{context.keys.public('user_ca').line}\n")
        (folder / "principals").write_text(f"{ACCOUNT}@web1\n{ACCOUNT}@web2\n{ACCOUNT}@vault1\n")
        lines = ["AllowTcpForwarding yes", "AllowAgentForwarding yes", "PermitTTY yes", "MaxStartups 200"]
        second = free_port()
        lines += [f"ListenAddress {hosts.ADDRESS}:{port}" for port in (host.port, second)]
        lines += ["PasswordAuthentication yes", "KbdInteractiveAuthentication yes"]
        lines += [f"AuthorizedKeysFile {folder}/own_keys"]
        lines += [f"TrustedUserCAKeys {folder}/trusted", f"AuthorizedPrincipalsFile {folder}/principals"]
        lines += [f"Match LocalPort {second}", "KbdInteractiveAuthentication yes"]
        lines += ["AuthenticationMethods publickey,keyboard-interactive"]
        host.drop_in.write_text("\n".join(lines) + "\n")
        host.start()
        try:
            for name in ("web1", "vault1"):
                server.host(name, host.port)
            labels = tuple(HOSTS["web2"].items())
            server.say(m.AddHost("web2", (), "localhost", host.port, labels, ()), m.HostReply, "admin")
            laptop = machine(Path(near, "alice"), "alice")
            Path(laptop.env["HOME"]).mkdir()
            laptop.set_up(server)
            done = laptop.run("login")
            assert done.returncode == 0, done.stderr
            yield World(server, host, laptop, second)
        finally:
            host.stop()
