"""One real sshd with several ports, and a client that offers it any certificate, honest or not.

Each port is one with its own trusted CAs and revocation list, so that one server judges a whole table. The client
is asyncssh with key pairs of our own: OpenSSH's client would refuse to send most forgeries. What it could do there,
and what sshd wrote into its log about it, is the ``Outcome``.
"""

from __future__ import annotations

import asyncio
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncssh

from demo import debian, hosts, openssh
from demo.hosts import ADDRESS, Host
from sshjit import sshkey
from sshjit.sshwire import Reader

LOG_LIMIT = 60.0
"""Seconds for sshd to write about a connection that has ended."""
NO_TERMINAL = r"chown\(/dev/pts/\d+, .* failed"
"""How an sshd without root ends, in some containers, when it may and should give somebody a terminal."""
HOST = "web1"
Act = Literal["command", "terminal", "port", "agent"]
COMMAND = "echo asked; echo agent ${SSH_AUTH_SOCK:+forwarded}"


@dataclass(frozen=True, slots=True)
class TrustedBySshd:
    """What one port believes: lines of CAs, and a revocation list. ``None``: the file sshd was told of is missing."""

    trusted: tuple[str, ...]
    krl: bytes | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client offers: a certificate or key, whatever signs beside it, and under which algorithm's name."""

    blob: bytes
    sign: Callable[[bytes], bytes]
    algorithm: str = ""
    """Empty: the one that the blob says, with SHA-2 where it is RSA."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an offer. ``output``: what the session printed, or ``denied`` when the service was."""

    accepted: bool
    output: str
    log: str


class _Pair(asyncssh.SSHKeyPair):
    def __init__(self, offer: Offer) -> None:
        said = Reader(offer.blob).text()
        name = offer.algorithm or (said.replace(sshkey.RSA, "rsa-sha2-512", 1) if said.startswith(sshkey.RSA) else said)
        # asyncssh looks among these for an algorithm that both sides know, and must find one; which is no matter
        super().__init__(name.encode(), name.encode(), [b"ssh-ed25519"], [], offer.blob, None)
        self.algorithm = name.encode()
        self._offer = offer

    def set_sig_algorithm(self, sig_algorithm: bytes) -> None:
        """Whoever signs, decides."""

    def sign(self, data: bytes) -> bytes:
        return self._offer.sign(data)


@dataclass(slots=True)
class SshdOracle:
    """A running sshd. ``ports``: what each believes, by name."""

    host: Host
    ports: Mapping[str, int]

    def hear(self, offer: Offer, port: str, act: Act = "command") -> Outcome:
        """Signs in with the offer, tries to do something, and reads what sshd wrote about this connection."""
        since = self.host.mark()
        with socket.create_connection((ADDRESS, self.ports[port]), timeout=10) as connection:
            own = connection.getsockname()[1]
            connection.setblocking(False)  # noqa: FBT003 - the socket's own way to say it
            accepted, output = asyncio.run(self._try(connection, offer, act))
        return Outcome(accepted, output, self._log(since, own))

    async def _try(self, connection: socket.socket, offer: Offer, act: Act) -> tuple[bool, str]:
        try:
            async with asyncssh.connect(
                sock=connection,
                username=self.host.login,
                client_keys=[_Pair(offer)],
                known_hosts=None,
                config=None,
                agent_path=None,
                preferred_auth="publickey",
                agent_forwarding=str(self.host.folder / "no-agent") if act == "agent" else False,
            ) as client:
                return True, await self._act(client, act)
        except asyncssh.PermissionDenied:
            return False, ""

    async def _act(self, client: asyncssh.SSHClientConnection, act: Act) -> str:
        try:
            if act == "port":
                _, writer = await client.open_connection(ADDRESS, self.host.port)
                writer.close()
                return "forwarded"
            done = await client.run(COMMAND, term_type="xterm" if act == "terminal" else None)
        except asyncssh.ChannelOpenError:
            return "denied"
        except asyncssh.ConnectionLost:
            return "lost"
        return str(done.stdout).replace("\r\n", "\n")

    def _log(self, since: int, port: int) -> str:
        over = re.compile(rf"(Disconnected from|Connection (closed|reset)) .*port {port}\b|{NO_TERMINAL}")
        limit = time.monotonic() + LOG_LIMIT
        while not over.search(found := self.host.said(since)):
            assert time.monotonic() < limit, f"sshd wrote nothing about the end of a connection:\n{found}"
            time.sleep(0.005)
        return found


@contextmanager
def running_sshd(trusted: Mapping[str, TrustedBySshd], principals: str) -> Iterator[SshdOracle]:
    """Runs an sshd that lets ``principals`` in to its one account, which each of its ports trusts."""
    with tempfile.TemporaryDirectory(prefix="test-sshd-", dir=debian.cache()) as made:
        folder = Path(made)
        folder.chmod(0o755)
        host = Host(HOST, folder, openssh.sshd(), hosts.login("deploy"))
        host.prepare()
        ports = {name: _free_port() for name in trusted}
        listen = [f"ListenAddress {ADDRESS}:{port}" for port in ports.values()]
        allow = ["AllowAgentForwarding yes", "AllowTcpForwarding yes", "PermitTTY yes"]
        blocks = [line for name, each in trusted.items() for line in _match(folder, each, ports[name])]
        (folder / "principals").write_text(f"{principals}\n")
        host.drop_in.write_text("\n".join((*listen, *allow, *blocks)) + "\n")
        host.start()
        try:
            yield SshdOracle(host, ports)
        finally:
            host.stop()


def _match(folder: Path, believed: TrustedBySshd, port: int) -> list[str]:
    trusted, krl = folder / f"{port}.trusted", folder / f"{port}.krl"
    trusted.write_text("".join(f"{line}\n" for line in believed.trusted))
    if believed.krl is not None:
        krl.write_bytes(believed.krl)
    return [
        f"Match LocalPort {port}",
        f"TrustedUserCAKeys {trusted}",
        f"AuthorizedPrincipalsFile {folder}/principals",
        f"RevokedKeys {krl}",
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
