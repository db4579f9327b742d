"""The CA is killed at every write of a batch: nothing that anybody received is missing, and no serial comes twice.

The victim is a fork of the test, which dies by SIGKILL at a chosen point: at one of the statements, commits and file
operations that it makes itself (either database), or at one of the system calls that SQLite makes (by strace). Kill
follows kill on the same log, and after each everything is checked.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.crash import Client, batch, check, killed, prepared
from tests.support.installation import ALICE, Installation
from tests.support.postgres import running

CALLS = ("pwrite64", "fdatasync", "ftruncate")
"""The system calls by which SQLite changes a disk."""


@pytest.fixture(params=["sqlite", "postgresql"])
def ca(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """A CA with a host, which is not running; on either database."""
    with ExitStack() as stack:
        server = stack.enter_context(running()) if request.param == "postgresql" else None
        yield prepared(tmp_path, stack, server.new() if server else None)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Installation]:
    """The same, on SQLite only."""
    with ExitStack() as stack:
        yield prepared(tmp_path, stack, None)


class Points:
    """Places where the victim may die: before each statement and commit, around each file operation."""

    def __init__(self, deadly: int) -> None:
        self.deadly = deadly
        self.passed = 0

    def here(self, *_: Any, **__: Any) -> None:
        """One of them."""
        self.passed += 1
        if self.passed == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """In the fork only."""
        for name in ("before_cursor_execute", "after_cursor_execute", "commit", "begin"):
            sa.event.listen(sa.Engine, name, self.here)
        for name in ("pwrite", "ftruncate", "fsync", "replace", "unlink", "close"):
            setattr(os, name, self._around(getattr(os, name)))

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            self.here()
            done = function(*arguments, **named)
            self.here()
            return done

        return called


def test_killed_at_every_statement_commit_and_file_operation(ca: Installation) -> None:
    client = Client(ca.home / "received")
    for deadly in itertools.count(1):
        ca.later(600)

        def body(deadly: int = deadly) -> None:
            points = Points(deadly)
            points.install()
            ca.start()
            batch(ca, client, ca.native(ALICE))
            ca.stop()

        died = killed(body)
        ca.sign_ins += 1
        check(ca, client)
        if not died:
            break
    assert deadly > 60
    assert client.received()


@pytest.mark.parametrize("call", CALLS)
def test_killed_at_every_system_call_of_a_batch(on_sqlite: Installation, call: str) -> None:
    ca, client = on_sqlite, Client(on_sqlite.home / "received")
    for number in itertools.count(1):
        ca.later(600)
        died = killed(partial(_one_batch, ca, client), partial(_deadly, ca, call, number))
        ca.sign_ins += 1
        check(ca, client)
        if not died:
            break
    assert number > {"pwrite64": 20, "fdatasync": 2, "ftruncate": 1}[call]
    assert client.received()


def _one_batch(ca: Installation, client: Client) -> None:
    ca.start()
    login = ca.native(ALICE)
    batch(ca, client, login)
    ca.stop()


@contextmanager
def _deadly(ca: Installation, call: str, number: int, child: int) -> Iterator[None]:
    """Attaches strace to the victim: it dies instead of making its system call with this number."""
    traced = ("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
    said = ca.home / "strace"
    command = ["strace", "-q", "-o", "/dev/null", *traced, "-p", str(child)]
    with said.open("w") as out, subprocess.Popen(command, stderr=out) as tracer:
        while "TracerPid:\t0\n" in Path(f"/proc/{child}/status").read_text():
            assert tracer.poll() is None, said.read_text()
            time.sleep(0.005)
        yield
