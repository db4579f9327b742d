"""The packages that a server's installation needs, as files: pip on a machine without a network installs from them.

They are those of ``requirements.lock``, checked by its hashes, for the Python of the machine. The cache keeps them.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from demo import debian
from demo.isolate import REPOSITORY

BUILD = ("hatchling",)
"""What pip builds this project with."""


def server(python: str) -> Path:
    """A folder with the wheels of ``ssh-jit[server,postgres]`` for a Python like ``3.11`` on this processor."""
    locked = _locked()
    wanted = _closure({*BUILD, *_of_extras(("server", "postgres"))}) & locked.keys()
    text = "".join(locked[name] for name in sorted(wanted))
    digest = hashlib.sha256(f"{python}\n{text}".encode()).hexdigest()[:12]
    place = debian.cache() / "wheels" / f"{python}-{digest}"
    place.parent.mkdir(exist_ok=True)
    with (place.parent / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not place.exists():
            with tempfile.TemporaryDirectory(prefix="fetching-", dir=place.parent) as scratch:
                _download(python, text, Path(scratch))
                Path(scratch, "wheels").rename(place)
    return place


def _download(python: str, text: str, scratch: Path) -> None:
    (scratch / "wanted.txt").write_text(text)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--python-version", python, "-r", str(scratch / "wanted.txt")]
    command += ["--dest", str(scratch / "wheels")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (scratch / "wheels").chmod(0o755)


def _locked() -> dict[str, str]:
    """The entries of the lock file by the package's name."""
    text = (REPOSITORY / "requirements.lock").read_text()
    entries = re.findall(r"^(\S+==(?:.*\\\n)+.*\n)", text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"==", text)), "an entry is not of the form that this reads"
    return {canonicalize_name(entry.partition("==")[0]): entry for entry in entries}


def _of_extras(extras: tuple[str, ...]) -> set[str]:
    """The packages that extras of this project name, those of the extras in them included."""
    found = set()
    for requirement in map(Requirement, importlib.metadata.requires("ssh-jit") or ()):
        if any(requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in extras):
            inner = requirement.name == "ssh-jit"
            found |= _of_extras(tuple(requirement.extras)) if inner else _with_extras(requirement)
    return found


def _closure(names: set[str]) -> set[str]:
    """These packages and all that they need."""
    found: set[str] = set()
    while names:
        name = canonicalize_name(names.pop())
        if name in found:
            continue
        found.add(name)
        for requirement in map(Requirement, importlib.metadata.requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                names |= _with_extras(requirement)
    return found


def _with_extras(requirement: Requirement) -> set[str]:
    """The package of a requirement, and what the extras that it asks for name."""
    found = {requirement.name}
    for more in map(Requirement, importlib.metadata.requires(requirement.name) or ()):
        if more.marker is not None and any(more.marker.evaluate({"extra": extra}) for extra in requirement.extras):
            found.add(more.name)
    return found
