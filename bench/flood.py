"""A stolen front end floods the CA: how long the operator waits, and what memory is left of it a minute later."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.environment import Environment
from bench.processes import folder
from bench.results import Result, milliseconds
from sshjit_ca.service.connection import MAX_PEERS
from tests.support.besieged_ca import besieged_ca
from tests.support.flood import FLOODS, flooding

ROUNDS = 20
SETTLES = 60.0
"""Seconds after a flood."""


def lines(_: Environment) -> Iterator[Result]:
    """The slowest of ``lock``, ``revoke`` and ``status`` under each kind of flood, and the memory after all of them."""
    with folder() as home, besieged_ca(home) as ca:
        before = ca.resident()
        for kind in FLOODS:
            with flooding(ca.web_socket, kind, MAX_PEERS - 5, "8192" if kind == "sign_ins" else ca.alice):
                took = ca.waits(ROUNDS)
            worst = max(max(times) for act, times in took.items() if act != "read")
            others = f"{milliseconds(max(took['read']))} somebody else's question"
            yield Result("flood", f"the operator waits, flood of {kind}", milliseconds(worst), others, worst, "s", 1)
        time.sleep(SETTLES)
        grown = ca.resident() - before
        yield Result(
            "flood", "memory a minute later", f"{grown:+.0f} MiB", f"{before:.0f} MiB", grown * 1024, "kB", 50 * 1024
        )
