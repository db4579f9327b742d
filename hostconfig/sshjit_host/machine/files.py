"""Files: written whole or not at all, by one process at a time, below folders that sshd trusts.

Other modules decide what they contain.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sshjit_host.errors import HostError

TEMPORARY = ".ssh-jit-tmp-"
"""The beginning of the name of a file that is not yet renamed into its place."""
LOCK_PATIENCE = 60
"""Seconds to wait for another run to end."""


def read(path: Path) -> bytes | None:
    """The file's bytes, or ``None`` if there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from None


def read_trusted(path: Path) -> bytes | None:
    """As ``read``, of a file that decides what we change elsewhere: nobody but root and us may write it."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from None
    if reason := _of_others(path, status):
        raise HostError(reason, hint=f"look at what it says; then: chown root {path}; chmod 600 {path}")
    return data


def write(path: Path, data: bytes, mode: int = 0o644, *, owner: tuple[int, int] | None = None) -> bool:
    """Make ``path`` hold exactly ``data``; return whether anything had to change.

    A reader finds the old bytes or the new ones, never a part of them, even after a loss of power. ``owner`` is user
    and group, if they are to be others than ours.
    """
    if _is_already(path, data, mode):
        return False
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)  # before the content, and by the descriptor: no link is followed
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - the temporary name is a string
        temporary = None
        _sync(path.parent)
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - the same
    return True


def _is_already(path: Path, data: bytes, mode: int) -> bool:
    """Whether there is already a plain file with these bytes, this mode and our ownership."""
    try:
        status = path.lstat()
    except OSError:
        return False
    right = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == mode and status.st_uid == os.geteuid()
    return right and status.st_size == len(data) and read(path) == data


def remove(path: Path) -> bool:
    """Remove a file; return whether there was one."""
    try:
        path.unlink()
        _sync(path.parent)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise HostError(f"cannot remove {path}: {error.strerror}") from None
    return True


def link(path: Path, target: str) -> bool:
    """Make a link whole or not at all; return whether anything had to change."""
    if path.is_symlink() and str(path.readlink()) == target:
        return False
    beside = path.with_name(TEMPORARY + path.name)
    try:
        remove(beside)
        beside.symlink_to(target)
        beside.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise HostError(f"cannot make the link {path}: {error.strerror}") from None
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folder(path: Path) -> None:
    """Make a folder that only we can write and all can read, since sshd reads it as the user who logs in."""
    _folder(path, 0o755)


def private_folder(path: Path) -> None:
    """Make a folder that nobody else can look into."""
    _folder(path, 0o700)


def _folder(path: Path, mode: int) -> None:
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
    except OSError as error:
        raise HostError(f"cannot make the folder {path}: {error.strerror}") from None


def control_folder(path: Path) -> None:
    """Make a folder of a control group. Raises ``OSError``: where there are none, the caller goes on without."""
    path.mkdir(parents=True, exist_ok=True)


def tell_kernel(path: Path, text: str) -> None:
    """Write to a file by which the kernel is told something, such as ``cgroup.kill``. Raises ``OSError``."""
    with path.open("w", encoding="ascii") as file:
        file.write(text)


def tell_terminal(path: Path, data: bytes) -> None:
    """Write to a terminal without making it ours, and without waiting for one that is stopped. Raises ``OSError``."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def scratch(contents: dict[str, bytes]) -> Iterator[Path]:
    """A folder for us alone with these files, for ssh-keygen to read and write in; gone after the block."""
    with tempfile.TemporaryDirectory(prefix="ssh-jit-host-") as name:
        for file, content in contents.items():
            Path(name, file).write_bytes(content)
        yield Path(name)


def remove_leftovers(path: Path) -> None:
    """Remove half-written files that a killed run left in a folder of ours."""
    for entry in path.glob(TEMPORARY + "*"):
        remove(entry)


@contextlib.contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Hold the lock of a folder, which needs no file; made if it is not there, and else left as it is."""
    if not path.is_dir():
        folder(path)
    with _held(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC):
        yield


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file for as long as the block runs; the kernel frees it when a process dies."""
    with _held(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW):
        yield


@contextlib.contextmanager
def _held(path: Path, flags: int) -> Iterator[None]:
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise HostError(f"cannot open {path}: {error.strerror}") from None
    try:
        deadline = time.monotonic() + LOCK_PATIENCE
        while not _lock(descriptor):
            if time.monotonic() > deadline:
                raise HostError("another ssh-jit-host has held the lock for a minute", hint=f"fuser -v {path}")
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def untrusted_folders(path: Path, *, others: bool) -> Iterator[str]:
    """Say, folder by folder up to the root, why sshd would silently ignore files below ``path``.

    With ``StrictModes`` (the default) sshd ignores principals files below a folder that others can write, or that
    belongs to somebody else. It reads them as the user who logs in: ``others`` says whether that can be one who is
    not the user that runs this program.
    """
    for place in (path, *path.parents):
        status = place.stat()
        if reason := _of_others(place, status):
            yield f"{reason}, so sshd ignores what is below it"
        elif others and not status.st_mode & stat.S_IXOTH:
            yield f"{place} is closed to other users, so sshd finds nothing below it when one of them logs in"


def of_others(path: Path) -> str:
    """Why somebody else than root and us can decide what is in a file, or will be; empty if nobody can.

    Every link on the way to it counts: whoever can set one decides which file is meant.
    """
    folders = (path.parent, path.parent.resolve(), path.resolve().parent)
    places = dict.fromkeys((path, *(place for folder in folders for place in (folder, *folder.parents))))
    reasons = (_of_others(place, place.stat()) for place in places if place.exists())
    return next((reason for reason in reasons if reason), "")


def _of_others(place: Path, status: os.stat_result) -> str:
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write {place}"
    return f"{place} belongs to another user" if status.st_uid not in (0, os.geteuid()) else ""
