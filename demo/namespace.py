"""Arranges a private mount namespace, and then becomes the program that shall live in it.

Run as a script by ``unshare --mount``: ``python -I -S demo/namespace.py SPEC PROGRAM…`` with ``SPEC`` as JSON
(``Spec.to_json``). Decides how mounts are laid over each other; which paths are covered and kept is its callers' part
(``demo/isolate.py``, ``demo/hosts.py``). Nothing that is done here is seen outside, and it is all gone when the last
process of the namespace ends.

The order: every path to keep is opened; folders to cover get an empty tmpfs; what was kept comes back at its own name;
files are laid over others; then the user changes and the program replaces this one, so that every signal reaches it.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC = 32, 4096, 16384
INHERITED = MS_NOSUID | MS_NODEV | MS_NOEXEC
"""Flags of a mount that a remount has to repeat: the kernel may refuse to drop them. statvfs numbers them alike."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Spec:
    """What the program sees. All paths are absolute."""

    cover: tuple[str, ...] = ()
    """Folders that appear empty, except for what is kept below them."""
    read: tuple[str, ...] = ()
    """Kept below the covers, read-only."""
    write: tuple[str, ...] = ()
    """Kept below the covers, as they are."""
    over: tuple[tuple[str, str], ...] = ()
    """(source, target): a file or folder that is laid over another."""
    folders: tuple[str, ...] = ()
    """Empty folders, made below the covers."""
    user: int | None = None
    """uid and gid of the program; ``None``: unchanged."""

    def to_json(self) -> str:
        """The spec as one argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Reads what ``to_json`` wrote."""
        value = json.loads(text)
        return cls(
            cover=tuple(value["cover"]),
            read=tuple(value["read"]),
            write=tuple(value["write"]),
            over=tuple((source, target) for source, target in value["over"]),
            folders=tuple(value["folders"]),
            user=value["user"],
        )


def arrange(spec: Spec) -> None:
    """Lays the mounts of ``spec`` in the namespace of this process. Raises ``OSError`` if the kernel refuses one."""
    kept = [(path, path in spec.write) for path in sorted({*spec.read, *spec.write})]  # parents come before children
    sources = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path, _ in kept}
    overlaid = [(os.open(source, os.O_PATH | os.O_CLOEXEC), target) for source, target in spec.over]
    for folder in sorted(spec.cover):
        if Path(folder).is_dir():
            _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for path, writable in kept:
        if any(Path(path).is_relative_to(folder) for folder in spec.cover):
            _bind(sources[path], path, writable=writable)
    for folder in spec.folders:
        Path(folder).mkdir(parents=True, exist_ok=True)
    for descriptor, target in overlaid:
        _bind(descriptor, target, writable=True)


def become(user: int) -> None:
    """Changes to the user and group with this number, for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _bind(descriptor: int, target: str, *, writable: bool) -> None:
    """Makes what ``descriptor`` opened appear at ``target`` too, where a mount point is made if there is none."""
    source = f"/proc/self/fd/{descriptor}"
    place = Path(target)
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        if Path(source).is_dir():
            place.mkdir()
        else:
            place.touch()
    _mount(source, target, "", MS_BIND | MS_REC)
    if not writable:
        flags = os.statvfs(target).f_flag & INHERITED
        _mount("", target, "", MS_BIND | MS_REMOUNT | MS_RDONLY | flags)


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2); Python has no call of its own for it."""
    done = _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None)
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def main() -> None:
    """Arranges the namespace that ``unshare`` has just made, and becomes the program."""
    spec, program = Spec.from_json(sys.argv[1]), sys.argv[2:]
    folder = Path.cwd()
    arrange(spec)
    os.chdir(folder if folder.is_dir() else "/")  # by name: the old place may lie under a cover
    if spec.user is not None:
        become(spec.user)
    os.execvp(program[0], program)  # noqa: S606 - replacing this process is the point


if __name__ == "__main__":
    main()
