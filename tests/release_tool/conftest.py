"""A repository to release from, and a release: each made once, and copied for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import release_clone
from tests.support.release_clone import VERSION, Done, ReleaseClone


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> ReleaseClone:
    return release_clone.make(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def _released(_template: ReleaseClone, tmp_path_factory: pytest.TempPathFactory) -> tuple[ReleaseClone, Done]:
    made = release_clone.copy(_template, tmp_path_factory.mktemp("released"))
    done = made.release(VERSION, "--key", made.key)
    assert done.code == 0, done.output
    return made, done


@pytest.fixture
def repo(_template: ReleaseClone, tmp_path: Path) -> ReleaseClone:
    """A repository to release from."""
    return release_clone.copy(_template, tmp_path)


@pytest.fixture
def released(_released: tuple[ReleaseClone, Done], tmp_path: Path) -> tuple[ReleaseClone, Done]:
    """A repository from which ``VERSION`` was just released, and what the program said. Made once, and copied."""
    return release_clone.copy(_released[0], tmp_path), _released[1]
