"""The person's ``~/.ssh/config``: our ``Include`` as its first line, and not a byte of the rest changed.

It must be the first line. Under a ``Host`` or ``Match`` that does not match, every version of ssh runs the commands of
the included file and applies none of its options: the person is given certificates, and then "Permission denied".
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sshjit.errors import Failed
from sshjit_client.ssh import person_file
from sshjit_client.ssh.sshconfig import quoted
from sshjit_client.storage import files, one_line

_GLOB = re.compile(r"([*?[])")
_SECTION = re.compile(rb"\s*(host|match)[\s=]", re.IGNORECASE)
_INCLUDE = re.compile(rb"\s*include[\s=]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PersonConfig:
    """``path``: the file, links followed. ``text``: what it holds; ``None``: there is none."""

    path: Path
    text: bytes | None

    @classmethod
    def read(cls, home: Path) -> PersonConfig:
        """The file of the person with this home."""
        path = Path(os.path.realpath(home / ".ssh" / "config"))
        try:
            return cls(path, path.read_bytes())
        except FileNotFoundError:
            return cls(path, None)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> PersonConfig:
        """The file of the person whose environment this is; ``placement`` finds out whether ssh reads that one."""
        return cls.read(Path(environ.get("HOME") or Path.home()))

    def _lines(self, included: Path) -> tuple[list[bytes], list[bytes]]:
        """The lines at the beginning that are ours, one for each installation, and the others."""
        lines = (self.text or b"").splitlines(keepends=True)
        ours = list(itertools.takewhile(lambda text: text == line(included) or person_file.is_ours(text), lines))
        return ours, lines[len(ours) :]

    def theirs(self, included: Path) -> bytes:
        """The file without any line of ours."""
        return b"".join(self._lines(included)[1])

    def without(self, included: Path) -> bytes:
        """The file as it would be without our line for this installation."""
        ours, others = self._lines(included)
        if line(included) in ours:
            ours.remove(line(included))
        return b"".join((*ours, *others))

    def has(self, included: Path) -> bool:
        """Whether our line is the first, or stands among those of other installations there."""
        return line(included) in self._lines(included)[0]

    def misplaced(self, included: Path) -> list[tuple[int, str]]:
        """Where else the file is included: the number of the line, and the section that it stands under (or empty)."""
        places, section = [], ""
        ours, others = self._lines(included)
        first = ours.index(line(included)) if line(included) in ours else None
        for number, text in enumerate((*ours, *others), start=1):
            if first is not None and number == first + 1:
                continue
            if _SECTION.match(text):
                section = text.strip().decode("utf-8", "replace")
            elif _INCLUDE.match(text) and any(_names(word, included) for word in _words(text)):
                places.append((number, section))
        return places

    def add(self, included: Path) -> None:
        """Puts our line first. Raises ``Failed``: ``not_written``, with the line to write by hand."""
        if not self.has(included):
            self._replace(line(included) + (self.text or b""), included)

    def remove(self, included: Path, *, created: bool) -> None:
        """Takes our line out; the file too, if it was ``created`` for that line and holds nothing else."""
        if not self.has(included):
            return
        rest = self.without(included)
        if not rest and created:
            self.path.unlink()
        else:
            self._replace(rest, included)

    def _replace(self, text: bytes, included: Path) -> None:
        """In one step, with the mode that the file has."""
        try:
            if not self.path.parent.exists():
                files.private_folder(self.path.parent)
            mode = self.path.stat().st_mode & 0o777 if self.text is not None else 0o600
            files.write(self.path, text, mode=mode)
        except OSError as error:
            hint = f"make this its first line: {os.fsdecode(line(included)).strip()}"
            raise Failed("not_written", f"can't change {self.path}: {error.strerror}", hint=hint) from None


def line(included: Path) -> bytes:
    """Our line. ``Include`` takes patterns, so what would be one is taken literally.

    Raises:
        Failed: ``odd_line``, ``odd_path``.

    """
    literal = _GLOB.sub(r"[\1]", str(included))
    (text,) = one_line.require(f"Include {literal if ' ' not in literal else quoted(Path(literal))}")
    return os.fsencode(f"{text}\n")


def _words(text: bytes) -> list[str]:
    return re.findall(r'"[^"]*"|[^\s="]+', text.decode("utf-8", "replace"))[1:]


def _names(word: str, included: Path) -> bool:
    path = Path(word.strip('"'))
    if path.parts[:1] == ("~",):
        path = path.expanduser()
    return (path if path.is_absolute() else Path.home() / ".ssh" / path) == included
