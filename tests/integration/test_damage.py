"""A database that a dying machine left damaged: the CA says so and signs nothing, until it is whole again."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sshjit.errors import SshJitError
from sshjit_ca.log import verification
from tests.support.ca_process import run_command
from tests.support.crash import Client, batch, check, killed, prepared
from tests.support.installation import ALICE, Installation


@pytest.fixture
def left_behind(tmp_path: Path) -> Iterator[tuple[Installation, Client]]:
    """A database as a killed CA leaves it: the newest entries are in the write-ahead log only."""
    with ExitStack() as stack:
        ca = prepared(tmp_path, stack, None)
        client = Client(tmp_path / "received")
        die(ca, client)
        yield ca, client


def die(ca: Installation, client: Client) -> None:
    """Begins, answers a batch, and is killed."""

    def body() -> None:
        ca.start()
        batch(ca, client, ca.native(ALICE))
        os.kill(os.getpid(), signal.SIGKILL)

    assert killed(body)
    ca.sign_ins += 1


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
            problems = verification.verify(ca.store, ca.context.keys.public("log")).problems
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


def test_a_file_that_is_no_database_any_more_is_told_a_backup_and_not_migrate(
    left_behind: tuple[Installation, Client],
) -> None:
    ca, _ = left_behind
    (ca.home / "ca" / "ca.db").write_bytes(b"not a database" * 1000)
    for suffix in ("-wal", "-shm"):
        (ca.home / "ca" / f"ca.db{suffix}").unlink(missing_ok=True)
    config = ca.home / "ca.toml"
    for command in (("serve",), ("log", "verify"), ("doctor",), ("log", "export")):
        said = run_command(config, *command, code=1)
        assert "put a backup in its place" in said, command
        assert "ssh-jit-ca migrate" not in said, command


def _flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 0xFF
    return bytes(changed)
