"""A syslog daemon's socket, for tests that hear the CA's own alarms."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support.waiting import PATIENCE


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A datagram socket that listens at a path until the block is left; who reads from it waits ``PATIENCE``."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as found:
        found.bind(str(path))
        found.settimeout(PATIENCE)
        yield found
