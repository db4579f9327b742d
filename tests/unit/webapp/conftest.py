"""The front end before a whole CA, both in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import in_process_ca
from tests.support.in_process_ca import FrontEnd
from tests.support.issuer import Issuer, serving


@pytest.fixture(scope="session")
def issuers() -> Iterator[dict[str, Issuer]]:
    """Two issuers that listen for the whole run."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving()) for name in ("acme", "partner")}


@pytest.fixture
def world(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[FrontEnd]:
    """The pages and the API, with everything that they can show."""
    with in_process_ca.front_end(tmp_path, issuers, in_process_ca.policy()) as made:
        yield made
