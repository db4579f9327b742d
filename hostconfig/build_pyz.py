"""Builds ``ssh-jit-host.pyz``: the whole program as one file that a server's own Python runs.

    python hostconfig/build_pyz.py dist/ssh-jit-host.pyz

The same sources give the same bytes everywhere (``sshjit/host_program.py``), so that the digest in a joining line can
be checked by anybody who builds it again. The digest is printed. The version comes from ``pyproject.toml``.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for who has the sources and nothing installed

from sshjit import host_program

PACKAGE = Path(__file__).resolve().parent / "sshjit_host"
PROJECT = PACKAGE.parents[1] / "pyproject.toml"


def build() -> bytes:
    """Return the program's bytes."""
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*") if path.is_file()}
    return host_program.build({name: path.read_bytes() for name, path in files.items()}, version())


def version() -> str:
    """Return the version of the project, by a pattern: a server that builds for itself may have no tomllib."""
    match = re.search(r'^version = "([0-9.]+)"$', PROJECT.read_text(encoding="utf-8"), re.MULTILINE)
    if not match:
        sys.exit(f"build_pyz.py: {PROJECT} says no version")
    return match[1]


def main() -> None:
    """Write the file that the command line names, and print its SHA-256."""
    parser = argparse.ArgumentParser(description="Builds ssh-jit-host as one file.")
    parser.add_argument("output", type=Path)
    output: Path = parser.parse_args().output
    data = build()
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(data)
    output.chmod(0o755)
    sys.stdout.write(f"{hashlib.sha256(data).hexdigest()}  {output}\n")


if __name__ == "__main__":
    main()
