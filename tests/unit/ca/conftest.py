"""A CA with two issuers, one host of each kind, for every test anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.installation import Installation
from tests.support.issuer import Issuer, serving


@pytest.fixture(scope="session")
def shared_issuers() -> Iterator[dict[str, Issuer]]:
    """Two issuers that listen for the whole run."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving()) for name in ("acme", "partner")}


@pytest.fixture
def issuers(shared_issuers: dict[str, Issuer]) -> dict[str, Issuer]:
    """The issuers, honest and up again whatever the last test did to them."""
    for issuer in shared_issuers.values():
        issuer.metadata, issuer.fetched, issuer.down = {}, 0, False
        del issuer.keys[1:]
    return shared_issuers


@pytest.fixture
def ca(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[Installation]:
    """A CA with the hosts web1 (staging) and db1 (prod, database)."""
    installation = Installation(tmp_path, issuers)
    installation.add_host("web1", env="staging")
    installation.add_host("db1", env="prod", role="db")
    yield installation
    installation.stop()
