"""Shell transcripts that are played on the real programs of a lab, each command at a terminal of 80 columns.

A line ``alice$ ssh-jit …`` is typed by that person; the lines below it, until the next one, are what must come.
``...`` stands for anything. A line ``[exit 3]`` at the end is the exit code, if it is not 0.
"""

from __future__ import annotations

import doctest
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from demo.lab import Lab
from tests.support.typed_session import TypedSession, typed_session

_COMMAND = re.compile(r"^(\w+)\$ (.*)$", re.MULTILINE)
_LOOSE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass
class StoryShell:
    """The people of a lab at their terminals. ``env``: what is set for each besides their own environment."""

    lab: Lab
    env: dict[str, str] = field(default_factory=dict)

    def play(self, transcript: str, **env: str) -> None:
        """Plays a transcript; whatever differs fails with both texts."""
        parts = _COMMAND.split(textwrap.dedent(transcript).strip())[1:]
        for who, command, wanted in zip(*[iter(parts)] * 3, strict=True):
            with self.starts(who, command, **env) as session:
                code = session.end()
                shown = f"{session.text.rstrip()}{f'{chr(10)}[exit {code}]' if code else ''}\n"
            checker = doctest.OutputChecker()
            assert checker.check_output(f"{wanted.strip()}\n", shown.lstrip() or "\n", _LOOSE), (
                f"\n{who}$ {command}\n--- wanted\n{wanted.strip()}\n--- shown\n{shown}"
            )
            assert max(map(len, shown.splitlines()), default=0) <= 80 or "http://" in shown, shown

    @contextmanager
    def starts(self, who: str, command: str, **env: str) -> Iterator[TypedSession]:
        """Types a command and does not wait for its end."""
        with typed_session(["/bin/sh", "-c", f"exec {command}"], self.environ(who, **env)) as session:
            yield session

    def environ(self, who: str, **env: str) -> Mapping[str, str]:
        """The environment of somebody's shell."""
        return {**self.lab.person(who).env, "NO_COLOR": "1", "TZ": "Europe/Berlin", **self.env, **env}

    def quietly(self, who: str, command: str) -> str:
        """What a command prints, which is no part of the story; it must succeed."""
        ran = self.lab.person(who).run(shlex.split(command))
        assert ran.code == 0, f"{who}$ {command}\n{ran.stdout}{ran.stderr}"
        return ran.stdout + ran.stderr
