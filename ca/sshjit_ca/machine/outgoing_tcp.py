"""Connects to a host by its name, all of it within one time: the resolver and every address that is tried.

The system's resolver may take half a minute and cannot be stopped. So a thread of its own asks it, and ends with it:
whoever connects bounds how many there are.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

_Entries = Sequence[tuple[int, int, int, str, tuple[Any, ...]]]
"""What ``getaddrinfo`` answers."""


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """A connection to the first address that takes one. Its time limit is ``seconds``, too.

    Raises:
        OSError: what the last address said, or the resolver; ``TimeoutError``: the time is over.

    """
    ends = time.monotonic() + seconds
    failure: OSError = OSError("it has no address")
    for family, kind, protocol, _, address in _look_up(host, port, seconds):
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        tried = socket.socket(family, kind, protocol)
        try:
            tried.settimeout(left)
            tried.connect(address)
        except OSError as error:
            tried.close()
            failure = error
        else:
            tried.settimeout(seconds)
            return tried
    raise failure


def _look_up(host: str, port: int, seconds: float) -> _Entries:
    answers: queue.SimpleQueue[_Entries | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            answers.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=max(seconds, 0))
    except queue.Empty:
        raise TimeoutError(f"no resolver answers within {seconds:g} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
