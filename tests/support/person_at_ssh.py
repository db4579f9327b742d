"""A person of the lab at a shell where plain ssh finds this person's own ``~/.ssh/config``.

ssh takes the home from the user database and not from ``$HOME``: so each command sees another ``/etc/passwd``, in a
mount namespace of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.lab import Person
from demo.lab.processes import Result, run

_LAID_OVER = 'mount --bind "$0" /etc/passwd && exec "$@"'


@dataclass(frozen=True, slots=True)
class PersonAtSsh:
    """Runs commands as the person; ``passwd``: the file that says where home is."""

    person: Person
    passwd: Path
    env: Mapping[str, str]

    @classmethod
    def make(cls, person: Person, folder: Path) -> PersonAtSsh:
        """The person, with a user database in ``folder``."""
        passwd = folder / f"passwd-{person.name}"
        others = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith("root:")]
        home = person.env["HOME"]
        passwd.write_text("\n".join([f"root:x:0:0:{person.name}:{home}:/bin/sh", *others, ""]))
        return cls(person, passwd, {**person.env, "SHELL": "/bin/sh", "USER": "root"})

    @property
    def home(self) -> Path:
        """Where the person's files are."""
        return Path(self.person.env["HOME"])

    def run(self, *command: str, timeout: float = 60, env: Mapping[str, str] | None = None) -> Result:
        """Runs a command to its end, without a terminal; ``env`` is added to the person's environment."""
        return run(self.words(*command), {**self.env, **(env or {})}, stdin="", timeout=timeout)

    def words(self, *command: str) -> list[str]:
        """The argument list that runs a command there."""
        inside = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
        return [*inside, "/bin/sh", "-c", _LAID_OVER, str(self.passwd), *command]
