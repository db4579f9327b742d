"""Which tables a report has, in the order in which it shows them."""

from __future__ import annotations

from sshjit_ca.report.columns import Table
from sshjit_ca.report.parts import access, changes, counts

TABLES: tuple[Table, ...] = (
    access.REACH,
    counts.PEOPLE,
    counts.HOSTS,
    access.REQUESTS,
    access.CERTIFICATES,
    access.DECISIONS,
    counts.APPROVERS,
    access.REFUSALS,
    access.GLASS,
    access.EMERGENCIES,
    changes.LOCKS,
    changes.REVOCATIONS,
    counts.UNUSED,
    counts.RULES,
    changes.POLICIES,
    changes.HOST_CHANGES,
    changes.KEYS,
    counts.SIGN_INS,
    changes.OPERATIONS,
)
BY_KEY = {table.key: table for table in TABLES}
