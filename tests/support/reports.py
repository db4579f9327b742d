"""Reports in tests: one over a CA in process, its rows by name, and a month that was played for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sshjit_ca.keys import files
from sshjit_ca.report import builder
from sshjit_ca.report.builder import Report
from sshjit_ca.report.period import Period
from sshjit_ca.report.tables import BY_KEY
from tests.support import audit_month as stories
from tests.support.audit_month import PERIOD, Month
from tests.support.installation import Installation
from tests.support.issuer import Issuer


def made(ca: Installation, period: Period = PERIOD, *, certificates: bool = True) -> AbstractContextManager[Report]:
    """The report of a period, as of the CA's clock."""
    first = files.load_public(ca.config.key_file("log"))
    now = int(ca.time)
    return builder.build_report(
        ca.store, first, installation="test", period=period, now=now, certificates=certificates, processes=1
    )


def rows(report: Report, table: str) -> list[dict[str, Any]]:
    """The rows of a table by the names of its columns."""
    columns = [column.key for column in BY_KEY[table].columns]
    return [dict(zip(columns, row, strict=True)) for _, row in report.spool.rows(table)]


@contextmanager
def played_in(
    folder: Path, issuers: dict[str, Issuer], database: str | None = None
) -> Iterator[tuple[Installation, Month]]:
    """A CA in which the month was played."""
    ca = Installation(folder, issuers, database=database)
    ca.add_host("web1", env="staging")
    ca.add_host("db1", env="prod", role="db")
    yield ca, stories.play(ca)
    ca.stop()
