"""Finds a real sshd, or fetches one that is used from the cache and never installed.

Decides which server program the lab runs and what it needs beside it: libraries that this machine lacks, and from
OpenSSH 9.8 on the helpers that sshd starts. Installing openssh-server would start a server on the newcomer's machine;
so a missing one is unpacked from the distribution's package. How a server is configured is ``demo/hosts.py``'s part.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from demo import debian

PACKAGE = "openssh-server"
SYSTEM_PLACES = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd")
HELPERS = (("SshdSessionPath", "sshd-session"), ("SshdAuthPath", "sshd-auth"))
"""sshd_config's keyword and the program, for servers that are split (sshd-session since 9.8, sshd-auth since 10.0)."""
FETCH_ROUNDS = 4
"""How deep libraries of libraries are followed before this is given up."""


@dataclass(frozen=True, slots=True)
class Sshd:
    """A server program that runs here."""

    path: Path
    """Absolute: sshd refuses to start itself again by any other name."""
    version: tuple[int, int]
    """OpenSSH's, e.g. ``(9, 2)``."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What has to be added to the environment: ``LD_LIBRARY_PATH`` where libraries had to be fetched."""
    root: Path | None = None
    """Where the package was unpacked; ``None`` for an installed one."""

    @property
    def config(self) -> tuple[str, ...]:
        """Lines of sshd_config that this server needs to find its helpers."""
        if self.root is None:
            return ()
        folder = self.root / "usr/lib/openssh"
        return tuple(f"{keyword} {folder / name}" for keyword, name in HELPERS if (folder / name).exists())


def sshd() -> Sshd:
    """The installed sshd, else the one in the cache, else a freshly fetched one.

    Raises ``debian.NotFetched`` where none of these can be; its text ends in the one line to type.
    """
    return _installed() or _cached() or _fetch()


def _installed() -> Sshd | None:
    found = shutil.which("sshd")
    for place in dict.fromkeys([*SYSTEM_PLACES, *([found] if found else [])]):
        version = _version(Path(place), {})
        if version:
            return Sshd(path=Path(place), version=version)
    return None


def _cached() -> Sshd | None:
    for root in sorted(_store().glob("openssh-server_*"), key=lambda path: path.stat().st_mtime, reverse=True):
        server = _unpacked(root)
        if server:
            return server
    return None


def _fetch() -> Sshd:
    """Unpacks beside the cache and moves the finished tree there, so that two at once do not disturb each other."""
    store = _store()
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=store) as scratch:
        root = Path(scratch, "root")
        name = _unpack_with_libraries(root, Path(scratch))
        if _unpacked(root) is None:
            raise debian.NotFetched(f"the fetched {PACKAGE} does not run here\nhint: apt-get install {PACKAGE}")
        place = store / name
        if place.exists() and _unpacked(place) is None:  # of an older system: its libraries are gone by now
            shutil.rmtree(place)
        debian.move_into_place(root, place)
    server = _unpacked(place)
    if server is None:
        raise debian.NotFetched(f"{place} does not run here\nhint: rm -r {place}")
    return server


def _unpack_with_libraries(root: Path, scratch: Path) -> str:
    """Fills ``root`` with the server and the libraries that this machine lacks; returns the package's file name."""
    wanted, seen, name = [PACKAGE], {PACKAGE}, ""
    for turn in range(FETCH_ROUNDS):
        folder = scratch / f"round-{turn}"
        folder.mkdir()
        following: list[str] = []
        for package in debian.download(wanted, folder):
            debian.unpack(package, root)
            name = name or package.stem.replace("%3a", "-")  # apt writes an epoch's colon so
            following += [library for library in debian.libraries_wanted(package) if library not in seen]
        if not _missing_libraries(root):
            break
        wanted = [library for library in dict.fromkeys(following) if not debian.installed(library)]
        seen.update(wanted)
        if not wanted:
            break
    return name


def _missing_libraries(root: Path) -> bool:
    for program in (_program(root), *(root / "usr/lib/openssh" / name for _, name in HELPERS)):
        if program.exists():
            answer = _run(["ldd", str(program)], _environment(root))
            if "not found" in answer:
                return True
    return False


def _unpacked(root: Path) -> Sshd | None:
    environment = _environment(root)
    version = _version(_program(root), environment)
    return Sshd(path=_program(root), version=version, environment=environment, root=root) if version else None


def _program(root: Path) -> Path:
    return root / "usr/sbin/sshd"


def _environment(root: Path) -> dict[str, str]:
    """``LD_LIBRARY_PATH`` for the libraries below ``root``; empty when there are none."""
    folders = sorted({str(path.parent) for path in root.glob("**/lib*.so.*")})
    return {"LD_LIBRARY_PATH": ":".join(folders)} if folders else {}


def _version(program: Path, environment: Mapping[str, str]) -> tuple[int, int] | None:
    """The OpenSSH version that the program names itself; ``None`` if it is missing or does not run."""
    if not os.access(program, os.X_OK):
        return None
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", _run([str(program), "-V"], environment))
    return (int(found[1]), int(found[2])) if found else None


def _run(argv: list[str], environment: Mapping[str, str]) -> str:
    """What a short program prints on both streams."""
    done = subprocess.run(
        argv,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "LC_ALL": "C", **environment},
    )
    return done.stdout


def _store() -> Path:
    place = debian.cache() / "openssh"
    place.mkdir(mode=0o755, exist_ok=True)
    return place
