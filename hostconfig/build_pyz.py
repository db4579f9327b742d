"""Builds ``ssh-jit-host.pyz``: the whole program as one file that a server's own Python runs.

    python hostconfig/build_pyz.py dist/ssh-jit-host.pyz

The same sources give the same bytes everywhere (order, times, modes and compression are fixed), so that the digest in
a joining line can be checked by anybody who builds it again. The digest is printed. The version comes from
``pyproject.toml`` and goes into the file as a package's metadata does, which is where the program reads it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent / "sshjit_host"
PROJECT = PACKAGE.parents[1] / "pyproject.toml"
FIRST_LINE = b"#!/usr/bin/python3 -IS\n"
"""Isolated, without site-packages: nothing of the environment or the current folder gets into root's program."""
START = "import sys\nfrom sshjit_host.__main__ import main\nsys.exit(main())\n"
OLDEST = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip file can name."""


def build() -> bytes:
    """Return the program's bytes."""
    content = {f"sshjit_host/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes() for path in sources()}
    content["__main__.py"] = START.encode("ascii")
    number = version()
    metadata = f"Metadata-Version: 2.4\nName: ssh-jit\nVersion: {number}\nLicense-Expression: Apache-2.0\n"
    content[f"ssh_jit-{number}.dist-info/METADATA"] = metadata.encode("ascii")
    archive = io.BytesIO()
    archive.write(FIRST_LINE)
    with zipfile.ZipFile(
        archive, "a", zipfile.ZIP_STORED
    ) as file:  # stored: compressors differ from version to version
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, OLDEST)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, content[name])
    return archive.getvalue()


def sources() -> list[Path]:
    """The files of the package: modules, and below ``root`` what lies elsewhere on a server."""
    return [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


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
