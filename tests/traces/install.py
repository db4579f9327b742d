"""Installs the collector of ``make test-traces`` below ``.cache``: OpenTelemetry's own. Needs Go.

``main.go`` beside this file puts its parts together, as its builder does. The modules are pinned by ``go.sum``. What is
installed already is left as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1] / ".cache" / "traces"


def main() -> int:
    """Installs; the exit code of what failed."""
    if (HOME / "otelcol").exists():
        return 0
    if shutil.which("go") is None:
        print("test-traces: there is no Go here (1.24 or newer): apt-get install golang-go", file=sys.stderr)
        return 2
    print("test-traces: building the OpenTelemetry Collector in .cache/traces: some minutes", flush=True)
    HOME.mkdir(parents=True, exist_ok=True)
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copy(HERE / name, HOME)
    command: list[str | Path] = ["go", "build", "-mod=readonly", "-o", HOME / "otelcol", "."]
    subprocess.run(command, cwd=HOME, env={**os.environ, "GOFLAGS": ""}, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
