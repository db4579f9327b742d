"""The CA is killed at every write of a batch, and its database is damaged: nothing that anybody received is missing.

The victim is a fork of the test, which dies by SIGKILL at a chosen point: at one of the statements, commits and file
operations that it makes itself (either database), or at one of the system calls that SQLite makes (by strace). Kill
follows kill on the same log, and after each everything is checked.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sshjit import entries, events
from sshjit import messages as m
from sshjit.errors import SshJitError
from sshjit_ca import state as states
from sshjit_ca import verify
from sshjit_ca.state import State
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving
from tests.support.postgres import running

CALLS = ("pwrite64", "fdatasync", "ftruncate")
"""The system calls by which SQLite changes a disk."""
PR_SET_PTRACER = 0x59616D61


@dataclass
class Client:
    """Whoever receives certificates: what it got is in a file, which outlives the CA."""

    file: Path

    def take(self, certificate: m.CertificateView | None) -> None:
        """Notes a certificate down."""
        assert certificate is not None
        digest = hashlib.sha256(b64decode(certificate.text.split()[1])).hexdigest()
        with self.file.open("a") as file:
            file.write(f"{certificate.serial} {digest}\n")

    def received(self) -> dict[int, str]:
        """Every certificate so far: digest by serial, no serial twice."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        found = {int(line.split()[0]): line.split()[1] for line in lines}
        assert len(found) == len(lines)
        return found


@pytest.fixture(params=["sqlite", "postgresql"])
def ca(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """A CA with a host, which is not running; on either database."""
    with ExitStack() as stack:
        server = stack.enter_context(running()) if request.param == "postgresql" else None
        yield _prepared(tmp_path, stack, server.new() if server else None)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Installation]:
    """The same, on SQLite only."""
    with ExitStack() as stack:
        yield _prepared(tmp_path, stack, None)


def _prepared(home: Path, stack: ExitStack, database: str | None) -> Installation:
    issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
    ca = Installation(home, issuers, time=time.time(), boot=time.time(), database=database)
    ca.add_host("web1", env="staging")
    ca.key(ALICE)
    ca.stop()
    return ca


def batch(ca: Installation, client: Client, login: str) -> None:
    """One batch that draws two certificates and revokes a third; the client takes what leaves."""
    asked = m.Ask(login, ("web1",), None, "shell", None, None, "x", True, "192.0.2.7")  # noqa: FBT003 - as it travels
    request = ca.say(asked, m.AskReply)
    client.take(request.certificate)
    assert request.certificate is not None
    more = ca.say_all(
        [
            m.SignUser(login, request.request.id),
            m.Revoke(login, None, request.certificate.serial, None, "the third"),
            m.SignUser(login, request.request.id),
        ]
    )
    for reply in (more[0], more[2]):
        assert isinstance(reply, m.CertificateReply)
        client.take(reply.certificate)


Watch = Callable[[int], AbstractContextManager[None]]


def killed(body: Callable[[], None], watch: Watch | None = None) -> bool:
    """Runs ``body`` in a fork, watched by ``watch(its number)``; whether it was killed before it was done."""
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(go)
            ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1))  # where only parents may trace otherwise
            os.read(ready, 1)
            body()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a fork must never return into pytest
            import traceback

            traceback.print_exc()
            os._exit(1)
    os.close(ready)
    with ExitStack() as stack:
        try:
            stack.enter_context(watch(child) if watch else nullcontext())
        finally:
            os.close(go)
        _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), f"the victim ended with {status}"
    return status != 0


def check(ca: Installation, client: Client) -> None:
    """Everything that must be true after a crash, as the CA itself finds it when it comes back."""
    ca.start()
    try:
        assert verify.verify(ca.store, ca.desk.keys.public("log")).problems == ()
        folded, issued = State(), dict[int, str]()
        for row in ca.store.rows():
            event = entries.read(row.entry)
            assert event is not None
            states.apply(folded, event, row.entry.index, row.entry.time)
            if isinstance(event, events.Issued):
                assert event.serial not in issued
                issued[event.serial] = event.certificate
        assert states.digest(folded) == states.digest(ca.desk.state)
        assert client.received().items() <= issued.items()
    finally:
        ca.stop()


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


@pytest.fixture
def left_behind(on_sqlite: Installation) -> tuple[Installation, Client]:
    """A database as a killed CA leaves it: the newest entries are in the write-ahead log only."""
    ca, client = on_sqlite, Client(on_sqlite.home / "received")

    def body() -> None:
        ca.start()
        batch(ca, client, ca.native(ALICE))
        os.kill(os.getpid(), signal.SIGKILL)

    assert killed(body)
    ca.sign_ins += 1
    return ca, client


def test_a_damaged_end_of_the_write_ahead_log_is_never_taken_for_the_whole_log(
    left_behind: tuple[Installation, Client],
) -> None:
    ca, client = left_behind
    wal = ca.home / "ca" / "ca.db-wal"
    whole = wal.read_bytes()
    for damage in (_flipped(whole, -100), whole[:-3000], whole[: len(whole) // 2], b""):
        wal.write_bytes(damage)
        (ca.home / "ca" / "ca.db-shm").unlink(missing_ok=True)
        copy = shutil.copytree(ca.home / "ca", ca.home / "damaged")
        with pytest.raises(SshJitError) as refused:
            ca.start()
        assert refused.value.code in {"log_rolled_back", "log_broken", "database_broken", "no_database"}
        ca.stop()
        shutil.rmtree(ca.home / "ca")
        copy.rename(ca.home / "ca")
    wal.write_bytes(whole)
    (ca.home / "ca" / "ca.db-shm").unlink(missing_ok=True)
    check(ca, client)


def test_a_damaged_last_page_is_found(left_behind: tuple[Installation, Client]) -> None:
    ca, client = left_behind
    check(ca, client)  # folds the write-ahead log into the file
    database = ca.home / "ca" / "ca.db"
    whole = database.read_bytes()
    for damage in (_flipped(whole, -4096), whole[:-4096] + bytes(4096), whole[:-4096], _flipped(whole, -1)):
        database.write_bytes(damage)
        before = client.received()
        try:
            ca.start()
            problems = verify.verify(ca.store, ca.desk.keys.public("log")).problems
        except SshJitError as error:
            problems = (error.message,)
        finally:
            ca.stop()
        assert problems
        assert client.received() == before
        database.write_bytes(whole)
        for suffix in ("-wal", "-shm"):
            database.with_name(f"ca.db{suffix}").unlink(missing_ok=True)
    check(ca, client)


def _flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 0xFF
    return bytes(changed)
