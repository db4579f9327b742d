"""What this machine (Linux) says about itself: which start of it this is, and whether a process still lives."""

from __future__ import annotations

import os
from pathlib import Path

UNKNOWN = "?"


def boot_id() -> str:
    """The id of this start of the machine, or ``UNKNOWN``."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return UNKNOWN


def process_namespace() -> str:
    """The namespace in which our process numbers mean something, or ``UNKNOWN``."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return UNKNOWN


def process_started(process: int) -> str | None:
    """When a process started, in ticks since the machine did; ``None`` if there is none (a zombie is none)."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # proc(5): after the name, which may hold anything
    return None if fields[0] in "ZX" else fields[19]


def disk_free(folder: Path) -> int:
    """Bytes that an ordinary user can still write on the disk of ``folder``."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
