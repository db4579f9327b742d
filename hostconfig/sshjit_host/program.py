"""Where this program lies, wherever its modules are in it, and the files that are shipped in it.

The layout of the Debian package is said here, once. ``join`` takes the files from this program where no package brought
them, and ``hostconfig/build_layout.py`` lays the package's tree out.
"""

from __future__ import annotations

import pkgutil
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]
"""What ``sys.path`` has to name so that Python finds this program: a folder, or the single file."""
PACKAGED = "/usr/sbin/ssh-jit-host"
"""Where the package puts this program; the units name it there."""
UNITS = "/usr/lib/systemd/system"
_UNITS = (
    "ssh-jit-host.service",
    "ssh-jit-host-refresh.service",
    "ssh-jit-host-refresh.timer",
    "ssh-jit-host-sessions.service",
)
SHIPPED = tuple(f"{UNITS}/{name}" for name in _UNITS)
"""The package's files that are also below ``root`` in this program, by their places. The package enables no unit."""


def code(module: str, arguments: str) -> str:
    """Python's text that runs ``main`` of one of our modules, with these arguments, and exits as it says."""
    return (
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); "
        f"from sshjit_host.{module} import main; sys.exit(main({arguments}))"
    )


def shipped(path: str) -> bytes | None:
    """A file as the package brings it to ``path``; ``None`` if this program was built without it."""
    try:
        return pkgutil.get_data("sshjit_host", f"root/{path.lstrip('/')}")
    except OSError:
        return None
