"""Users and units of the CA on its machine, for ``ssh-jit-ca init``: made as root, and told to anybody else.

What is there stays as it is. A unit that differs from this release's is named, since nobody else would notice.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from sshjit import machine_setup
from sshjit.errors import Failed
from sshjit.machine_setup import MakeFile, MakeUser
from sshjit_ca.machine.durable import PUBLIC, make_durably
from sshjit_ca.operations.examples import shared

_UNITS = ("ssh-jit-ca.service", "ssh-jit-probe.service", "ssh-jit-probe.timer")
_PACKAGED = Path("/usr/lib/systemd/system")
"""Units of a Debian package, which need no copies."""


def programs() -> Path:
    """Where the programs of this installation are: in its environment, or where a Debian package puts them."""
    installed = Path(sysconfig.get_path("scripts"))
    return installed if (installed / "ssh-jit-ca").exists() else Path("/usr/bin")


def missing() -> list[MakeUser | MakeFile]:
    """What this machine lacks: the users of both programs, since ``ca.toml`` names them, and the CA's units."""
    users = [MakeUser(name) for name in (machine_setup.CA_USER, machine_setup.WEB_USER) if not _is_user(name)]
    return [*users, *(step for step in _units() if not os.path.lexists(step.path))]


def different_units() -> list[tuple[str, str]]:
    """Units that are there and say something else than this release's: both paths."""
    return [(step.path, step.source) for step in _units() if _says_else(Path(step.path), step.text)]


def carry_out(steps: list[MakeUser | MakeFile]) -> None:
    """Makes them, as root.

    Raises:
        Failed: ``not_written``, ``no_user``.

    """
    for step in steps:
        if isinstance(step, MakeUser):
            _run(step.command)
        else:
            try:
                make_durably(Path(step.path), step.text.encode(), PUBLIC)
            except OSError as error:
                raise Failed("not_written", f"{step.path}: {error.strerror}") from None
    if any(isinstance(step, MakeFile) for step in steps) and Path("/run/systemd/system").is_dir():
        _run(("systemctl", "daemon-reload"))


def _units() -> Iterator[MakeFile]:
    """The units for a machine that has systemd and no package's."""
    folder = Path(machine_setup.UNITS)
    if not folder.is_dir():
        return
    for name in _UNITS:
        source = shared() / "systemd" / name
        if source.is_file() and not (_PACKAGED / name).exists():
            text = machine_setup.unit_text(source.read_text(encoding="utf-8"), str(programs()))
            yield MakeFile(str(folder / name), text, source=str(source))


def _says_else(path: Path, text: str) -> bool:
    try:
        return path.is_file() and path.read_text(encoding="utf-8") != text
    except (OSError, UnicodeDecodeError):
        return True


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _run(words: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failed("no_program", f"{words[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        raise Failed("no_user", f"{' '.join(words)}: {done.stderr.strip()}")
