"""Who types commands in the lab: the demo's people on laptops of their own, and the operator."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.browser import Browser, script
from demo.lab.paths import write
from demo.lab.processes import PATIENCE, Result, run
from demo.lab.settings import PEOPLE

BIN = Path(sys.executable).parent
"""Where the project's commands are installed."""


def base_env(home: Path) -> dict[str, str]:
    """The environment of everything in the lab: nothing of the user's own gets in."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": f"{BIN}:{system}", "HOME": str(home), "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Typist:
    """Somebody with a shell: an environment in which commands are run."""

    name: str
    env: Mapping[str, str]

    def run(self, command: Sequence[str], *, stdin: str = "", timeout: float = PATIENCE) -> Result:
        """Runs a command to its end, without a terminal."""
        return run(command, self.env, stdin=stdin, timeout=timeout)

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Starts a command and does not wait for it; what it says is for the caller to read."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=dict(self.env), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, cwd="/"
        )


def shell(name: str, env: Mapping[str, str], path: Path) -> Path:
    """An executable at ``path`` that is a shell of somebody's own, for a person who looks around in the lab."""
    words = " ".join(f"{key}={shlex.quote(value)}" for key, value in {**env, "PS1": f"{name}$ "}.items())
    return write(path, f'#!/bin/sh\ncd {shlex.quote(env["HOME"])}\nexec env {words} /bin/sh "$@"\n', 0o755)


@dataclass(frozen=True, slots=True)
class Person(Typist):
    """One of the demo's people, with a home, a runtime folder and a browser."""

    folder: Path
    provider: str
    groups: tuple[str, ...]

    @property
    def runtime(self) -> Path:
        """Where ``ssh-jit`` keeps the key and the certificates of this person's sign-in to the lab."""
        return self.folder / "run" / "ssh-jit" / "lab" / "current"

    def browser(self) -> Browser:
        """The person's browser, with the cookies that ``$BROWSER`` left."""
        return Browser(self.name, self.folder / "cookies")

    def as_json(self) -> dict[str, object]:
        """The person in the lab's line."""
        return {"provider": self.provider, "groups": list(self.groups), "env": dict(self.env)}


def make_person(name: str, people: Path) -> Person:
    """Makes a person's laptop below the folder ``people``."""
    folder = people / name
    home, runtime = folder / "home", folder / "run"
    for path in (folder, home, runtime):
        path.mkdir(mode=0o700)
    program = write(folder / "browser", script(sys.executable, name, folder / "cookies"), 0o755)
    env = base_env(home) | {
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "BROWSER": shlex.quote(str(program)),
        "USER": name,
    }
    someone = PEOPLE[name]
    return Person(name, env, folder, someone.provider, someone.groups)


def current_user() -> str:
    """The Unix user that runs the lab, by number: what is true without asking anybody."""
    return str(os.getuid())
