"""Builds what a release consists of. The same commit gives the same bytes.

    python -m tools.release.artefacts FOLDER

does it for the commit that is checked out, so that anybody can compare digests with a signed ``SHA256SUMS``. Times in
the files are the commit's. The wheel and the source archive are compressed, so their bytes depend on Python's zlib too;
``ssh-jit-host.pyz`` is not, and is the same everywhere.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from tools.release.errors import ReleaseError
from tools.release.programs import run

HOST_PROGRAM = "ssh-jit-host.pyz"
SUMS = "SHA256SUMS"


def build(source: Path, output: Path) -> None:
    """Build the commit that is checked out in ``source``; nothing else may lie there. ``output`` is a new folder."""
    output.mkdir(parents=True)
    epoch = {"SOURCE_DATE_EPOCH": run("git", "log", "-1", "--format=%ct", cwd=source)}
    for target in ("wheel", "sdist"):
        run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", output, cwd=source, quiet=True, env=epoch)
    run(sys.executable, "hostconfig/build_pyz.py", output / HOST_PROGRAM, cwd=source)


def sums(folder: Path) -> str:
    """Return the digests of all files in a folder, in the form of ``sha256sum``."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def build_twice(source: Path, scratch: Path, output: Path) -> str:
    """Build from two clones of ``source`` in two places, and return the digests.

    Raises:
        ReleaseError: if the two differ in a single byte.

    """
    for name in ("once", "again"):
        run("git", "clone", "-q", source, scratch / name, cwd=scratch)
    build(scratch / "once", output)
    build(scratch / "again", scratch / "compared")
    found, other = sums(output), sums(scratch / "compared")
    if found != other:
        different = sorted({line.split()[1] for line in {*found.splitlines()} ^ {*other.splitlines()}})
        raise ReleaseError(
            f"two builds of one commit differ in {', '.join(different)}", "find out why before you release"
        )
    return found


def main() -> int:
    """Build what is checked out into the folder that the command line names, and print the digests."""
    text = "Build what is checked out into a folder, and print the digests."
    parser = argparse.ArgumentParser(prog="python -m tools.release.artefacts", description=text)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    source, output = Path.cwd(), parser.parse_args().folder.resolve()
    try:
        changed = run("git", "status", "--porcelain", cwd=source)
        if not changed:
            build(source, output)
    except (ReleaseError, OSError) as error:
        print(f"artefacts: {error}", file=sys.stderr)
        return 1
    if changed:
        print("artefacts: there are changes that are not committed\nhint: build from a clean clone", file=sys.stderr)
        return 1
    print(sums(output), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
