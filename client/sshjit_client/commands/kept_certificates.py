"""The certificates that are kept on this machine, in files and in agents, of this sign-in and of older ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sshjit import sshcert
from sshjit.errors import Invalid
from sshjit.sshcert import Certificate
from sshjit_client.connecting import certificate
from sshjit_client.plain_ssh import certificates
from sshjit_client.plain_ssh.layout import Layout
from sshjit_client.ssh import agent_certificates, certificate_index, sshconfig
from sshjit_client.storage import logins
from sshjit_client.storage.machine import Machine


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate kept on this machine. ``until``: its end by this machine's clock; ``typed``: the host's name.

    ``plain``: it is for plain ssh and other programs.
    """

    path: Path
    certificate: Certificate
    until: int
    typed: str
    plain: bool = False

    @property
    def break_glass(self) -> bool:
        """Whether it is for break-glass access."""
        return self.path.name.startswith(certificate_index.BREAK_GLASS)


def read(folders: list[Path]) -> list[Kept]:
    """All of them; ``folders``: those of the sign-in."""
    certificates = []
    for path in sorted(path for folder in folders for path in (folder / "open").glob("*.conf")):
        try:
            with path.open("rb") as file:
                until = certificate_index.until(file.readline(certificate_index.LONGEST_LINE))
                typed = next((line[5:].decode().strip() for line in file if line.startswith(b"Host ")), "")
            first = path.with_name(f"{path.name.removesuffix('.conf')}-cert.pub")
            certificates.append(Kept(path, sshcert.parse_line(first.read_text("ascii"))[0], until, typed))
            if (second := sshconfig.second(first)).exists():  # the same by the other CA, with a serial of its own
                certificates.append(Kept(path, sshcert.parse_line(second.read_text("ascii"))[0], until, typed))
        except (OSError, ValueError, Invalid):
            continue  # removed meanwhile; ssh would not take it either
    return certificates


def read_plain(machine: Machine) -> list[Kept]:
    """Those that plain ssh reads."""
    kept = (each for folder in machine.login_folders() for each in certificates.all_kept(Layout.of(machine).at(folder)))
    return [Kept(path, held, until, "", plain=True) for path, held, until in kept]


def newest(folders: list[Path], typed: str) -> Kept | None:
    """The one for this host that lives longest."""
    there = [kept for kept in read(folders) if kept.typed.lower() == typed]
    return max(there, key=lambda kept: kept.until, default=None)


def remove(machine: Machine, over: Collection[str]) -> list[Certificate]:
    """Removes what is kept of these requests, which are over: the certificates that were in files, each once.

    Those of older sign-ins too: sessions and shared connections by them go on after a new one.
    """
    folders = logins.folders(machine.environ, machine.settings().name)
    agent_certificates.take_out_of(folders, over)
    plain, gone = Layout.of(machine), []
    for folder in folders:
        gone += certificate.remove_of(folder / "open", over) + certificates.drop(plain.at(folder), over)
    return list({held.serial: held for held in gone}.values())
