"""What the tests of an installation share: the wheel, and an installation on booted Debian roots."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.isolate import REPOSITORY
from tests.support import booted_installation
from tests.support.booted_installation import Site


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    folder.chmod(0o755)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def site(wheel: Path) -> Iterator[Site]:
    """CA, front end and notifications, running by their units; no host has joined."""
    with booted_installation.installed(wheel) as made:
        yield made
