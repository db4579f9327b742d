"""The newest OpenSSH, of Debian sid, as the judge of post-quantum keys, certificates and signatures."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import debian_root


def run(folder: Path, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a shell script there, in ``folder``, which has its own name inside too."""
    command = debian_root.system("sid").inside(["sh", "-ec", f"cd {folder}\n{script}"], share=[folder])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


@contextmanager
def agent(folder: Path) -> Iterator[Path]:
    """An ssh-agent of there; its socket, which lies in ``folder``."""
    socket = folder / "agent"
    command = debian_root.system("sid").inside(["ssh-agent", "-D", "-a", socket], share=[folder])
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # it says where it listens, once it does
    try:
        yield socket
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
