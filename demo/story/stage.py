"""What the story is printed with: sentences, commands as somebody types them, and their real output.

Every command really runs, by a shell, in the environment of the person at whose prompt it stands. What it says is
printed as it came and then checked; the first thing that differs from the story ends it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from demo.lab import Lab, Person, Typist
from demo.lab.processes import PATIENCE

WIDTH = 110
BOLD, DIM, BLUE, GREEN, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[34m", "\x1b[32m", "\x1b[0m"


class StoryFailed(Exception):  # the story's own end, not a fault of a program
    """Something is not as the story says; the message says what."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command printed, on both of its streams, in order, and its exit code."""

    code: int
    text: str


@dataclass(slots=True)
class Typing:
    """A command that was started and goes on while others type."""

    process: subprocess.Popen[str]
    shown: str


@dataclass(slots=True)
class Stage:
    """Prints to ``out``; ``colour`` only where a terminal shows it."""

    lab: Lab
    out: TextIO = field(default_factory=lambda: sys.stdout)
    colour: bool = False
    _step: int = 0

    def chapter(self, title: str) -> None:
        """Begins the next step."""
        self._step += 1
        self._print(f"\n{self._paint(BOLD, f'{self._step}. {title}')}")

    def say(self, text: str) -> None:
        """A short sentence or two before a command."""
        self._print()
        for line in textwrap.wrap(" ".join(text.split()), WIDTH):
            self._print(self._paint(DIM, line))

    def types(self, who: Typist, command: str, *, code: int = 0, has: str = "", lacks: str = "") -> Outcome:
        """``who`` types ``command``. Its output has to match the pattern ``has``, and not ``lacks``.

        Raises:
            StoryFailed: when it ends with another code, or prints something else.

        """
        self._prompt(who, command)
        pipe = subprocess.PIPE
        ran = subprocess.run(
            ["/bin/sh", "-c", command],
            env=dict(who.env),
            cwd=_folder(who),
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
        outcome = Outcome(ran.returncode, ran.stdout)
        self._output(outcome.text)
        self._judge(f"{who.name}$ {command}", outcome, code=code, has=has, lacks=lacks)
        return outcome

    def starts(self, who: Typist, command: str) -> Typing:
        """``who`` types ``command``, which waits for something; others may type meanwhile."""
        self._prompt(who, f"{command} &")
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            env=dict(who.env),
            cwd=_folder(who),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.lab.janitor.watch(process)
        return Typing(process, f"{who.name}$ {command}")

    def wait_for_output(self, typing: Typing, until: str) -> str:
        """Shows what the waiting command says up to the first line that matches ``until``."""
        assert typing.process.stdout is not None  # noqa: S101 - it was opened as a pipe
        output = ""
        for line in typing.process.stdout:
            output += line
            self._output(line)
            if re.search(until, line):
                return output
        raise StoryFailed(f"`{typing.shown}` ended without saying {until!r}")

    def ends(self, typing: Typing, *, code: int = 0, has: str = "", lacks: str = "") -> Outcome:
        """Shows the rest of what the waiting command says, when it has ended."""
        said, _ = typing.process.communicate(timeout=PATIENCE)
        outcome = Outcome(typing.process.returncode, said)
        self._output(said)
        self._judge(typing.shown, outcome, code=code, has=has, lacks=lacks)
        return outcome

    def shows(self, text: str) -> None:
        """Lines of a file, as evidence."""
        self._output(text)

    def check(self, claim: str, holds: object) -> None:
        """Ends the story unless the claim holds."""
        if not holds:
            raise StoryFailed(claim)

    def wait_until(self, claim: str, holds: Callable[[], object]) -> None:
        """Waits for something that happens by itself."""
        from time import monotonic, sleep  # noqa: PLC0415 - the only clock of this file

        until = monotonic() + PATIENCE / 2
        while not holds():
            self.check(claim, monotonic() < until)
            sleep(0.05)

    def passed(self) -> None:
        """The last line of a story that came true."""
        self._print(f"\n{self._paint(GREEN, 'demo: passed')}")

    def _judge(self, shown: str, outcome: Outcome, *, code: int, has: str, lacks: str) -> None:
        if outcome.code != code:
            raise StoryFailed(f"`{shown}` ended with {outcome.code}, not {code}")
        if has and not re.search(has, outcome.text, re.MULTILINE):
            raise StoryFailed(f"`{shown}` did not say {has!r}")
        if lacks and re.search(lacks, outcome.text, re.MULTILINE):
            raise StoryFailed(f"`{shown}` said {lacks!r}")

    def _prompt(self, who: Typist, command: str) -> None:
        first, *more = command.split("\n")
        self._print()
        self._print(f"{self._paint(BLUE, f'{who.name}$')} {self._paint(BOLD, first)}")
        for line in more:
            self._print(self._paint(BOLD, line))

    def _output(self, text: str) -> None:
        if text:
            self._print(text.rstrip("\n"))

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self.colour else text

    def _print(self, text: str = "") -> None:
        print(text, file=self.out, flush=True)


def for_terminal(lab: Lab) -> Stage:
    """A stage on the standard output, in colour if that is a terminal and nobody objects."""
    return Stage(lab, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))


def _folder(who: Typist) -> str:
    """Where somebody types: people in the folder that holds their key and certificates, once it is there."""
    if isinstance(who, Person):
        return str(who.runtime if who.runtime.is_dir() else who.folder)
    return who.env["HOME"]
