"""Unpacks Debian's ``prometheus`` below ``.cache``: nothing is installed on the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[2] / ".cache" / "prometheus"
PROGRAMS = HOME / "usr/bin"


def main() -> int:
    """Fetches and unpacks it, if it is not there yet; the exit code."""
    if (PROGRAMS / "promtool").exists():
        return 0
    HOME.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["apt-get", "-q", "download", "prometheus"], cwd=HOME, check=False)
    packages = list(HOME.glob("prometheus_*.deb"))
    if done.returncode or not packages:
        print("test-metrics: Debian's prometheus could not be fetched: apt-get update", file=sys.stderr)
        return 2
    subprocess.run(["dpkg-deb", "-x", packages[0], HOME], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
