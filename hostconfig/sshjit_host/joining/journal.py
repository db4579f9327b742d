"""What stood in each place before ``join`` changed it: written down ahead, so that all of it can be put back.

The plan of a run is one file, durable before the first change. Whatever ends a run (an error, a signal, a loss of
power), the next one finds the plan and undoes it. After a run that went well the same file says what ``leave`` has to
take away. Which places there are, and in which order things happen, is ``joining/join.py``'s and ``joining/leave.py``'s
part.
"""

from __future__ import annotations

import base64
import json
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sshjit_host.config import Config, parse
from sshjit_host.errors import HostError
from sshjit_host.formats import strictjson
from sshjit_host.machine import files

NAME = "joined.json"
"""The file, beside ``host.json``."""
JOINING, CHANGING, JOINED, LEAVING = "joining", "changing", "joined", "leaving"
STEPS = (JOINING, CHANGING, JOINED, LEAVING)
_HINT = "look at what it names, then remove it"


@dataclass(frozen=True)
class Entry:
    """One place: ``kind`` is ``file`` (``data``, ``mode`` or ``link`` say what was there), ``folder`` or ``tree``.

    A ``folder`` was made by us and goes when it is empty; a ``tree`` is ours with all that is below it.
    """

    kind: str
    path: Path
    data: bytes | None = None
    mode: int = 0o644
    link: str = ""

    def put_back(self) -> bool:
        """Make the place as it was; return whether anything had to change."""
        if self.kind == "tree":
            return _remove_tree(self.path)
        if self.kind == "folder":
            return _remove_folder(self.path)
        if self.link:
            return files.link(self.path, self.link)
        return files.remove(self.path) if self.data is None else files.write(self.path, self.data, self.mode)


def file(path: Path) -> Entry:
    """The entry of a file, or link, as it is now; none there is said too."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return Entry("file", path)
    except OSError as error:
        raise HostError(f"cannot look at {path}: {error.strerror}") from None
    if stat.S_ISLNK(status.st_mode):
        return Entry("file", path, link=str(path.readlink()))
    if not stat.S_ISREG(status.st_mode):
        raise HostError(f"{path} is not a file", hint="move it away")
    return Entry("file", path, files.read(path), stat.S_IMODE(status.st_mode))


def folder(path: Path) -> tuple[Entry, ...]:
    """The entries of a folder that is to be made, and of those above it that are to be made for it."""
    missing = [place for place in (path, *path.parents) if not place.exists()]
    return tuple(Entry("folder", place) for place in reversed(missing))


def empty_folder(path: Path) -> tuple[Entry, ...]:
    """The entry of a folder in which there is nothing, so that nobody misses it; none for another one."""
    return () if any(path.iterdir()) else (Entry("folder", path),)


def _remove_folder(path: Path) -> bool:
    try:
        path.rmdir()
    except OSError:  # it is not there, or somebody else has put something into it
        return False
    return True


def _remove_tree(path: Path) -> bool:
    if path.is_symlink() or not path.is_dir():
        return False
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise HostError(f"cannot remove {path}: {error.strerror}") from None
    return True


@dataclass
class Journal:
    """The file. ``step`` is empty while this host has nothing of ours; ``changes`` is the plan of a later run."""

    path: Path
    step: str = ""
    entries: tuple[Entry, ...] = ()
    changes: tuple[Entry, ...] = ()
    settings: str = ""
    """The text of ``host.json`` that the run goes by, which may not be there (any more) when it is undone."""

    def begin(self, entries: Iterable[Entry], settings: str) -> None:
        """Write down the plan of a run, before its first change."""
        if self.step == JOINED:
            self.step, self.changes = CHANGING, tuple(entries)
        else:
            self.step, self.entries, self.settings = JOINING, tuple(entries), settings
        self._write()

    def end(self, settings: str) -> None:
        """The run went well: what was there before it stays written down, for ``leave``.

        Not what a change found on a host that was set up by hand: those files are ours too, and go with the rest.
        """
        known = {entry.path for entry in self.entries}
        added = tuple(entry for entry in self.changes if entry.path not in known and entry.data is None)
        self.step, self.entries, self.changes = JOINED, self.entries + added, ()
        self.settings = settings
        self._write()

    def leave(self, entries: Iterable[Entry], settings: str) -> None:
        """From here on all goes, and a run that is cut off is completed by the next one."""
        self.step, self.entries, self.changes, self.settings = LEAVING, tuple(entries), (), settings
        self._write()

    def put_changes_back(self) -> None:
        """Undo a run over a host that had joined before, in the order of its plan: first what names other files."""
        for entry in self.changes:
            entry.put_back()
        self.step, self.changes = JOINED, ()
        self._write()

    def config(self, path: Path) -> Config:
        """The settings that the run goes by; ``path`` is where ``host.json`` is, or was. Raises ``HostError``."""
        try:
            return parse(self.settings, path)
        except ValueError as error:
            raise HostError(f"{self.path} cannot be used: {error}", hint=_HINT) from None

    def remove(self) -> None:
        """Nothing of ours is left."""
        self.step, self.entries, self.changes = "", (), ()
        files.remove(self.path)

    def _write(self) -> None:
        fields = {
            "version": 1,
            "step": self.step,
            "entries": [_fields(entry) for entry in self.entries],
            "changes": [_fields(entry) for entry in self.changes],
            "settings": self.settings,
        }
        files.write(self.path, json.dumps(fields, indent=1).encode("ascii") + b"\n", 0o600)


def read(path: Path) -> Journal:
    """The journal of this host; an empty one if there is none. Raises ``HostError`` if it cannot be used."""
    data = files.read_trusted(path)
    if data is None:
        return Journal(path)
    try:
        fields = strictjson.loads(data.decode("ascii"))
        strictjson.only(fields, required=frozenset(("version", "step", "entries", "changes", "settings")))
        _check(fields)
        entries, changes = (
            tuple(_entry(given) for given in strictjson.typed(fields, name, list)) for name in ("entries", "changes")
        )
        settings = strictjson.typed(fields, "settings", str)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HostError(f"{path} cannot be used: {error}", hint=_HINT) from None
    return Journal(path, fields["step"], entries, changes, settings)


def _check(fields: dict[str, Any]) -> None:
    if strictjson.typed(fields, "version", int) != 1 or fields["step"] not in STEPS:
        raise ValueError("it is of another version")


def _fields(entry: Entry) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": entry.kind, "path": str(entry.path)}
    if entry.data is not None:
        fields.update(data=base64.b64encode(entry.data).decode("ascii"), mode=entry.mode)
    if entry.link:
        fields["link"] = entry.link
    return fields


def _entry(fields: dict[str, Any]) -> Entry:
    data = base64.b64decode(fields["data"], validate=True) if "data" in fields else None
    path = Path(fields["path"])
    if fields["kind"] not in ("file", "folder", "tree") or not path.is_absolute() or path == Path("/"):
        raise ValueError("names something that is no place of ours")
    return Entry(fields["kind"], path, data, int(fields.get("mode", 0o644)), str(fields.get("link", "")))
