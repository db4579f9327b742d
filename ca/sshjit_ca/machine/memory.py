"""Memory that was freed goes back to the machine.

The allocator keeps what is freed between two pieces that are in use, so after a flood of large frames a CA would stay
as large as it ever was. glibc gives such pages back when it is asked to; other libraries do so by themselves, or not.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

GROWN = 16 * 1024 * 1024
"""Bytes by which the process must have grown since the last time, so that asking is worth while."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")


class Returner:
    """Asks the allocator after the process has grown."""

    def __init__(self) -> None:
        self._settled = resident()

    def look(self) -> None:
        """Gives back what is free, if much was taken since the last time."""
        if resident() >= self._settled + GROWN:
            _trim()
            self._settled = resident()


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(_STATM.read_text("ascii").split()[1]) * _PAGE


def _trim() -> None:
    """malloc_trim(3). It releases the interpreter meanwhile, and visits free pieces alone."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
