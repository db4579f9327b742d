"""Lays out what the Debian package ``ssh-jit-host`` holds, each file at its place below a folder.

    python hostconfig/build_layout.py debian/ssh-jit-host

The places are those of ``sshjit_host/program.py``, by which ``join`` goes too. No unit is enabled: ``join`` does that
(so ``dh_installsystemd --no-enable --no-start``), and ``leave`` takes it back and leaves the package's files alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import build_pyz
from sshjit_host import program

EXAMPLE = "/usr/share/doc/ssh-jit-host/examples/host.json"


def layout() -> dict[str, tuple[bytes, int]]:
    """The files by their places: bytes and mode."""
    files = {program.PACKAGED: (build_pyz.build(), 0o755)}
    files[EXAMPLE] = ((build_pyz.PACKAGE.parent / "etc" / "host.json").read_bytes(), 0o644)
    for place in program.SHIPPED:
        files[place] = ((build_pyz.PACKAGE / "root" / place.lstrip("/")).read_bytes(), 0o644)
    return files


def main() -> None:
    """Write the files below the folder that the command line names, and print their places."""
    parser = argparse.ArgumentParser(description="Lays out the files of the Debian package ssh-jit-host.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    for place, (data, mode) in sorted(layout().items()):
        path = folder / place.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
        sys.stdout.write(f"{place}\n")


if __name__ == "__main__":
    main()
