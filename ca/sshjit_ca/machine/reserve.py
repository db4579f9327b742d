"""Disk that is kept in reserve, so that a full disk never keeps anybody from taking access away.

A file of some megabytes lies beside the log. When the disk runs full the file is let go: signing stops, and what it
frees is for revoking, locking and telling the hosts. When there is room again it is made anew, and signing goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from sshjit.errors import Failed
from sshjit_ca.machine.durable import allocate
from sshjit_ca.machine.system import disk_free

MIB = 1024 * 1024


class Reserve:
    """The reserve in ``folder``, ``size`` bytes; below a quarter of that the disk counts as full."""

    def __init__(self, folder: Path, size: int, free: Callable[[Path], int] = disk_free) -> None:
        self.file = folder / "reserve"
        self._size = size
        self._free = free
        self._look_at_file = True
        self._kept = False

    @property
    def kept(self) -> bool:
        """Whether the reserve is there."""
        if self._look_at_file:
            with contextlib.suppress(OSError):
                self._kept = self.file.stat().st_size >= self._size
            self._look_at_file = False
        return self._kept

    def free(self) -> int:
        """Bytes free beside the reserve."""
        return self._free(self.file.parent)

    def look(self) -> Failed | None:
        """Lets the reserve go or makes it, as the disk is now; what is wrong, if something is."""
        try:
            free = self.free()
            if self.kept and free < self._size // 4:
                self.let_go()
            elif not self.kept and free >= self._size + self._size // 2:
                self._make()
        except OSError as error:
            return Failed("disk_full", f"{self.file.parent}: {error.strerror}; nothing is signed", hint=_HINT)
        return None if self.kept else self._full()

    def let_go(self) -> bool:
        """Frees what was kept; ``False`` if nothing was."""
        kept, self._kept = self.kept, False
        self.file.unlink(missing_ok=True)
        return kept

    def _make(self) -> None:
        allocate(self.file, self._size)
        self._kept = True

    def _full(self) -> Failed:
        folder, left = self.file.parent, self.free() / MIB
        return Failed(
            "disk_full",
            f"the disk of {folder} is full ({left:.1f} MiB left); nothing is signed, revoking still works",
            hint=_HINT,
        )


_HINT = "free disk space there; signing then continues by itself"
