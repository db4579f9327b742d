"""Whole Debian systems of other ages, each in a folder: their own sshd, ssh, Python and accounts.

``debootstrap`` makes one the first time, from its own default archive, whose signature it checks, into the cache; after
that it is only read. A program runs inside by ``chroot`` in a mount namespace of its own, so nothing that is mounted
for it is seen outside and all of it is gone with its last process. Only root can do this.
"""

from __future__ import annotations

import fcntl
import hashlib
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
    return System(suite, _made(suite, ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", suite]))


def system_with(suite: str, packages: Iterable[str]) -> System:
    """The release with further packages, made from it first if that is not in the cache. Raises like ``system``."""
    names = sorted(set(packages))
    digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    script = _INSTALL.format(base=shlex.quote(str(system(suite).root)), packages=shlex.join(names))
    words = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", script]
    return System(suite, _made(f"{suite}+{digest}", [*words, "sh"]))


_INSTALL = """set -e
cp -a {base} "$1"
printf '#!/bin/sh\\nexit 101\\n' >"$1/usr/sbin/policy-rc.d" # no service of a package is started
chmod 0755 "$1/usr/sbin/policy-rc.d"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
export DEBIAN_FRONTEND=noninteractive
# A mirror may serve sid's list after the day that the list names; its signature is checked all the same.
chroot "$1" apt-get -q -o Acquire::Check-Valid-Until=false update
chroot "$1" apt-get -q -y install --no-install-recommends {packages}
chroot "$1" apt-get clean
rm "$1/usr/sbin/policy-rc.d"
"""


def _made(name: str, command: list[str]) -> Path:
    """The folder of the cache that a command fills, which is given the place to fill as its last word.

    It is made beside its place and moved there, so that one that is half made is never used.
    """
    assert os.geteuid() == 0, f"only root can make and enter a Debian {name}: run these tests as root"
    place = debian.cache() / "roots" / name
    place.parent.mkdir(exist_ok=True)
    with (place.parent / f"{name}.turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not place.exists():
            with tempfile.TemporaryDirectory(prefix="making-", dir=place.parent) as scratch:
                Path(scratch).chmod(0o755)
                root = Path(scratch, "root")
                done = subprocess.run([*command, str(root)], check=False, capture_output=True, text=True)
                assert done.returncode == 0, f"{name}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
                root.rename(place)
    return place
