"""The packages that a server's installation needs, as files: pip on a machine without a network installs from them.

They are those of ``requirements.lock``, checked by its hashes, for the Python of the machine. The cache keeps them.
"""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
from pathlib import Path

from demo import debian
from tools import locked_packages

BUILD = ("hatchling",)
"""What pip builds this project with."""


def server(python: str) -> Path:
    """A folder with the wheels of ``ssh-jit[server,postgres]`` for a Python like ``3.11`` on this processor."""
    text = locked_packages.wanted(("server", "postgres"), BUILD)
    digest = hashlib.sha256(f"{python}\n{text}".encode()).hexdigest()[:12]
    place = debian.cache() / "wheels" / f"{python}-{digest}"
    place.parent.mkdir(exist_ok=True)
    with (place.parent / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not place.exists():
            with tempfile.TemporaryDirectory(prefix="fetching-", dir=place.parent) as scratch:
                locked_packages.download(python, text, Path(scratch))
                Path(scratch, "wheels").rename(place)
    return place
