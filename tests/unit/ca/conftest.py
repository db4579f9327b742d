"""A CA with two issuers, one host of each kind, for every test anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sshjit_ca.report.builder import Report
from tests.support.audit_month import Month
from tests.support.devices import KINDS, Token
from tests.support.installation import Installation
from tests.support.issuer import Issuer, serving
from tests.support.postgres import Postgres, running
from tests.support.reports import made, played_in

ON_BOTH = {
    "test_approvals",
    "test_logins",
    "test_revocation",
    "test_certificates",
    "test_stores",
    "test_clocks",
    "test_epochs",
    "test_feed",
    "test_request_search",
}
"""The files whose tests run on SQLite and on PostgreSQL."""
assert {path.stem for path in Path(__file__).parent.glob("test_*.py")} >= ON_BOTH, "a file was renamed, and not here"


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole run, started when the first test asks for it."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """A token with a key of every kind: the one of this process, whose library is set up once."""
    made = Token.make(tmp_path_factory.mktemp("token"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        for kind in KINDS:
            made.add(kind, kind)
        yield made


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Everything that a CA is asked is asked with both databases; what looks into a file is not."""
    if "database" in metafunc.fixturenames:
        both = metafunc.module.__name__.rpartition(".")[2] in ON_BOTH
        metafunc.parametrize("database", ("sqlite", "postgresql") if both else ("sqlite",), indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str | None:
    """The address of an empty database; ``None`` for SQLite in the CA's home."""
    if request.param == "sqlite":
        return None
    server: Postgres = request.getfixturevalue("postgres")
    return server.new()


@pytest.fixture
def ca(tmp_path: Path, issuers: dict[str, Issuer], database: str | None) -> Iterator[Installation]:
    """A CA with the hosts web1 (staging) and db1 (prod, database)."""
    installation = Installation(tmp_path, issuers, database=database)
    installation.add_host("web1", env="staging")
    installation.add_host("db1", env="prod", role="db")
    yield installation
    installation.stop()


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, shared_issuers: dict[str, Issuer]
) -> Iterator[tuple[Installation, Month]]:
    """A CA that lived through the month of ``tests/support/audit_month.py``, and what was done in it."""
    with played_in(tmp_path_factory.mktemp("month"), shared_issuers) as found:
        yield found


@pytest.fixture(scope="module")
def report(played: tuple[Installation, Month]) -> Iterator[Report]:
    """The auditors' report of that month."""
    with made(played[0]) as found:
        yield found
