"""Which release this program is of.

The number is written once, in ``pyproject.toml``. An installed package carries it in its metadata, and so does the
single file (``build_pyz.py``), which is on ``sys.path`` like a folder; so it is read in one way from both.
"""

from __future__ import annotations

import importlib.metadata


def version() -> str:
    """The version of ssh-jit, or ``unknown`` where the sources run without being installed."""
    try:
        return importlib.metadata.version("ssh-jit")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
