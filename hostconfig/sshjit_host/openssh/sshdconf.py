"""Which line of sshd's configuration sets what: reads it as sshd does, file by file.

``sshd -T`` prints the values in effect (``openssh/effective.py``), but not which line sets them. This reader finds the
line, so that an error can name it, and the ``Match`` lines that make one connection differ from another. It decides
nothing.
"""

from __future__ import annotations

import glob
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SYSTEM_FOLDER = Path("/etc/ssh")
"""Where sshd looks for an ``Include`` that is not a full path."""
DEEPEST = 16
"""How deep files may include files; sshd has the same limit."""
_KEYWORD = re.compile(r"\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)", re.ASCII)


@dataclass(frozen=True)
class Setting:
    """One line that sets something: ``keyword`` in lower case; ``conditional`` if it is below a ``Match``."""

    keyword: str
    values: tuple[str, ...]
    path: Path
    line: int
    conditional: bool

    @property
    def place(self) -> str:
        """``file:line``, for people."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Match:
    """A ``Match`` line: what it asks of a connection, as pairs of a criterion in lower case and its pattern list."""

    criteria: tuple[tuple[str, str], ...]
    path: Path
    line: int


@dataclass(frozen=True)
class Layout:
    """The settings in the order in which sshd meets them, the ``Match`` lines, and every file that was read."""

    settings: tuple[Setting, ...]
    matches: tuple[Match, ...]
    files: tuple[Path, ...]

    def of(self, keyword: str) -> tuple[Setting, ...]:
        """All settings of a keyword (any case); outside ``Match`` the first one counts."""
        return tuple(setting for setting in self.settings if setting.keyword == keyword.lower())


def layout(path: Path) -> Layout:
    """Read ``path`` and what it includes. Files that cannot be read are left out: sshd itself will complain."""
    files: list[Path] = []
    lines = tuple(_walk(path, files, conditional=False, depth=0))
    settings = tuple(line for line in lines if isinstance(line, Setting))
    matches = tuple(line for line in lines if isinstance(line, Match))
    return Layout(settings, matches, tuple(files))


def _walk(path: Path, files: list[Path], *, conditional: bool, depth: int) -> Iterator[Setting | Match]:
    """Settings and ``Match`` lines of one file. A ``Match`` ends with its file."""
    files.append(path)
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for number, line in enumerate(lines, start=1):
        match = _KEYWORD.fullmatch(line.strip())
        if match is None:
            continue
        keyword, values = match.group(1).lower(), _values(match.group(2))
        if keyword == "match":
            conditional = True
            yield Match(_criteria(values), path, number)
        elif keyword == "include":
            if depth < DEEPEST:
                for included in _included(values):
                    yield from _walk(included, files, conditional=conditional, depth=depth + 1)
        else:
            yield Setting(keyword, values, path, number, conditional)


def _criteria(words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of criterion and pattern list: ``Match User a,b LocalPort=22`` (sshd takes a blank or ``=`` between)."""
    pairs, rest = [], list(words)
    while rest:
        name, equals, patterns = rest.pop(0).partition("=")
        if not equals and name.lower() not in ("all", "invalid-user"):
            patterns = rest.pop(0) if rest else ""
        pairs.append((name.lower(), patterns))
    return tuple(pairs)


def _values(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text, comments=True))
    except ValueError:
        return (text,)


def _included(patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        full = pattern if pattern.startswith("/") else str(SYSTEM_FOLDER / pattern)
        yield from (Path(name) for name in sorted(glob.glob(full)))  # noqa: PTH207 - the pattern is a full path
