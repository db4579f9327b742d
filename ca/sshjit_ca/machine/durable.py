"""Every file that the CA and its operator's command write: whole or not at all, and on the disk when a call returns.

They also write where somebody else may write (a certificate beside a person's key, as root). So a folder is opened once
and held by its descriptor; a link on the way to it is followed only where nobody but root or we could have laid it; a
new file gets a name that nobody could guess, its mode before its content, and then its place. What is in that place is
never opened: a link there is refused, and a second name of another file keeps that file as it is.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, TextIO

PRIVATE = 0o600
PRIVATE_FOLDER = 0o700
PUBLIC = 0o644
_LINKS = 40
"""Links on the way to a folder; Linux follows as many."""
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def write_durably(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Replaces a file of the CA's home, or makes it; one that is replaced keeps its owner.

    Raises:
        OSError: why it cannot be written; ``ELOOP`` for a link.

    """
    with replacing(path, mode, keep_owner=True) as file:
        file.write(content)


def make_durably(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Makes a file where none is.

    Raises:
        FileExistsError: when something is there.
        OSError: why it cannot be written.

    """
    with replacing(path, mode, new=True) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path, mode: int = PRIVATE, *, new: bool = False, keep_owner: bool = False) -> Iterator[BinaryIO]:
    """A file to write, which is at ``path`` and durable once the block ends without an error; ``new``: never replaces.

    Raises:
        OSError: why it cannot be written; ``ELOOP`` for a link.

    """
    with Folder.open(path.parent) as folder, folder.replacing(path.name, mode, new=new, keep_owner=keep_owner) as file:
        yield file


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is held: whatever happens to its name, this one is meant."""

    descriptor: int

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, *, ours: bool = False) -> Iterator[Folder]:
        """Opens a folder. With ``ours``, nobody but root and we may be able to exchange it or what is in it.

        Raises:
            OSError: why it cannot be opened; ``ELOOP`` for a link of somebody else, ``EPERM`` if it must be ours.

        """
        way = _walk(path, ours=ours)
        try:
            descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=way)
        finally:
            os.close(way)
        try:
            yield cls(descriptor)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def replacing(
        self, name: str, mode: int = PRIVATE, *, new: bool = False, keep_owner: bool = False
    ) -> Iterator[BinaryIO]:
        """As the function of this name, in this folder."""
        if new:
            self._require_nothing(name)
        old = None if new else self._plain(name)
        temporary = _temporary(name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC  # follows no link
        descriptor = os.open(temporary, flags, PRIVATE, dir_fd=self.descriptor)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                if keep_owner and old is not None and os.geteuid() == 0:
                    os.fchown(descriptor, old.st_uid, old.st_gid)
                os.fchmod(descriptor, mode)
                yield file
                file.flush()
                os.fsync(descriptor)
            (self._put_new if new else self._put)(temporary, name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self.descriptor)
            raise
        os.fsync(self.descriptor)

    @contextlib.contextmanager
    def new_folder(self, name: str) -> Iterator[Folder]:
        """A folder for us alone, in its place once the block ends without an error.

        Raises:
            FileExistsError: when something is there.

        """
        self._require_nothing(name)
        temporary = _temporary(name)
        os.mkdir(temporary, PRIVATE_FOLDER, dir_fd=self.descriptor)
        descriptor = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.descriptor)
        try:
            yield Folder(descriptor)
            os.fsync(descriptor)
            self._require_nothing(name)
            self._put(temporary, name)
        except BaseException:
            for entry in os.listdir(descriptor):  # noqa: PTH208 - a descriptor, not a path
                os.unlink(entry, dir_fd=descriptor)
            with contextlib.suppress(OSError):
                os.rmdir(temporary, dir_fd=self.descriptor)
            raise
        finally:
            os.close(descriptor)
        os.fsync(self.descriptor)

    def _put(self, temporary: str, name: str) -> None:
        os.replace(temporary, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def _put_new(self, temporary: str, name: str) -> None:
        here = self.descriptor
        try:
            os.link(temporary, name, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}:
                raise
            self._require_nothing(name)  # a file system that keeps one name for a file
            self._put(temporary, name)
        else:
            os.unlink(temporary, dir_fd=here)

    def _plain(self, name: str) -> os.stat_result | None:
        """What is there under a name; ``None`` if nothing is. Anything but a plain file is refused."""
        try:
            status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if stat.S_ISLNK(status.st_mode):
            raise OSError(errno.ELOOP, "it is a link", name)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EEXIST, "it is not a plain file", name)
        return status

    def _require_nothing(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def _temporary(name: str) -> str:
    return f".{name[:40]}.{secrets.token_hex(8)}"


def _walk(path: Path, *, ours: bool = False) -> int:
    """Goes to a folder step by step; its descriptor, for reaching what is in it only (``O_PATH``)."""
    way = [part for part in reversed(path.parts) if part != "/"]
    here = os.open("/" if path.is_absolute() else ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    followed = 0
    try:
        while True:
            if ours:
                _require_ours(path, os.fstat(here))
            if not way:
                return here
            part = os.open(name := way.pop(), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            status = os.fstat(part)
            if not stat.S_ISLNK(status.st_mode):
                here = _step(here, part)
                continue
            target = os.readlink(name, dir_fd=here)
            os.close(part)
            followed += 1
            _require_followed(path, name, followed <= _LINKS and not _who_else(os.fstat(here), status))
            if target.startswith("/"):
                here = _step(here, os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
            way += [part for part in reversed(Path(target).parts) if part != "/"]
    except BaseException:
        os.close(here)
        raise


def _require_ours(path: Path, folder: os.stat_result) -> None:
    if _who_else(folder):
        raise OSError(errno.EPERM, "other users can change its folder", str(path))


def _require_followed(path: Path, name: str, may: bool) -> None:  # noqa: FBT001 - the question itself
    if not may:
        raise OSError(errno.ELOOP, f"{name} in it is a link that others could have made", str(path))


def _step(left: int, reached: int) -> int:
    os.close(left)
    return reached


def _who_else(folder: os.stat_result, entry: os.stat_result | None = None) -> bool:
    """Whether somebody else than root and we could have put an entry into a folder; by default, any entry.

    In a folder where nobody can take away what is another's (``/tmp``), an entry is its owner's.
    """
    trusted = {0, os.geteuid()}
    if folder.st_uid not in trusted:
        return True
    if not folder.st_mode & _OTHERS_WRITE:
        return False
    if not folder.st_mode & stat.S_ISVTX:
        return True
    return entry is not None and entry.st_uid not in trusted


@contextlib.contextmanager
def as_text(raw: IO[bytes], encoding: str, errors: str = "strict", newline: str | None = None) -> Iterator[TextIO]:
    """Text into a file of ``replacing``, which stays open."""
    file = io.TextIOWrapper(raw, encoding, errors, newline)
    yield file
    file.detach()


def read_plain(path: Path, limit: int) -> bytes:
    """The content of a plain file that somebody named, ``limit`` bytes at most; a link is treated as in ``Folder``.

    Raises:
        OSError: why it cannot be read; ``ELOOP`` for a link, ``EFBIG``.

    """
    with Folder.open(path.parent) as folder:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path.name, flags, dir_fd=folder.descriptor)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file", str(path))
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit} bytes", str(path))
    return content


def overwrite(path: Path, content: bytes) -> None:
    """Writes over a plain file of ours, in place and not synced: for what is written at every batch.

    Raises:
        OSError: why it cannot be written; ``ELOOP`` for a link.

    """
    descriptor = _open_ours(path)
    try:
        os.pwrite(descriptor, content, 0)
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)


def add_whole(descriptor: int, content: bytes) -> bool:
    """Writes behind what is in a file, not synced; ``False``: there was no room, and no part of it stays."""
    before = os.fstat(descriptor).st_size
    if os.write(descriptor, content) == len(content):
        return True
    os.ftruncate(descriptor, before)  # what is written next would else be glued to it
    return False


def try_overwriting(path: Path) -> None:
    """Finds out whether a file could be overwritten, and changes nothing. Raises as ``overwrite``."""
    os.close(_open_ours(path))


def _open_ours(path: Path) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_uid != os.geteuid():
        os.close(descriptor)
        raise OSError(errno.EPERM, "it is not a file of its own, or belongs to another user", str(path))
    return descriptor


def allocate(path: Path, size: int) -> None:
    """Makes a file of ``size`` bytes that occupies its room on the disk; what was there is taken away.

    Raises:
        OSError: when there is not so much room; then nothing is left of it.

    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)


def make_folder(path: Path, mode: int = PRIVATE_FOLDER) -> None:
    """Makes a folder, for us alone unless ``mode`` says more, with those above it; durable when this returns.

    The modes are these, whatever the process's ``umask``.
    """
    if not path.parent.is_dir():
        make_folder(path.parent, mode)
    with Folder.open(path.parent) as above:
        try:
            os.mkdir(path.name, PRIVATE_FOLDER, dir_fd=above.descriptor)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(path.name, dir_fd=above.descriptor).st_mode):
                raise
        else:
            made = os.open(path.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above.descriptor)
            try:
                os.fchmod(made, mode)
            finally:
                os.close(made)
            os.fsync(above.descriptor)


def sync(path: Path) -> None:
    """Makes a file that others wrote durable, with its name."""
    with Folder.open(path.parent) as folder:
        descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder.descriptor)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.fsync(folder.descriptor)


def rename(path: Path, to: Path) -> None:
    """Gives a file another name in the same folder, durably."""
    with Folder.open(path.parent) as folder:
        os.replace(path.name, to.name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)
        os.fsync(folder.descriptor)
