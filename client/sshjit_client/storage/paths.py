"""Where the client keeps its files, and whether a folder is private.

The configuration (the server's address, the pinned root, the newest bundle) is in ``$XDG_CONFIG_HOME/ssh-jit``. The
state (the sign-in's key and token, certificates) is below ``$XDG_RUNTIME_DIR``, which the system empties at shutdown,
or in the cache if there is no such folder. The state folder must be a real folder of ours that nobody else can enter.
Every connection loads this module: it imports only ``os``, which is loaded anyway.
"""

# ruff: noqa: PTH111, PTH117, PTH118  # importing pathlib costs more than everything here
from __future__ import annotations

import os

TYPE_CHECKING = False  # importing typing costs milliseconds on every connection
if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = 0o040000
_KIND = 0o170000
_OTHERS = 0o077


def config_folder(environ: Mapping[str, str]) -> str:
    """The folder of ``config.json`` and ``bundle.json``. It may not exist yet."""
    base = environ.get("XDG_CONFIG_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.join(_home(environ), ".config"), "ssh-jit")


def state_folder(environ: Mapping[str, str]) -> str:
    """The folder of the key, the token and the certificates. It may not exist yet; see ``private``."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and private(runtime):
        return os.path.join(runtime, "ssh-jit")
    base = environ.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.join(_home(environ), ".cache"), "ssh-jit")


def private(path: str) -> bool:
    """Whether ``path`` is a real folder (no link) of ours that only we can enter."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return status.st_mode & _KIND == _FOLDER and status.st_uid == os.getuid() and not status.st_mode & _OTHERS


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")
