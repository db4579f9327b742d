"""Whole Debian systems of other ages, each in a folder: their own sshd, ssh, Python and accounts.

``debootstrap`` makes one the first time, from its own default archive, whose signature it checks, into the cache; after
that it is only read. A program runs inside by ``chroot`` in a mount namespace of its own, so nothing that is mounted
for it is seen outside and all of it is gone with its last process. Only root can do this.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo import debian

OPENSSH = {"bullseye": (8, 4), "bookworm": (9, 2), "trixie": (10, 0), "sid": (10, 6)}
"""The releases, and the OpenSSH that each had when this was written; sid goes on."""
SUITES = tuple(os.environ.get("SSH_JIT_TEST_SUITES", "sid").split())
"""Those of them that this run tries: the newest, unless ``make test-matrix`` asks for others."""
_PACKAGES = "openssh-server,openssh-client,python3,iproute2"


@dataclass(frozen=True, slots=True)
class System:
    """A Debian release below ``root``."""

    suite: str
    root: Path

    def inside(self, command: Sequence[str | Path], *, share: Iterable[Path] = ()) -> list[str]:
        """The argument list that runs a command there, in which the paths of ``share`` have their own names.

        What the command writes elsewhere goes into memory and is forgotten with it. The process that it starts as
        becomes the command, so signals reach it.
        """
        steps = [
            "set -e",
            "mount -t tmpfs -o mode=0755 tmpfs /mnt",
            "mkdir /mnt/upper /mnt/work /mnt/root",
            f"mount -t overlay -o lowerdir={self.root},upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root",
            "cd /mnt/root",
            "mount --rbind /dev dev",
            "mount --rbind /proc proc",
            "mount -t tmpfs -o mode=0755 tmpfs run",
            "mkdir -p run/sshd",
        ]
        for path in share:
            inside = shlex.quote(str(path).lstrip("/"))
            steps += [f"mkdir -p {inside}", f"mount --bind {shlex.quote(str(path))} {inside}"]
        steps.append('exec chroot . "$@"')
        words = [str(word) for word in command]
        return ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", "; ".join(steps), "sh", *words]


def system(suite: str) -> System:
    """The release, made first if it is not in the cache.

    Raises ``AssertionError`` where this cannot be done: a test that needs it must not pass without it.
    """
    assert os.geteuid() == 0, f"only root can make and enter a Debian {suite}: run these tests as root"
    place = debian.cache() / "roots" / suite
    place.parent.mkdir(exist_ok=True)
    with (place.parent / f"{suite}.turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not place.exists():
            _make(suite, place)
    return System(suite, place)


def _make(suite: str, place: Path) -> None:
    """Makes it beside its place and moves it there, so that one that is half made is never used."""
    with tempfile.TemporaryDirectory(prefix="making-", dir=place.parent) as scratch:
        Path(scratch).chmod(0o755)
        root = Path(scratch, "root")
        command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", suite, str(root)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"debootstrap {suite}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        root.rename(place)
