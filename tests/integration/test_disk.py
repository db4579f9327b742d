"""Real small disks: one that runs full, and one that becomes read-only. Taking access away goes on, or says why not.

Only root can mount one, so an ordinary user's run takes a namespace of its own, in which it is root.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit_ca.log import verification
from sshjit_ca.machine.reserve import MIB
from sshjit_ca.machine.system import disk_free
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving

SIZE = 24
"""MiB of the disk."""
RESERVE = 8


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A small disk mounted at ``folder``."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m,mode=0700", "small", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def on_a_small_disk(test: Callable[[Installation], None]) -> Callable[[Path], None]:
    """Gives the test a CA whose home is on a small disk, with a host."""

    def run(tmp_path: Path) -> None:
        if os.geteuid() != 0:
            again = f"{Path(__file__)}::{test.__name__}"
            inside = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "pytest", "-q", again]
            done = subprocess.run(inside, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            return
        with ExitStack() as stack:
            issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
            home = stack.enter_context(disk(tmp_path / "small"))
            ca = Installation(home, issuers, time=time.time(), boot=time.time(), reserve_mib=RESERVE)
            stack.callback(Installation.stop, ca)
            ca.add_host("web1", env="staging")
            test(ca)

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


def fill(ca: Installation) -> Path:
    """Takes every byte that the disk has left."""
    ballast = ca.home / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(64 * 1024))
        except OSError:
            pass
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            pass
    return ballast


def is_whole(ca: Installation) -> bool:
    return verification.verify(ca.store, ca.context.keys.public("log")).problems == ()


@on_a_small_disk
def test_a_full_disk_stops_signing_and_nothing_else(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    reserve = ca.home / "ca" / "reserve"
    assert reserve.stat().st_size == RESERVE * MIB
    ballast = fill(ca)
    with pytest.raises(Failed) as full:
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    assert full.value.code == "disk_full"
    assert str(ca.home / "ca") in full.value.message
    assert "free disk space" in full.value.hint
    assert not reserve.exists()
    health = ca.say(m.Health(), m.HealthReply)
    assert (health.ready, "full" in health.problems[0]) == (False, True)
    assert not ca.say(m.Status(), m.StatusReply, "admin").disk_reserved

    reply = ca.say(m.Revoke(None, request.id, None, None, "laptop lost"), m.RevokeReply, "admin")
    assert reply.requests[0].closing is not None
    lock = ca.say(m.Lock(None, "everything", None, "stolen"), m.LockReply, "admin")
    assert lock.lock.kind == "everything"
    assert ca.say(m.ReadBundle(None), m.BundleReply).bundle is not None
    assert is_whole(ca)

    ballast.unlink()
    assert ca.say(m.Health(), m.HealthReply).ready
    assert reserve.stat().st_size == RESERVE * MIB
    assert is_whole(ca)


@on_a_small_disk
def test_a_disk_that_fills_up_between_two_looks_loses_nothing(ca: Installation) -> None:
    """All space goes while the CA believes that there is some: the commit fails, the reserve is let go, once more."""
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    fill(ca)
    looks = iter([1 << 30])  # at its first look it believes so; then it looks at the real disk
    ca.context.reserve._free = lambda folder: next(looks, None) or disk_free(folder)
    revoke = m.Revoke(None, request.id, None, None, "laptop lost")
    answers = ca.say_all([revoke, *(m.ReadBundle(None) for _ in range(30))], "admin")
    assert isinstance(answers[0], m.RevokeReply)
    assert isinstance(answers[1], m.BundleReply)
    ca.restart()
    assert ca.context.state.requests[request.id].closing == "laptop lost"
    assert is_whole(ca)


@on_a_small_disk
def test_a_ca_can_begin_on_a_full_disk_and_revoke(ca: Installation) -> None:
    request = ca.ask(ca.native(ALICE), "web1").request
    ca.stop()
    fill(ca)
    ca.start()
    reply = ca.say(m.Revoke(None, request.id, None, None, "laptop lost"), m.RevokeReply, "admin")
    assert reply.requests[0].closing is not None
    with pytest.raises(Failed):
        ca.native(ALICE)
    assert is_whole(ca)


@on_a_small_disk
def test_many_revocations_fit_into_the_reserve(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request.id
    serials = [ca.say(m.SignUser(login, request), m.CertificateReply).certificate.serial for _ in range(60)]
    fill(ca)
    for serial in serials:
        ca.say(m.Revoke(None, None, serial, None, "all of them"), m.RevokeReply, "admin")
    assert is_whole(ca)


@on_a_small_disk
def test_a_read_only_disk_answers_with_what_is_wrong_and_goes_on_when_it_is_mended(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    size = ca.context.state.size

    ca.store.close()  # a disk with files open for writing is not remounted
    remount(ca, "ro")
    for message in (m.SignUser(login, request.id), m.Revoke(None, request.id, None, None, "x")):
        (answer,) = ca.say_all([message], "admin")
        assert isinstance(answer, Failed)
        assert answer.code in {"not_signing", "no_database"}
    health = ca.say_all([m.Health()])[0]
    assert isinstance(health, m.HealthReply)
    assert not health.ready
    ca.store.close()
    remount(ca, "rw")
    assert not ca.say(m.Health(), m.HealthReply).ready, "nothing was written yet"
    ca.authority.beat()
    assert ca.say(m.Health(), m.HealthReply).ready
    assert ca.context.state.size == size
    assert ca.say(m.SignUser(login, request.id), m.CertificateReply).certificate.serial
    assert is_whole(ca)


def remount(ca: Installation, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,bind,{how}", ca.home], check=True)
