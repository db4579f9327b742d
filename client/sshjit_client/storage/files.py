"""The client's own files: folders of 0700, files of 0600, each replaced in one step.

Other modules decide what the files mean. This one makes sure that nobody else reads them and that nobody ever sees a
half-written file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sshjit import wire
from sshjit.errors import Failed, Invalid
from sshjit_client.storage import paths

T = TypeVar("T")
_LIMIT = 16 * 1024 * 1024
MAKING = "can't make the folder "
_PRIVATE = 0o600


def private_folder(path: Path) -> Path:
    """Makes the folder, or checks that only we can enter it.

    Raises:
        Failed: ``unsafe_folder`` when it is a link, belongs to somebody else, or is open to others.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
    except OSError as error:
        raise Failed("no_folder", f"{MAKING}{path}: {error.strerror}") from None
    if not paths.private(str(path)):
        raise Failed("unsafe_folder", f"{path} is not a folder that only you can enter", hint=f"chmod 700 {path}")
    return path


def in_first(places: Iterable[Path], act: Callable[[Path], T], say: Callable[[str], object]) -> T:
    """What ``act`` returns in the first place where it can write; the person is told of each where it cannot.

    Raises:
        Failed: ``unsafe_folder``; ``no_folder``, with each place and what is wrong with it.

    """
    problems: list[str] = []
    for place in places:
        try:
            result = act(place)
        except OSError as error:
            problems.append(f"{place}: {error.strerror or error}")
        except Failed as error:
            if error.code != "no_folder":
                raise
            problems.append(error.message)
        else:
            for problem in problems:
                say(f"can't write to {problem.removeprefix(MAKING)}; using {place} instead")
            return result
    raise Failed("no_folder", f"nothing can be written: {'; '.join(problems)}", hint="set XDG_CACHE_HOME to a folder")


def write(path: Path, content: str | bytes, *, durable: bool = True, mode: int = _PRIVATE, when: int = 0) -> None:
    """Replaces a file in one step; its mode is 0600 until it is whole.

    Text is written as UTF-8, and the bytes of a path that is none as they are.
    ``durable``: it is on the disk when this returns. What lives for minutes and is asked for again need not be, and
    every connection would wait for the disk. ``when``: as of when it is, in nanoseconds since the epoch; 0: as of now.
    """
    new = path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
            if mode != _PRIVATE:
                os.fchmod(handle, mode)
            if when:
                file.flush()
                os.utime(handle, ns=(when, when))
            if durable:
                file.flush()
                os.fsync(handle)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    if durable:
        _sync(path.parent)


def _sync(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def move(path: Path, target: Path) -> None:
    """Puts a file of ours in the place of another one, in one step; a link there is replaced, not followed."""
    path.replace(target)


def name_folder(folder: Path, name: str) -> Path:
    """Gives a folder its name, where there is none of that name."""
    return folder.rename(folder.with_name(name))


def lead(link: Path, target: Path) -> None:
    """Lets a link lead to a folder, in one step. Where no link can be made, a file holds the folder's name."""
    made = link.with_name(f".{link.name}.{os.urandom(6).hex()}")
    try:
        made.symlink_to(target)
    except (OSError, NotImplementedError):
        write(link, f"{target.name}\n")
    else:
        made.replace(link)


def lock_file(path: Path) -> int:
    """Opens a file to lock, and makes it if need be. The caller closes it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def overwrite(handle: int, text: str) -> None:
    """Writes ``text`` in place of what a locked file says. Who reads it meanwhile may read less."""
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, text.encode())


def link(path: Path, target: Path) -> None:
    """Makes ``path`` a link to ``target`` in one step; another name of it where links can't be made (Windows)."""
    new = path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}")
    try:
        new.symlink_to(target)
    except (OSError, NotImplementedError):
        new.hardlink_to(path.parent / target)
    new.replace(path)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds the file ``path`` locked: others who want it wait. Where there are no locks (Windows) nobody waits."""
    try:
        import fcntl  # noqa: PLC0415
    except ImportError:
        yield
        return
    with path.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def save(path: Path, record: Any) -> None:
    """Writes a dataclass as JSON."""
    write(path, json.dumps(wire.encode(record), indent=1) + "\n")


def load(path: Path, cls: type[T]) -> T | None:
    """Reads a dataclass back; ``None`` when there is no such file.

    Raises:
        Failed: ``broken_file`` when ``save`` did not write the file.

    """
    try:
        return wire.decode_answer(cls, wire.loads(path.read_bytes(), limit=_LIMIT))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failed("broken_file", f"can't read {path}: {error.strerror}") from None
    except Invalid as error:
        raise Failed(
            "broken_file", f"{path} is damaged: {error}", hint=f"remove {path}, and run ssh-jit setup again"
        ) from None
