"""What the CA remembers outside the database: the newest checkpoint it signed, and the highest epoch it ever wrote in.

A database that was rolled back knows neither; these two files in ``home`` do. The checkpoint is not synced, because the
database is and this one may lag behind it. The epoch is, and before anything is signed in it: it is what keeps serials
from being used twice.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from sshjit.errors import Failed
from sshjit_ca.machine.durable import overwrite, try_overwriting, write_durably
from sshjit_ca.machine.owner import unreadable_hint

SECTOR = 512
"""Bytes that a disk writes at once."""


@dataclass(frozen=True, slots=True)
class PinnedCheckpoint:
    """The files in ``home``."""

    home: Path
    name: str = "checkpoint"
    """The checkpoint's file."""

    @property
    def checkpoint_file(self) -> Path:
        """Where the newest checkpoint is kept, a signed note."""
        return self.home / self.name

    @property
    def epoch_file(self) -> Path:
        """Where the highest epoch is kept, a number."""
        return self.home / "epoch"

    def checkpoint(self) -> str:
        """The newest note; empty if there is none.

        Raises:
            Failed: ``no_memory``, when the file is there and is empty or cannot be read.

        """
        note = _read(self.checkpoint_file).rstrip("\n")
        if not note.strip("\0 \n") and self.checkpoint_file.exists():
            raise Failed("no_memory", f"{self.checkpoint_file} is empty, and never is where all is well", hint=_EMPTY)
        return f"{note}\n" if note else ""

    def keep_checkpoint(self, note: str) -> None:
        """Replaces the newest note, in place and padded with empty lines to whole sectors.

        This happens at every batch, and to replace a file by name costs as much as the batch. A note fills one sector,
        which a disk writes whole or not at all.

        Raises:
            Failed: ``disk_full``, ``not_signing``.

        """
        content = note.encode("utf-8")
        content += b"\n" * (-len(content) % SECTOR)
        try:
            if not self.checkpoint_file.exists():  # a power cut must not leave an empty one
                write_durably(self.checkpoint_file, content)
                return
            overwrite(self.checkpoint_file, content)
        except OSError as error:
            raise _unwritten(self.checkpoint_file, error) from None

    def try_writing(self) -> None:
        """Finds out whether the next note could be kept, and changes nothing. Raises as ``keep_checkpoint``."""
        try:
            try_overwriting(self.checkpoint_file)
        except FileNotFoundError:
            pass  # before the first note
        except OSError as error:
            raise _unwritten(self.checkpoint_file, error) from None

    def epoch(self) -> int:
        """The highest epoch; 0 if none was ever kept.

        Raises:
            Failed: ``no_memory``.

        """
        text = _read(self.epoch_file)
        if not text and not os.path.lexists(self.epoch_file):
            return 0
        if not (text.isascii() and text.endswith("\n") and text[:-1].isdecimal()):
            raise Failed("no_memory", f"{self.epoch_file} is damaged", hint=_LOST)
        return int(text)

    def keep_epoch(self, epoch: int) -> None:
        """Replaces the highest epoch; on the disk when this returns.

        Raises:
            Failed: ``disk_full``, ``not_signing``.

        """
        try:
            write_durably(self.epoch_file, f"{epoch}\n".encode("ascii"))
        except OSError as error:
            raise _unwritten(self.epoch_file, error) from None


_LOST = "ssh-jit-ca restore --accept-loss opens an epoch that was surely never used"


_EMPTY = (
    "put a newer copy in its place (hosts hold a checkpoint in their bundle); if there is none: "
    "ssh-jit-ca log verify, then remove it"
)


def _unwritten(path: Path, error: OSError) -> Failed:
    code = "disk_full" if error.errno == errno.ENOSPC else "not_signing"
    return Failed(code, f"{path} cannot be written: {error.strerror}; nothing was signed", hint="ssh-jit-ca doctor")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        hint = unreadable_hint(path, error, _LOST) if isinstance(error, OSError) else _LOST
        raise Failed("no_memory", f"{path} cannot be read: {error}", hint=hint) from None
