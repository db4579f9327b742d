"""A log on a disk that cannot be written: read where that is safe, and else it is said what to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving

READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[Installation]:
    with serving() as acme, serving() as partner:
        made = Installation(tmp_path, {"acme": acme, "partner": partner})
        made.add_host("web1", env="staging")
        assert made.ask(made.native(ALICE), "web1").certificate is not None
        yield made
        made.stop()


def reading(ca: Installation, folder: Path, *arguments: str | Path, code: int = 0) -> str:
    """What a command says to which a folder is a disk that cannot be written."""
    apart: list[str | Path] = [
        "unshare",
        "--mount",
        *([] if os.geteuid() == 0 else ["--map-root-user"]),
        "sh",
        "-ec",
        READ_ONLY,
        folder,
    ]
    command: list[str | Path] = [*apart, sys.executable, "-m", "sshjit_ca", "--config", ca.home / "ca.toml", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_a_log_on_a_read_only_disk_is_verified_exported_and_reported_on(ca: Installation) -> None:
    size = ca.context.state.size
    ca.stop()
    home = ca.config.home
    assert not list(home.glob("ca.db-*"))
    assert json.loads(reading(ca, home, "log", "verify", "--json"))["size"] == size
    assert json.loads(reading(ca, home, "log", "export").splitlines()[-1])["size"] == size
    assert "+" in reading(ca, home, "log", "key")
    assert "<html" in reading(ca, home, "report", "--from", "2026-01-01", "--to", "2027-01-01")
    assert not list(home.glob("ca.db-*"))


def test_what_is_left_in_a_write_ahead_log_is_never_passed_over(ca: Installation) -> None:
    copy = ca.home / "copy"
    copy.mkdir()
    for name in ("ca.db", "ca.db-wal"):
        shutil.copy(ca.config.home / name, copy)
    assert (copy / "ca.db-wal").stat().st_size
    said = reading(ca, copy, "log", "verify", "--database", copy / "ca.db", code=1)
    assert "copy ca.db and ca.db-wal to a disk that can be written" in said
    assert "Traceback" not in said


def test_the_log_of_a_ca_that_runs_is_read_to_its_end_by_who_cannot_write_to_it(ca: Installation) -> None:
    said = reading(ca, ca.config.home, "log", "verify", "--json")
    assert json.loads(said)["size"] == ca.context.state.size
