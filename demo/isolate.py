"""Runs a program as somebody else who cannot look into root's folders, wherever the project lies.

As root the front end runs as ``nobody``, as it would on a real machine. But the clone, the interpreter and the lab's
home may all lie below ``/root``, where nobody may not pass. So the program gets a mount namespace in which such folders
are covered, with only the paths that it needs at their own names. Decides the argument list; who is run, and what it
needs, is the lab's part. How the mounts are laid is ``demo/namespace.py``'s.
"""

from __future__ import annotations

import functools
import os
import stat
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from demo import namespace

NOBODY = 65534
"""uid and gid that own nothing."""
REPOSITORY = Path(__file__).resolve().parent.parent

_SCRIPT = Path(namespace.__file__)


@functools.cache
def possible() -> bool:
    """Whether this process may make mount namespaces and mount in them: root outside most containers."""
    if os.geteuid() != 0:
        return False
    attempt = enter(namespace.Spec(cover=("/opt",)), ["true"])
    return subprocess.run(attempt, check=False, capture_output=True).returncode == 0


def argv(program: Sequence[str], *, read: Iterable[Path] = (), write: Iterable[Path] = ()) -> list[str]:
    """The argument list that runs ``program`` as nobody, with ``read`` and ``write`` within its reach.

    The repository and the running interpreter are always within reach. Every step is an exec: signals sent to the
    process reach the program, and its exit code is the program's. It runs as it is, as the user who started the lab,
    if that is not root, or where root may not make namespaces and the paths cannot be reached without one.
    """
    readable, writable = [*surroundings(), *read], list(write)
    spec = namespace.Spec(
        cover=barriers([*readable, *writable]),
        read=tuple(str(path) for path in readable),
        write=tuple(str(path) for path in writable),
        user=NOBODY,
    )
    if possible():
        return enter(spec, program)
    if os.geteuid() == 0 and not spec.cover:
        return become(spec, program)
    return list(program)


def enter(spec: namespace.Spec, program: Sequence[str]) -> list[str]:
    """The argument list that runs ``program`` in a namespace of its own, arranged as ``spec`` says."""
    return ["unshare", "--mount", "--propagation", "private", "--", *become(spec, program)]


def become(spec: namespace.Spec, program: Sequence[str]) -> list[str]:
    """The argument list that arranges the namespace it is in and goes on as ``program``."""
    return [sys.executable, "-I", "-S", str(_SCRIPT), spec.to_json(), *program]


def surroundings() -> list[Path]:
    """What every program of ours reads: the repository, the environment it runs in, and the interpreter below that."""
    places = {REPOSITORY, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    return sorted(place for place in places if not Path("/usr").is_relative_to(place))


def barriers(paths: Iterable[Path]) -> tuple[str, ...]:
    """The topmost folder on the way to each path that others may not pass through, e.g. ``/root``."""
    closed: set[str] = set()
    for path in paths:
        for folder in reversed(path.resolve().parents):
            if not folder.stat().st_mode & stat.S_IXOTH:
                closed.add(str(folder))
                break
    return tuple(sorted(closed))
