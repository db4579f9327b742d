"""One Keycloak for all tests: its start takes most of their time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.keycloak import install
from tests.keycloak.keycloak import Keycloak, running


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """A running Keycloak with nothing in it; it is installed first, if it is not there."""
    assert install.install() == 0
    with running(tmp_path_factory.mktemp("keycloak")) as started:
        yield started
