"""The person's ``~/.ssh/config`` for our own connections: without the line that ``ssh-jit config --write`` put first.

What that line includes is for plain ssh: its blocks name plain ssh's certificates, and its accounts would pass for the
person's own settings. So our connections read a copy without it, ``theirs`` beside their certificates, which is made
anew when the file has changed. Without that line there is no copy, and ssh reads the file itself.
Every connection loads this module: it imports only ``os``, which is loaded anyway.
"""

# ruff: noqa: PTH111, PTH116, PTH117, PTH118, PTH123  # importing pathlib costs more than everything here
from __future__ import annotations

import os

ITSELF = "~/.ssh/config"
SYSTEM = "/etc/ssh/ssh_config"
COPY = "theirs"
_OURS = (b"Include ", b"/ssh-jit/plain/")
"""How our line begins, and what the path in it has."""
_MOST = 4096


def source() -> str:
    """The file that ``Include ~/.ssh/config`` means: by ``$HOME``, as ssh reads it there. Empty: there is none."""
    home = os.path.expanduser("~")
    return os.path.join(home, ".ssh", "config") if os.path.isabs(home) else ""


def changed_since(typed: str, when: int) -> bool:
    """Whether what ssh reads of the person's has changed since ``when``, in nanoseconds; what it includes is not seen.

    ``typed``: the value of ``-F``. Another file in the place of the old one counts, however old it is.
    """
    for path in [] if typed == "none" else [typed] if typed else [source(), SYSTEM]:
        try:
            if os.stat(path).st_ctime_ns > when:
                return True
        except OSError:
            continue
    return False


def is_ours(line: bytes) -> bool:
    """Whether a line is one that ``ssh-jit config --write`` puts first."""
    return line.startswith(_OURS[0]) and _OURS[1] in line


def without_ours(path: str) -> bytes | None:
    """What a configuration holds besides our first lines, one for each installation.

    ``None``: it has no such line, or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            blank, line = b"", file.readline(_MOST)
            while is_ours(line):  # an empty line takes its place: ssh names lines by their numbers
                blank, line = blank + b"\n", file.readline(_MOST)
            return blank + line + file.read() if blank else None
    except OSError:
        return None


def refresh(folder: str) -> None:
    """Makes the copy in a folder of certificates anew, if there is one and the file has changed since."""
    held = _changed(os.path.join(folder, COPY))
    if held is not None and held != (_changed(source()) or 0):
        keep(folder)


def keep(folder: str) -> str:
    """Writes the copy, as old as the file, where one is needed; returns the path that our connections include."""
    text, when = without_ours(source()), _changed(source()) or 0
    path = os.path.join(folder, COPY)
    if text is None and _changed(path) is None:
        return ITSELF
    from pathlib import Path  # noqa: PLC0415  # only once a certificate is new, or the file

    from sshjit_client.storage import files  # noqa: PLC0415

    files.write(Path(path), text if text is not None else _whole(), durable=False, when=when)
    return path


def _whole() -> bytes:
    """The file as it is, once our line has gone from it; nothing if it has gone itself."""
    try:
        with open(source(), "rb") as file:
            return file.read()
    except OSError:
        return b""


def _changed(path: str) -> int | None:
    """When the file was changed last, in nanoseconds; ``None``: it is not there."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
