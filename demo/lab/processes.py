"""The lab's processes: started, watched until they are ready, killed and started again, and ended together.

Each program's output goes to a file of its own. What a process needs to be ready is a question that can be asked
again and again, so that many can start at the same time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from demo import isolate, janitor, processes

PATIENCE = 60.0
"""Seconds that a program may take until it is ready, on a machine that does other things too."""


class LabError(Exception):
    """The lab, or a part of it, does not come up; the message says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command said, and its exit code."""

    code: int
    stdout: str
    stderr: str


class Janitor:
    """The process that cleans up after the lab, whatever happens to the lab."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-S", "-m", janitor.__name__]
        env = {"PYTHONPATH": str(isolate.REPOSITORY), "PATH": "/usr/bin:/bin"}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=env, cwd="/", stdin=pipe, text=True, start_new_session=True)
        self._handles: list[subprocess.Popen[Any]] = []
        self._tell(f"home {home}")

    def watch(self, process: subprocess.Popen[Any]) -> None:
        """This process, and what it starts, ends with the lab."""
        self.watch_number(process.pid)
        self._handles.append(process)

    def watch_number(self, pid: int) -> None:
        """The same for a process that somebody else holds the handle of."""
        self._tell(f"process {pid} {janitor.start_time(pid)}")

    def watch_namespace(self, pid: int) -> None:
        """Everything in the mount namespace of this process ends with the lab."""
        if processes.namespace(pid) != processes.namespace():
            self._tell(f"namespace {pid} {janitor.start_time(pid)}")

    def clean(self) -> None:
        """Stops everything, removes the lab's home, and returns when that is done."""
        self._stdin.close()
        self._process.wait()
        for process in self._handles:
            process.wait(PATIENCE)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe
        return self._process.stdin

    def _tell(self, line: str) -> None:
        self._stdin.write(line + "\n")
        self._stdin.flush()


@dataclass(slots=True)
class Program:
    """A process of the lab. ``ready`` says whether it does its work yet; ``log`` takes what it prints."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    janitor: Janitor
    ready: Callable[[], bool]
    process: subprocess.Popen[bytes] | None = field(default=None)
    paused: bool = False

    @property
    def pid(self) -> int:
        """Its process number."""
        if self.process is None:
            raise LabError(f"{self.name} was not started")
        return self.process.pid

    def start(self, *, wait: bool = True) -> None:
        """Starts it, and waits until it is ready unless told otherwise. Raises ``LabError``."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
            )
        self.janitor.watch(self.process)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Waits until it is ready. Raises ``LabError`` if it ends instead, or takes too long."""
        until = time.monotonic() + PATIENCE
        while not self.ready():
            if self.process is None or self.process.poll() is not None:
                raise LabError(f"{self.name} ended: {self.last_lines()}")
            if time.monotonic() > until:
                raise LabError(f"{self.name} is not ready after {PATIENCE:.0f} s: {self.last_lines()}")
            time.sleep(0.02)

    def send(self, number: int) -> None:
        """Sends a signal to it and its children."""
        if self.process is not None and self.process.poll() is None:
            for pid in (*processes.descendants(self.pid), self.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Holds it as if the machine did not get to it any more (SIGSTOP), and lets it go on afterwards."""
        self.send(signal.SIGSTOP)
        self.paused = True
        try:
            yield
        finally:
            self.paused = False
            self.send(signal.SIGCONT)

    def kill(self) -> None:
        """Kills it and its children by SIGKILL, and returns when it is gone."""
        self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(PATIENCE)

    def last_lines(self) -> str:
        """The end of what it printed, on one line."""
        return " / ".join(self.log.read_text("utf-8", "replace").strip().splitlines()[-5:]) or "it said nothing"


def run(command: Sequence[str], env: Mapping[str, str], *, stdin: str = "", timeout: float = PATIENCE) -> Result:
    """Runs a command to its end."""
    ended = subprocess.run(
        command, env=dict(env), input=stdin, capture_output=True, text=True, timeout=timeout, check=False, cwd="/"
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)


def finish(what: str, process: subprocess.Popen[str]) -> str:
    """Waits for a command that was started, and returns what it said. Raises ``LabError`` if it failed."""
    output, problem = process.communicate(timeout=PATIENCE)
    if process.returncode != 0:
        raise LabError(f"{what} failed: {' / '.join((problem or output).strip().splitlines()[-3:])}")
    return output
