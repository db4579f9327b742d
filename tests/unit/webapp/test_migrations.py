"""The front end's schema, up and down, on both databases: what is kept stays, and no table differs from its use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect

from sshjit.errors import Failed
from sshjit_web import migrate
from sshjit_web.schema import METADATA
from sshjit_web.store import Store, open_engine
from tests.support.postgres import Postgres, running


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server."""
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    address = f"sqlite:///{tmp_path}/web.db"
    if request.param == "postgresql":
        address = request.getfixturevalue("postgres").bare()
    made = open_engine(address)
    yield made
    made.dispose()


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))


def test_every_step_can_be_taken_back_and_done_again(engine: Engine) -> None:
    migrate.upgrade(engine)
    assert differences(engine) == []
    store = Store(engine)
    store.add_session("token", "api", "login-1", now=1, expires=100)
    for revision in ("0003", "0002", "0001"):
        migrate.change(engine, revision)
        assert inspect(engine).has_table("drafts") == (revision == "0003")
    migrate.upgrade(engine)
    assert differences(engine) == []
    assert store.find_session("token", "api", now=2) == "login-1"
    migrate.change(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate.upgrade(engine)
    assert differences(engine) == []


def test_a_database_of_a_newer_release_is_refused(engine: Engine) -> None:
    migrate.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Failed) as found:
        migrate.upgrade(engine)
    assert found.value.code == "database_down"
