"""Whoever started this process, if it wants to know how far the process is."""

from __future__ import annotations

import os
import socket
from functools import partial

from sshjit.supervisor import VARIABLE, Supervisor


def supervisor() -> Supervisor:
    """Takes the address out of the environment, so that nothing that this process starts speaks for it."""
    return Supervisor(os.environ.pop(VARIABLE, ""), partial(socket.socket, socket.AF_UNIX, socket.SOCK_DGRAM))
