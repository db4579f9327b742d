"""Fixtures of the tests of ssh-jit-host."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import debian
from tests.unit.hostconfig import workshop
from tests.unit.hostconfig.workshop import Authority, Front, Host

BUILD = Path(__file__).resolve().parents[3] / "hostconfig" / "build_pyz.py"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as it is shipped: one file."""
    import sys

    path = tmp_path_factory.mktemp("dist") / "ssh-jit-host.pyz"
    workshop.run(sys.executable, BUILD, path)
    return path


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Somebody who makes bundles."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def front() -> Iterator[Front]:
    """A front end."""
    with workshop.front() as place:
        yield place


@pytest.fixture
def host(authority: Authority, front: Front, program: Path) -> Iterator[Host]:
    """A host below folders that sshd trusts; pytest's own lie below ``/tmp``, which everybody can write."""
    with tempfile.TemporaryDirectory(prefix="test-host-", dir=debian.cache()) as folder:
        Path(folder).chmod(0o755)
        yield Host(Path(folder), program, front.url, authority.fingerprint)
