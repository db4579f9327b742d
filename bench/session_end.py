"""From a revocation to the end of the session that it is about, with all that the session had started."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.environment import Environment
from bench.results import Result
from demo import debian
from tests.support import debian_root, host_machine
from tests.support.session_host import SessionHost, session_host

INTERVAL = 1
"""Seconds between two looks of the host at the bundle."""
ROUNDS = 5
PATIENCE = 30.0
BUILD = Path(__file__).resolve().parents[1] / "hostconfig" / "build_pyz.py"


def lines(_: Environment) -> Iterator[Result]:
    """The median of a few sessions on a Debian system with its own sshd, PAM and Python (root's alone to start)."""
    with tempfile.TemporaryDirectory() as scratch, host_machine.front() as front:
        program = Path(scratch, "ssh-jit-host.pyz")
        host_machine.run(sys.executable, BUILD, program)
        authority = host_machine.Authority(Path(scratch))
        base = debian_root.system("sid")
        with (
            session_host(base, debian.cache(), program, front, authority, interval=INTERVAL) as host,
            host.sshd(),
            host.daemon(),
            subprocess.Popen(host.command("watch"), stderr=subprocess.DEVNULL) as watch,
        ):
            try:
                ended = median(_once(host, number) for number in range(1, ROUNDS + 1))
            finally:
                watch.terminate()
    yield Result(
        "sessions", "revoke to session ended", f"{ended:.2f} s", f"{INTERVAL} s poll", ended, "s", INTERVAL + 1
    )


def _once(host: SessionHost, serial: int) -> float:
    left = f"setsid nohup sleep {host.seconds('500')} </dev/null >/dev/null 2>&1 &"
    with host.session(host.certificate(serial), f"{left} echo ready; exec sleep {host.seconds('500')}"):
        while len(host.runs("500")) < 2:
            time.sleep(0.02)
        time.sleep(serial / ROUNDS)  # the revocation meets each part of the interval
        began = time.perf_counter()
        host.offer_revoked(serial)
        while host.runs("500"):
            if time.perf_counter() - began > PATIENCE:
                raise RuntimeError("the session did not end")
            time.sleep(0.02)
        return time.perf_counter() - began
