"""A stolen front end says as much as it can to the CA, and the operator, and other people, are answered all the same.

Half a minute and more, and the memory a minute later, are measured by ``python -m bench flood``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sshjit_ca.service import connection as peers
from tests.support.besieged_ca import besieged_ca
from tests.support.flood import flooding

ROUNDS = 4
SECONDS = 3.0
"""A second is promised, with two processors for the CA and the flood: here others may be busy."""


@pytest.mark.parametrize("kind", ["hosts", "everybody", "objects", "small", "sign_ins"])
def test_t77_a_flood_at_the_web_socket_keeps_no_operator_waiting(tmp_path: Path, kind: str) -> None:
    """``lock``, ``revoke`` and ``status``, and somebody else's question over the same Unix user's connection."""
    with besieged_ca(tmp_path) as ca:
        before = ca.resident()
        name = "8192" if kind == "sign_ins" else ca.alice
        with flooding(ca.web_socket, kind, peers.MAX_PEERS - 5, name):
            took = ca.waits(ROUNDS)
            during = ca.resident()
    assert {act: max(times) for act, times in took.items() if max(times) > SECONDS} == {}
    assert during < before + 150, "what waits is bounded"
