"""Where a lab keeps what: one folder below the user's cache, and the ports that it uses."""

from __future__ import annotations

import os
import random
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from demo import debian
from demo.lab.processes import LabError

LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path (unix(7))."""
PORTS = range(20000, 30000)
"""Below the range that Linux takes ports for outgoing connections from, so that none of those can be in the way."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of a lab. ``etc`` and ``run`` are for everybody to read, the others for their program alone."""

    home: Path

    @classmethod
    def make(cls) -> Paths:
        """A new home with its folders. Raises ``LabError`` where it cannot be."""
        made = cls(Path(tempfile.mkdtemp(prefix="lab-", dir=debian.cache())))
        if len(os.fsencode(made.admin_socket)) > LONGEST_SOCKET:
            made.home.rmdir()
            raise LabError(f"{made.home} is too long for a socket's path; set XDG_CACHE_HOME to a shorter folder")
        made.home.chmod(0o755)
        for folder in (made.etc, made.run, made.hosts, made.people):
            folder.mkdir(mode=0o755)
        for folder in (made.ca, made.admin, made.web, made.providers, made.log):
            folder.mkdir(mode=0o700)
        return made

    @property
    def etc(self) -> Path:
        """Configuration of CA and front end."""
        return self.home / "etc"

    @property
    def run(self) -> Path:
        """The socket that the front end uses."""
        return self.home / "run"

    @property
    def admin(self) -> Path:
        """The socket that the operator uses."""
        return self.home / "admin"

    @property
    def ca(self) -> Path:
        """Keys and log of the CA."""
        return self.home / "ca"

    @property
    def pager(self) -> Path:
        """The command that the CA's alarms go to."""
        return self.ca / "page"

    @property
    def web(self) -> Path:
        """Database and secrets of the front end."""
        return self.home / "web"

    @property
    def providers(self) -> Path:
        """Configuration of the identity providers."""
        return self.home / "providers"

    @property
    def hosts(self) -> Path:
        """A folder for each host."""
        return self.home / "hosts"

    @property
    def people(self) -> Path:
        """A folder for each person's laptop."""
        return self.home / "people"

    @property
    def log(self) -> Path:
        """What the programs print."""
        return self.home / "log"

    @property
    def web_socket(self) -> Path:
        """The CA's socket for the front end."""
        return self.run / "web.sock"

    @property
    def admin_socket(self) -> Path:
        """The CA's socket for the operator."""
        return self.admin / "admin.sock"


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which nobody listens now."""
    ports: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise LabError("there are no free ports on 127.0.0.1")


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    """Writes a new file with these permissions, whatever the umask is."""
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path
