"""Where the things for plain ssh are on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sshjit.errors import Failed
from sshjit_client import trusted_bundle
from sshjit_client.storage import logins, paths
from sshjit_client.storage.machine import Machine
from sshjit_client.storage.settings import IN_AGENT

LIVE = ".live"
IDENTITY = "~id"
"""What the names end with that lead ssh to a certificate or to a key."""


def way_to(name: str) -> str:
    """What the way through a bastion to this name is called: no host has a ``~``, and ``ProxyJump`` takes no ``:``."""
    return f"{name.replace(':', '_')}~via"


@dataclass(frozen=True, slots=True)
class Layout:
    """``folder``: keys, certificates and known_hosts, for each name. ``included``: what ``~/.ssh/config`` includes.

    ``revoked``: the installation's list of revoked host keys. ``interpreter``, ``fast``: what ssh runs. ``in_agent``:
    whether certificates are to be in the person's agent.
    """

    folder: Path
    revoked: Path
    included: Path
    interpreter: Path
    fast: Path
    in_agent: bool = False
    asks: bool = False
    """Whether the sign-in's key is the person's own (``login --key``): its passphrase, agent or device may answer."""

    @classmethod
    def of(cls, machine: Machine) -> Layout:
        """The layout of the installation that this run is about; it stays the same over sign-ins."""
        settings = machine.settings()
        bundle, plain = trusted_bundle.kept(machine, settings), Path(paths.config_folder(machine.environ), "plain")
        return cls(
            folder=_current(machine, settings.name) / "plain",
            revoked=bundle.revoked if bundle else machine.lasting_folders(settings)[0] / trusted_bundle.REVOKED,
            included=plain / f"{settings.name}.conf",
            interpreter=Path(sys.executable),
            fast=Path(__file__).with_name("fast.py"),
            in_agent=settings.certificates == IN_AGENT,
            asks=any(not Path(folder, logins.KEY).exists() for folder in machine.login_folders()[:1]),
        )

    def at(self, login: Path) -> Layout:
        """The same in the folder of one sign-in, whichever is current."""
        return replace(self, folder=login / "plain")

    def require_lasting(self, environ: Mapping[str, str]) -> None:
        """That what is written for good names no folder that another user can make first after a restart.

        Raises:
            Failed: ``no_lasting_folder``.

        """
        shared = Path(paths.places(environ)[-1])
        if self.folder.is_relative_to(shared):
            text = f"your sign-in is in {shared}: after a restart anybody can make that folder, and ssh would read it"
            raise Failed("no_lasting_folder", text, hint="make ~/.cache writable, or set XDG_CACHE_HOME; ssh-jit login")

    @property
    def hosts(self) -> Path:
        """What ``included`` was made of."""
        return self.included.with_suffix(".json")

    def key(self, name: str) -> Path:
        """The key of a name, or of ``ACCOUNT@NAME``; a link to the sign-in's."""
        return self.folder / name

    def certificate(self, name: str) -> Path:
        """The certificate beside the key, where other programs look for it."""
        return self.folder / f"{name}-cert.pub"

    def shown(self, name: str, account: str | None) -> list[Path]:
        """The certificates that ssh shows for an account, the usual one if none is named, and on the way there."""
        files = (self.certificate(name if account is None else f"{account}@{name}"), self.certificate(way_to(name)))
        return [path for path in files if path.exists()]

    def identity(self, name: str) -> Path:
        """What ssh is told in agent mode: it leads to the certificate if the agent has it, and else to the key."""
        return self.folder / f"{name}{IDENTITY}"

    def known_hosts(self, name: str) -> Path:
        """How ssh knows the host."""
        return self.folder / f"{name}.known"

    def live(self, name: str) -> Path:
        """Until when certificates live, for ``fast.py``."""
        return self.folder / f"{name}{LIVE}"

    def lock(self, name: str) -> Path:
        """Held by the one who gets a certificate for the name."""
        return self.folder / f"{name}.lock"


def _current(machine: Machine, name: str) -> Path:
    """What leads to the folder of the current sign-in: by ``current``, whichever it is, where links can be made."""
    folders = machine.login_folders()
    place = folders[0].parents[1] if folders else Path(paths.places(machine.environ)[0], name)
    current = place / "current"
    return folders[0] if folders and not current.is_symlink() else current
