"""The CA's two sockets: their files, and who is at the other end of a connection."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sshjit.errors import Failed

Socket = Literal["web", "admin"]
"""``web`` is the front end's socket, ``admin`` the operator's."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A socket that listens, and which file it is."""

    socket: socket.socket
    file: tuple[int, int]
    """Device and inode."""


def listen(path: Path, users: frozenset[int]) -> Bound:
    """A socket at ``path`` for these Unix users. Who speaks is looked at again once they have connected.

    Raises:
        Failed: ``not_a_socket``, if something else than an old socket is there; ``not_listening``; ``unsafe_folder``,
            if others could put something in the socket's place before it has its mode.

    """
    _require_own(path.parent)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Failed("not_a_socket", f"{path} is not a socket; it was left unchanged", hint="see ca.toml")
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        why = error.strerror or str(error)
        hint = f"web_socket and admin_socket in ca.toml; is there a folder {path.parent}, and may the CA write to it?"
        raise Failed("not_listening", f"{path} cannot be opened for connections: {why}", hint=hint) from None
    try:
        _open_to(path, users)
    except Failed:
        listening.close()
        path.unlink()
        raise
    listening.listen(128)
    return Bound(listening, _file(path))


def _require_own(folder: Path) -> None:
    with contextlib.suppress(OSError):  # what is wrong then is said when the socket is bound
        status = folder.stat()
        others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
        if others or status.st_uid not in {0, os.geteuid()}:
            hint = f"chmod go-w {folder}, or name another folder in ca.toml"
            raise Failed("unsafe_folder", f"other users can change {folder}, where a socket of the CA is", hint=hint)


def _open_to(path: Path, users: frozenset[int]) -> None:
    """Lets users, and nobody else, connect: by an access list, since they need have no group in common with the CA.

    Where the file system keeps none, anybody may connect, and is disconnected then.
    """
    path.chmod(0o600)
    others = sorted(users - {0, os.geteuid()})
    if not others:
        return
    rows = [(_OWNER, _BOTH, _NOBODY), *((_USER, _BOTH, user) for user in others)]
    rows += [(_GROUP, 0, _NOBODY), (_MASK, _BOTH, _NOBODY), (_OTHER, 0, _NOBODY)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            why = f"{path} cannot be opened to other Unix users: {error.strerror}"
            raise Failed("not_listening", why, hint="are web_users and admin_users users of this machine?") from None
        path.chmod(0o666)


_OWNER, _USER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_BOTH, _NOBODY = 0o6, 0xFFFFFFFF
"""Linux's ``posix_acl_xattr.h``: a version, then tag, permissions and user of each row, in the order of the tags."""


def unlink(path: Path, bound: Bound) -> None:
    """Takes the file away, unless it is another's by now: who took over may listen at the same place."""
    with contextlib.suppress(FileNotFoundError):
        if _file(path) == bound.file:
            path.unlink()


def is_there(path: Path, bound: Bound) -> bool:
    """Whether whoever connects at ``path`` reaches us."""
    try:
        return _file(path) == bound.file
    except OSError:
        return False


def _file(path: Path) -> tuple[int, int]:
    status = path.stat(follow_symlinks=False)
    return status.st_dev, status.st_ino


def peer(connection: socket.socket) -> int:
    """The Unix user at the other end (Linux: ``struct ucred`` is pid, uid, gid)."""
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(user)
