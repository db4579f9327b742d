"""What was done while there was no database: one durable file each, until the log has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshjit import canonical, wire
from sshjit.errors import Failed, Invalid
from sshjit.events import EmergencyIssued
from sshjit_ca.machine.durable import make_folder, write_durably
from sshjit_ca.machine.owner import unreadable_hint

_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Spool:
    """The folder ``emergency`` in the CA's home."""

    home: Path

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.home / "emergency"

    def put(self, event: EmergencyIssued) -> None:
        """Keeps a record; on the disk when this returns.

        Raises:
            OSError: when it cannot be kept.

        """
        make_folder(self.folder)
        write_durably(self._file(event), canonical.dumps(wire.encode(event)))

    def waiting(self) -> list[EmergencyIssued]:
        """What the log does not have yet, oldest first.

        Raises:
            Failed: ``bad_spool``, naming the file.

        """
        return sorted(map(_read, self.folder.glob("*.json")), key=lambda event: (event.signed, event.serial))

    def drop(self, event: EmergencyIssued) -> None:
        """Lets go of what the log has."""
        self._file(event).unlink(missing_ok=True)

    def _file(self, event: EmergencyIssued) -> Path:
        return self.folder / f"{event.serial}.json"


def _read(path: Path) -> EmergencyIssued:
    try:
        return wire.decode(EmergencyIssued, wire.loads(path.read_bytes(), limit=_LIMIT))
    except (OSError, Invalid) as error:
        otherwise = "repair the file, or move it away"
        hint = unreadable_hint(path, error, otherwise) if isinstance(error, OSError) else otherwise
        raise Failed("bad_spool", f"{path} cannot be read: {error}", hint=hint) from None
