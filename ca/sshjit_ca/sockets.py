"""The files of the doors, and who is at the other end of a connection."""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bound:
    """A socket that listens, and which file it is."""

    socket: socket.socket
    inode: int


def listen(path: Path) -> Bound:
    """A socket at ``path``. Anybody may connect: who may speak is decided by the peer's user."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    path.chmod(0o666)
    listening.listen(128)
    listening.settimeout(0)
    return Bound(listening, path.stat().st_ino)


def unlink(path: Path, bound: Bound) -> None:
    """Takes the file away, unless it is another's by now: who took over may listen at the same place."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == bound.inode:
            path.unlink()


def peer(connection: socket.socket) -> int:
    """The Unix user at the other end (Linux: ``struct ucred`` is pid, uid, gid)."""
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(user)
