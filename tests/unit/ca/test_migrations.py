"""The schema of the CA's database, up and down, on both kinds; a log is never dropped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from sshjit_ca.storage import migration
from sshjit_ca.storage.schema import metadata
from sshjit_ca.storage.store import Store
from tests.support.installation import Installation
from tests.support.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Iterator[Store]:
    """A database with nothing in it."""
    made = Store(postgres.bare() if request.param == "postgresql" else f"sqlite:///{tmp_path}/ca.db")
    yield made
    made.close()


def differences(store: Store) -> list[object]:
    with store.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def take_back(store: Store) -> None:
    settings = migration.settings()
    with store.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.downgrade(settings, "base")


def test_the_schema_goes_up_and_down(store: Store) -> None:
    store.migrate()
    assert store.is_current()
    assert differences(store) == []
    take_back(store)
    assert not store.is_current()
    assert sa.inspect(store.engine).get_table_names() == ["alembic_version"]
    store.migrate()
    assert differences(store) == []


def test_a_log_is_never_dropped(ca: Installation) -> None:
    entries = len(list(ca.store.rows()))
    with pytest.raises(RuntimeError, match="holds a log"):
        take_back(ca.store)
    assert len(list(ca.store.rows())) == entries > 0
