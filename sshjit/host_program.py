"""``ssh-jit-host.pyz``: the host program as one file that a server's own Python runs, made from its files.

The same files give the same bytes everywhere: order, times, modes and compression are fixed. So the digest that the CA
prints in a joining line is that of what a front end of the same release serves, and anybody can build it again. Who
calls this reads the files; this file must do on Python 3.9 too, where ``hostconfig/build_pyz.py`` may run.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

NAME = "ssh-jit-host.pyz"
PATH = "/host/ssh-jit-host.pyz"
"""Where a front end serves it."""
PACKAGE = "sshjit_host"
FIRST_LINE = b"#!/usr/bin/python3 -IS\n"
"""Isolated, without site-packages: nothing of the environment or the current folder gets into root's program."""
START = "import sys\nfrom sshjit_host.__main__ import main\nsys.exit(main())\n"
OLDEST = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip file can name."""


def belongs(path: str) -> bool:
    """Whether a file of the installed package, by its path there, is part of the program: all but compiled code."""
    return "__pycache__" not in path.split("/") and not path.endswith(".pyc")


def build(files: Mapping[str, bytes], version: str) -> bytes:
    """The program's bytes: of its files, by their path below the package (``/`` between folders), and its version.

    The version goes into the file as a package's metadata does, which is where the program reads it.
    """
    content = {f"{PACKAGE}/{path}": data for path, data in files.items() if belongs(path)}
    content["__main__.py"] = START.encode("ascii")
    metadata = f"Metadata-Version: 2.4\nName: ssh-jit\nVersion: {version}\nLicense-Expression: Apache-2.0\n"
    content[f"ssh_jit-{version}.dist-info/METADATA"] = metadata.encode("ascii")
    archive = io.BytesIO(FIRST_LINE)
    archive.seek(0, io.SEEK_END)
    # Stored: compressors differ from version to version.
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as file:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, OLDEST)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, content[name])
    return archive.getvalue()
