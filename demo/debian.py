"""Files of Debian packages, without installing anything.

Decides where this project's cache lies and how a package gets there as an ordinary user: by the system's package lists,
or, where those are empty or too old, by lists of our own. The archive's signatures are checked by apt in both cases.
Leaves it to the caller which packages, and what of them is used. ``demo/setup.sh`` has its own few lines of this: it
runs before there is a Python environment.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from pathlib import Path


class NotFetched(Exception):
    """A package could not be fetched. The text says what failed and ends in the one line to type."""


def cache() -> Path:
    """The lab's folder in the user's cache: ``$XDG_CACHE_HOME/ssh-jit-lab`` or ``~/.cache/ssh-jit-lab``. Made 0755.

    Not ``ssh-jit``: where there is no ``$XDG_RUNTIME_DIR`` the client keeps keys there, and it must be 0700.
    """
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if home.startswith("/") else Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".cache"
    base.mkdir(parents=True, exist_ok=True)
    place = base / "ssh-jit-lab"
    place.mkdir(mode=0o755, exist_ok=True)
    return place


def download(packages: list[str], into: Path) -> list[Path]:
    """Downloads packages into the folder ``into`` and returns the ``.deb`` files there.

    Raises ``NotFetched`` where apt is missing, has no source, or cannot reach it.
    """
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise NotFetched(f"{program} is not here: install {' '.join(packages)} by this system's own means")
    problem = _apt(["download", *packages], into)
    if problem:
        own = _own_state()
        with (cache() / "apt/turn").open("w") as turn:  # apt does not wait for its own lock
            fcntl.flock(turn, fcntl.LOCK_EX)
            problem = _apt([*own, "update"], into) or _apt([*own, "download", *packages], into)
    if problem:
        line = f"apt-get install {' '.join(packages)}"
        raise NotFetched(f"apt-get could not download {' '.join(packages)}: {problem}\nhint: {line}")
    return sorted(into.glob("*.deb"))


def tree(package: str) -> Path:
    """The folder of the cache where a package is unpacked; fetches it the first time. Raises ``NotFetched``."""
    place = cache() / "packages" / package
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=place.parent) as scratch:
            (archive,) = download([package], Path(scratch))
            unpack(archive, Path(scratch, "root"))
            move_into_place(Path(scratch, "root"), place)
    return place


def move_into_place(root: Path, place: Path) -> None:
    """Moves a finished tree to its place in one step; if somebody else was faster, theirs stays."""
    try:
        root.rename(place)
    except OSError:
        if not place.exists():
            raise


def unpack(package: Path, root: Path) -> None:
    """Unpacks a ``.deb`` file below ``root``. No script of the package runs."""
    root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True, capture_output=True)


def libraries_wanted(package: Path) -> list[str]:
    """The names of the library packages that a ``.deb`` file depends on, first alternatives only."""
    field = subprocess.run(
        ["dpkg-deb", "-f", str(package), "Depends"], check=True, capture_output=True, text=True
    ).stdout
    names = (re.match(r"\s*([a-z0-9][a-z0-9+.-]*)", part) for part in field.split(","))
    return [name[1] for name in names if name and name[1].startswith("lib")]


def installed(package: str) -> bool:
    """Whether dpkg knows the package as installed on this machine."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package], check=False, capture_output=True, text=True
    )
    return done.returncode == 0 and done.stdout.startswith("ii")


def _apt(arguments: list[str], folder: Path) -> str:
    """Runs apt-get in ``folder``; returns what it complained about, or an empty string."""
    done = subprocess.run(
        ["apt-get", "-q", *arguments],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    if done.returncode == 0:
        return ""
    complaints = [line for line in done.stderr.splitlines() if line.startswith("E:")]
    return "; ".join(complaints or done.stderr.splitlines()[-1:]) or f"exit code {done.returncode}"


def _own_state() -> list[str]:
    """Options that keep apt's lists and cache in a folder that this user owns."""
    root = cache() / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    settings = {
        "Dir::State": root / "state",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": root / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": pwd.getpwuid(os.geteuid()).pw_name,
    }
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
