"""What is to be told to the CA about sessions: kept on disk, in order, until the CA has it.

Each event has a number, higher than every one before it, also after a reinstallation: the first is the time. So the CA
takes each once, however often it is sent. The spool is bounded; what had to be dropped is counted, and told.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sshjit_host.errors import HostError
from sshjit_host.machine import files

MOST = 10_000
"""Events that are kept while the CA cannot be told."""
_DIGITS = 16


@dataclass
class Spool:
    """The events in a folder that is root's. One process adds and removes."""

    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: int = 0
    _count: int = -1

    def prepare(self) -> None:
        """Make the folder, and see what is there."""
        files.private_folder(self.folder)
        files.remove_leftovers(self.folder)
        numbers = self._numbers()
        counted = files.read(self.folder / "last") or b"0"
        self._last = max([int(counted) if counted.strip().isdigit() else 0, *numbers[-1:]])
        self._count = len(numbers)

    def add(self, event: dict[str, Any], now: float) -> None:
        """Keep an event; ``now`` is the wall clock. Raises ``HostError`` if it cannot be written."""
        with self._lock:
            while self._count >= MOST:
                self._drop_oldest()
            number = max(self._last + 1, int(now * 1000))
            while self._path(number).exists():  # the guard of an emergency session writes here too
                number += 1
            text = json.dumps({**event, "number": number}, sort_keys=True)
            files.write(self._path(number), f"{text}\n".encode("ascii"), 0o600)
            self._last, self._count = number, self._count + 1

    def waiting(self, most: int) -> list[dict[str, Any]]:
        """The oldest events, at most so many."""
        events = []
        for number in self._numbers()[:most]:
            try:
                event = json.loads(files.read(self._path(number)) or b"")
                events.append({**event, "number": number})
            except ValueError:  # noqa: PERF203 - there are few, and each counts
                self.remove_up_to(number, only=number)
        return events

    def remove_up_to(self, taken: int, *, only: int | None = None) -> None:
        """Forget the events up to this number: the CA has them."""
        with self._lock:
            files.write(self.folder / "last", f"{max(self._last, taken)}\n".encode("ascii"), 0o600)
            for number in self._numbers():
                if number <= taken and only in (None, number):
                    files.remove(self._path(number))
                    self._count -= 1

    @property
    def size(self) -> int:
        """How many events wait."""
        return len(self._numbers())

    @property
    def lost(self) -> int:
        """How many events were dropped since the CA was last told of that."""
        text = files.read(self.folder / "lost") or b"0"
        return int(text) if text.strip().isdigit() else 0

    def lost_was_told(self, count: int) -> None:
        """The CA knows of so many."""
        with self._lock:
            left = max(0, self.lost - count)
            files.write(self.folder / "lost", f"{left}\n".encode("ascii"), 0o600)

    def _drop_oldest(self) -> None:
        numbers = self._numbers()
        self._count = len(numbers)
        if not numbers:
            raise HostError(f"{self.folder} cannot hold more events")
        files.write(self.folder / "lost", f"{self.lost + 1}\n".encode("ascii"), 0o600)
        files.remove(self._path(numbers[0]))
        self._count -= 1

    def _numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        return sorted(int(path.stem) for path in self.folder.glob("*.json") if path.stem.isdecimal())

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:0{_DIGITS}}.json"
