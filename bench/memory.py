"""What a fresh installation holds in memory: CA and front end, before anybody asked for much."""

from __future__ import annotations

from collections.abc import Iterator

from bench.environment import Environment
from bench.processes import resident
from bench.results import Result
from demo.lab import Lab

BUDGET = 150


def lines(_: Environment) -> Iterator[Result]:
    """Resident memory of a lab that has just come up, the server's main process included."""
    with Lab.start() as lab:
        ca, web = resident(lab.ca.pid) / 1e6, resident(lab.web.pid) / 1e6
    ours = f"{ca:.0f} + {web:.0f} MB"
    yield Result("memory", "CA and front end, fresh", ours, "", ca + web, "MB", BUDGET)
