"""Installs schemathesis below ``.cache``, with all that it brings: nothing of it is in our own environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

VERSION = "4.32.5"
HOME = Path(__file__).resolve().parents[2] / ".cache" / f"schemathesis-{VERSION}"
PROGRAM = HOME / "bin/schemathesis"


def main() -> int:
    """Makes an environment of its own, if it is not there yet; the exit code."""
    if PROGRAM.exists():
        return 0
    subprocess.run([sys.executable, "-m", "venv", HOME], check=True)
    done = subprocess.run([HOME / "bin/pip", "install", "-q", f"schemathesis=={VERSION}"], check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
