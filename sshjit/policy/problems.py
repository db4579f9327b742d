"""What is wrong with a policy file, so that a person finds the place and the fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from sshjit.errors import Invalid

Path = tuple[str | int, ...]
"""Where in the file: ``("allow", 2, "certificate")``."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: ``line`` counts from 1, lists in ``key`` from 0, ``suggestion`` may be empty."""

    file: str
    line: int
    key: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        """One line, in the form that editors and terminals jump to."""
        where = f"{self.file}:{self.line}: " + (f"{self.key}: " if self.key else "")
        return where + self.message + (f"; {self.suggestion}" if self.suggestion else "")


class PolicyError(Invalid):
    """A policy text that is not taken (code ``bad_policy``); ``problems`` are all that were found, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        count = len(self.problems)
        head = f"the policy has {count} problem{'s' if count != 1 else ''}:"
        super().__init__("bad_policy", "\n".join([head, *map(str, self.problems)]), hint="ssh-jit policy check FILE")

    def __str__(self) -> str:
        """Every problem on a line of its own."""
        return "\n".join(map(str, self.problems))


class Report:
    """Collects problems while a file is read; ``lines`` has the line of each key (``sshjit.tomllines``)."""

    def __init__(self, file: str, lines: Mapping[Path, int]) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._lines = lines

    def add(self, path: Path, message: str, suggestion: str = "") -> None:
        """Note a problem at ``path``."""
        self.problems.append(Problem(self.file, self.line(path), dotted(path), message, suggestion))

    def line(self, path: Path) -> int:
        """The line of the nearest part of ``path`` that is in the file."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def dotted(path: Path) -> str:
    """``allow[2].certificate``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion for a word that is not known: the nearest known one, else all of them if they are few."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known: {', '.join(words)}" if 0 < len(words) <= 12 else ""
