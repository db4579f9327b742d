"""Packages as ``requirements.lock`` pins them, as files: checked by its hashes, for the Python of another machine."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def wanted(extras: tuple[str, ...], more: tuple[str, ...] = ()) -> str:
    """The entries of the lock file for these extras of this project, and ``more`` packages, with all that they need."""
    entries = locked()
    return "".join(entries[name] for name in sorted(closure({*more, *of_extras(extras)}) & entries.keys()))


def download(python: str, text: str, scratch: Path) -> None:
    """Fetches the wheels of these entries, for a Python like ``3.11``, into the folder ``wheels`` below ``scratch``."""
    (scratch / "wanted.txt").write_text(text)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--python-version", python, "-r", str(scratch / "wanted.txt")]
    command += ["--dest", str(scratch / "wheels")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    (scratch / "wheels").chmod(0o755)


def locked() -> dict[str, str]:
    """The entries of the lock file by the package's name."""
    text = (ROOT / "requirements.lock").read_text()
    entries = re.findall(r"^(\S+==(?:.*\\\n)+.*\n)", text, re.MULTILINE)
    if len(entries) != len(re.findall(r"==", text)):
        raise ValueError("an entry of requirements.lock is not of the form that this reads")
    return {canonicalize_name(entry.partition("==")[0]): entry for entry in entries}


def of_extras(extras: tuple[str, ...]) -> set[str]:
    """The packages that extras of this project name, those of the extras in them included."""
    found = set()
    for requirement in map(Requirement, importlib.metadata.requires("ssh-jit") or ()):
        if any(requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in extras):
            inner = requirement.name == "ssh-jit"
            found |= of_extras(tuple(requirement.extras)) if inner else _with_extras(requirement)
    return found


def closure(names: set[str]) -> set[str]:
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
