"""The lines of the table by their names, and which of them are a load."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench import (
    client_connection,
    client_start,
    fleet,
    flood,
    host_probe,
    http_load,
    lab_start,
    long_log,
    memory,
    pages,
    plain_ssh,
    policy_evaluation,
    policy_proof,
    revocation,
    session_end,
    socket_certificates,
    stores,
)
from bench.environment import Environment
from bench.load import Served
from bench.results import Result

LINES: dict[str, Callable[[Environment], Iterator[Result]]] = {
    "evaluate": policy_evaluation.lines,
    "proof": policy_proof.lines,
    "socket": socket_certificates.lines,
    "log": long_log.lines,
    "start": client_start.lines,
    "alive": client_connection.alive,
    "issued": client_connection.issued,
    "ensure": plain_ssh.lines,
    "pages": pages.lines,  # before the floods: nobody looks at a thousand requests of one second
    "certificate": http_load.certificate,
    "ask": http_load.ask,
    "bundle": http_load.bundle,
    "memory": memory.lines,
    "stores": stores.lines,
    "revoke": revocation.lines,
    "fleet": fleet.lines,
    "sessions": session_end.lines,
    "probe": host_probe.lines,
    "lab": lab_start.lines,
    "flood": flood.lines,
}

LOADS: dict[str, Callable[[Environment], Iterator[Served]]] = {
    "socket": socket_certificates.loads,
    "certificate": http_load.certificate_load,
    "ask": http_load.ask_load,
    "bundle": http_load.bundle_load,
}
"""What ``--against`` measures as a load, with its processor time."""
