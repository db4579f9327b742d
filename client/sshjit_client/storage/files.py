"""The client's own files: folders of 0700, files of 0600, each replaced in one step.

Other modules decide what the files mean. This one makes sure that nobody else reads them and that nobody ever sees a
half-written file.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sshjit import wire
from sshjit.errors import Failed, Invalid
from sshjit_client.storage import paths

T = TypeVar("T")
_LIMIT = 16 * 1024 * 1024


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
        raise Failed("no_folder", f"can't make the folder {path}: {error.strerror}") from None
    if not paths.private(str(path)):
        raise Failed("unsafe_folder", f"{path} is not a folder that only you can enter", hint=f"chmod 700 {path}")
    return path


def write(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Replaces a file in one step; its mode is 0600. Text is written as UTF-8.

    ``durable``: it is on the disk when this returns. What lives for minutes and is asked for again need not be, and
    every connection would wait for the disk.
    """
    new = path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
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
            "broken_file", f"{path} is damaged: {error}", hint=f"remove {path} and run ssh-jit setup again"
        ) from None
