"""Installs the witness of ``make test-witnesses`` below ``.cache``: litewitness, which nobody here wrote. Needs Go.

The modules are pinned by ``go.sum`` beside this file. What is installed already is left as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1] / ".cache" / "witnesses"
PROGRAMS = ("litewitness", "witnessctl")
MODULE = "filippo.io/torchwood"


def main() -> int:
    """Installs; the exit code of what failed."""
    if all((HOME / program).exists() for program in PROGRAMS):
        return 0
    if shutil.which("go") is None:
        print(
            "test-witnesses: there is no Go here (1.24 or newer): apt-get install golang-go",
            file=sys.stderr,
        )
        return 2
    print("test-witnesses: building litewitness in .cache/witnesses", flush=True)
    HOME.mkdir(parents=True, exist_ok=True)
    for name in ("go.mod", "go.sum"):
        shutil.copy(HERE / name, HOME)
    for program in PROGRAMS:
        command: list[str | Path] = ["go", "build", "-mod=readonly", "-o", HOME / program, f"{MODULE}/cmd/{program}"]
        subprocess.run(command, cwd=HOME, env={**os.environ, "GOFLAGS": ""}, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
