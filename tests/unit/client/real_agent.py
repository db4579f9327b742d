"""A real ssh-agent, which ends with the test that wants it, however that ends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_until


@contextmanager
def ssh_agent(folder: Path, program: str = "ssh-agent") -> Iterator[str]:
    """Runs one, of this program; its socket, which is in the folder."""
    address = folder / "agent"
    with subprocess.Popen([program, "-D", "-a", str(address)], stdout=subprocess.DEVNULL) as agent:
        try:
            wait_until(address.exists)
            yield str(address)
        finally:  # else a test that fails would wait for it
            agent.kill()
    address.unlink(missing_ok=True)
