"""What is recognised by its mount namespace is the lab's own, and nobody else's that came later."""

from __future__ import annotations

import os
import subprocess
import sys

from demo import isolate, processes
from demo.processes import MountNamespace

WAITS = [sys.executable, "-S", "-c", "import sys; print(flush=True); sys.stdin.read()"]


def begun() -> subprocess.Popen[bytes]:
    """A process that waits, in a mount namespace of its own where that is possible."""
    apart = ["unshare", "--mount", "--"] if isolate.possible() else []
    process = subprocess.Popen([*apart, *WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_namespace_that_is_over_is_not_mistaken_for_the_next_one() -> None:
    with begun() as first:
        held = MountNamespace(first.pid)
        assert first.pid in held.processes()
        first.kill()
    later = [begun() for _ in range(5)]
    try:
        names = {processes.namespace(process.pid) for process in later}
        assert (held.name in names) is (not isolate.possible())
        assert (held.processes() == set()) is isolate.possible()
    finally:
        held.close()
        for process in later:
            with process:
                process.kill()


def test_our_own_namespace_holds_ourselves() -> None:
    own = MountNamespace(os.getpid())
    assert own.name == processes.namespace()
    assert os.getpid() in own.processes()
    own.close()
