"""Fixtures of the tests of ssh-jit-host."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import host_machine
from tests.support.host_machine import Authority, Front, Host

BUILD = Path(__file__).resolve().parents[3] / "hostconfig" / "build_pyz.py"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as it is shipped: one file."""
    path = tmp_path_factory.mktemp("dist") / "ssh-jit-host.pyz"
    host_machine.run(sys.executable, BUILD, path)
    return path


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Somebody who makes bundles."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def front() -> Iterator[Front]:
    """A front end."""
    with host_machine.front() as place:
        yield place


@pytest.fixture
def host(authority: Authority, front: Front, program: Path) -> Iterator[Host]:
    """A host that has nothing yet."""
    with host_machine.host(authority, front, program) as place:
        yield place
