"""Limits on connections that the operating system keeps: how many, and how long somebody may not read an answer."""

from __future__ import annotations

import os
import resource
import socket
import stat
import sys
from contextlib import closing, suppress
from pathlib import Path

MOST = 6144
"""Connections, idle ones and polls that wait too; more wait until one ends."""
POLLS = 2 / 3
"""The share of them that polls may wait on: 4,096 where there may be as many as that."""
SPARE = 256
"""Files that we need besides: the CA's connections, the database, the log."""
UNREAD_TIME = 30
"""Seconds in which somebody takes nothing of an answer until the connection is ended."""
_OPEN_FILES = Path("/proc/self/fd")


def allow_many() -> int:
    """Raises our limit of open files as far as it goes; how many connections fit below it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST if soft == resource.RLIM_INFINITY else max(64, min(MOST, soft - SPARE))


def most_polls() -> int:
    """How many polls may wait, below our limit of open files."""
    return int(allow_many() * POLLS)


def end_unread() -> None:
    """Lets the kernel end connections whose other side takes nothing (Linux: ``TCP_USER_TIMEOUT`` in tcp(7)).

    Set where we listen, each connection that is accepted there inherits it.
    """
    if sys.platform != "linux" or not _OPEN_FILES.is_dir():
        return
    for path in _OPEN_FILES.iterdir():
        with suppress(OSError):  # a file that was closed meanwhile, or a socket that is not TCP's
            if not stat.S_ISSOCK(os.fstat(int(path.name)).st_mode):
                continue
            with closing(socket.socket(fileno=os.dup(int(path.name)))) as known:
                if known.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    known.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_TIME * 1000))
