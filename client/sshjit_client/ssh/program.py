"""Which ``ssh`` is run, so that ssh-jit never runs itself for ever.

``ssh`` in ``PATH`` may be a link to ssh-jit, or a script that runs it. A link is passed over at once. A script shows
itself when the very words that it was started with come back: then the next ``ssh`` in ``PATH`` is run. Whatever
else leads back to us (a ``Match exec``, a ``ProxyCommand`` to the host itself) ends where the same would be started
again below itself, or at ``DEEPEST``.
Every connection loads this module: it imports only ``os`` and ``sys``, which are loaded anyway.
"""

# ruff: noqa: PTH112, PTH118, PTH119  # importing pathlib costs more than everything here
from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # importing typing costs milliseconds on every connection
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

INSIDE = "SSH_JIT_INSIDE"
"""Set for what we ask: what that runs (``Match exec``) must not start ssh-jit again."""
STARTED = "SSH_JIT_STARTED"
"""What we started last: how deep we are, the programs that led back to us, and the words, with ``_BETWEEN``."""
DEEPEST = 8
"""So many connections may start one another: hosts to pass through, one behind the other."""
OURS = "ssh-jit"
"""What the file of any ssh-jit is called, ours or another one."""
SILENT = {"SSH_ASKPASS": "false", "SSH_ASKPASS_REQUIRE": "force"}
"""By which ssh asks nobody (from 8.4), nor do those that it starts for the hosts on the way by a written file."""
_NAME = "ssh.exe" if os.name == "nt" else "ssh"
_BETWEEN = "\x1f"
_MOST = 4000
"""Characters of the words that are compared."""


class NoSsh(Exception):  # it is a message to the person, not a fault
    """There is no ssh to run; the text says why."""


def command(words: list[str]) -> tuple[str, dict[str, str]]:
    """The path of the ``ssh`` to run with these words, and the environment for it.

    Raises:
        NoSsh: there is none, or we would run ourselves for ever.

    """
    depth, passed = _before(os.environ)
    again = not passed and os.environ.get(STARTED, "").split(_BETWEEN, 2)[2:] == [_BETWEEN.join(words)]
    if again or depth >= DEEPEST:
        raise NoSsh(f"ssh starts ssh-jit, which starts ssh, {depth + 1} times over: look for a Match exec or a script")
    path = find(os.environ, passed)
    if not path:
        why = f"; {' and '.join(passed)} runs ssh-jit" if passed else ""
        raise NoSsh(f"there is no ssh in PATH but ssh-jit itself{why}")
    started = _BETWEEN.join((str(depth + 1), os.pathsep.join((*passed, path)), *words))[:_MOST]
    return path, {**os.environ, STARTED: started}


def become(words: list[str], *, silent: bool = False) -> NoReturn:
    """Becomes ssh; with ``silent`` it asks nobody anything. Raises ``NoSsh``."""
    path, environ = command(words)
    environ |= SILENT if silent else {}
    os.execve(path, ["ssh", *words], environ)  # noqa: S606  # no shell is wanted


def find(environ: Mapping[str, str], passed: tuple[str, ...] = ()) -> str:
    """The first ``ssh`` in ``PATH`` that is not ssh-jit and not one of ``passed``; empty if there is none."""
    own = os.path.realpath(sys.argv[0])
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder or ".", _NAME)
        if path in passed or not os.access(path, os.X_OK) or os.path.isdir(path):
            continue
        real = os.path.realpath(path)
        if real != own and os.path.basename(real) != OURS:
            return path
    return ""


def _before(environ: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
    """How deep we are, and the programs that were started with the words that have come back to us."""
    held = environ.get(STARTED, "")
    depth, _, rest = held.partition(_BETWEEN)
    passed, _, words = rest.partition(_BETWEEN)
    if not depth.isascii() or not depth.isdecimal():
        return 0, ()
    came_back = _BETWEEN.join((depth, passed, *sys.argv[1:]))[:_MOST] == held and bool(words)
    return int(depth), tuple(passed.split(os.pathsep)) if came_back else ()
