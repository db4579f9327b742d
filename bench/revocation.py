"""From ``ssh-jit-ca revoke`` to the host that refuses the certificate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from bench.environment import Environment
from bench.results import Result
from demo.lab.hosting import INTERVAL

ROUNDS = 3
PATIENCE = 30.0


def lines(environment: Environment) -> Iterator[Result]:
    """The median of a few revocations."""
    found = median(_once(environment) for _ in range(ROUNDS))
    yield Result(
        "revoke", "revoke to refused by sshd", f"{found:.2f} s", f"{INTERVAL} s poll", found, "s", INTERVAL + 1
    )


def _once(environment: Environment) -> float:
    alice = environment.alice
    for path in (alice.runtime / "open").iterdir():
        path.unlink()
    alice.run(["ssh-jit", "web1", "true"])
    config = next((alice.runtime / "open").glob("web1*.conf"))
    ssh = ["ssh", "-F", str(config), "web1", "true"]
    if alice.run(ssh).code:
        raise RuntimeError("alice's certificate did not work before it was revoked")
    done = environment.lab.operator.run(["ssh-jit-ca", "revoke", "--request", environment.grant(), "--reason", "bench"])
    began = time.perf_counter()
    if done.code:
        raise RuntimeError(done.stderr)
    while alice.run(ssh).code == 0:
        if time.perf_counter() - began > PATIENCE:
            raise RuntimeError("the host still takes a revoked certificate")
    return time.perf_counter() - began
