"""What an installation needs on its machine beside its settings: users, folders, secrets' files and units.

``ssh-jit-ca init`` and ``ssh-jit-web init`` make it, as root; here is what, and the line to type for whoever is not
root. Nothing that is there is replaced.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from sshjit.errors import Failed

SETTINGS = "/etc/ssh-jit"
"""Where the settings of a machine's own installation are; for others no user and no unit is made."""
UNITS = "/etc/systemd/system"
CA_USER = "ssh-jit-ca"
WEB_USER = "ssh-jit-web"
PACKAGED = "/opt/ssh-jit/bin/"
"""Where the units of the wheel look for the programs."""


NOWHERE = "/dev/null"


@dataclass(frozen=True, slots=True)
class MakeUser:
    """A Unix user that runs one program, with a group of the same name."""

    name: str

    @property
    def command(self) -> tuple[str, ...]:
        """The argument list that makes it."""
        home = f"/var/lib/{self.name}"
        return "useradd", "--system", "--user-group", "--home-dir", home, "--shell", "/usr/sbin/nologin", self.name

    @property
    def line(self) -> str:
        """What root types for it."""
        return shlex.join(self.command)


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """A folder. ``owner`` is a user, and the group of that name."""

    path: str
    mode: int
    owner: str

    @property
    def line(self) -> str:
        """What root types for it."""
        return f"install -d -m {self.mode:04o} -o {self.owner} -g {self.owner} {shlex.quote(self.path)}"


@dataclass(frozen=True, slots=True)
class MakeFile:
    """A file of root's that ``group`` may read, if ``mode`` says so."""

    path: str
    text: str
    mode: int = 0o644
    group: str = "root"
    source: str = NOWHERE
    """What the line to type copies; without one it carries the text."""

    @property
    def line(self) -> str:
        """What root types for it."""
        words = f"install -m {self.mode:04o} -o root -g {self.group}"
        if self.text and self.source == NOWHERE:
            return f"printf %s {shlex.quote(self.text)} | {words} -D /dev/stdin {shlex.quote(self.path)}"
        return f"{words} {shlex.quote(self.source)} {shlex.quote(self.path)}"


Step = MakeUser | MakeFolder | MakeFile


def unit_text(text: str, programs: str) -> str:
    """A unit of the wheel for programs in another folder than ``/opt/ssh-jit/bin``."""
    return text.replace(PACKAGED, f"{programs.rstrip('/')}/")


def installation_name(front_end: str) -> str:
    """The name that an installation has if nobody says one: that of its front end's host."""
    return (urlsplit(front_end).hostname or "").lower()


def with_values(text: str, values: dict[str, str]) -> str:
    """Commented settings with these values (TOML) in place of the examples, whether those are commented out or not.

    Raises:
        Failed: ``no_examples``, for a key that the examples do not have.

    """
    for key, value in values.items():
        line = re.compile(rf"^(?:# )?{re.escape(key)} = \S.*$", re.MULTILINE)
        text, count = line.subn(lambda _, key=key, value=value: f"{key} = {value}", text, count=1)  # type: ignore[misc]
        if count != 1:
            raise Failed("no_examples", f"the examples do not say {key!r}", hint="install ssh-jit from its wheel")
    return text
