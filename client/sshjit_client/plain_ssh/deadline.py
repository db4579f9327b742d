"""The end of ``ssh-jit ensure``, which comes in under 10 s whatever happens: whoever types ``ssh web1`` waits for it.

First by an alarm, which what handles errors on the way lets through, so that all that was begun is tidied up. Where it
cannot get through (a name server that does not answer holds the whole program), the process ends a moment later.
Windows has no alarm: there the process ends in that way alone.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import NoReturn

from sshjit.errors import Failed
from sshjit.terminal_text import inert
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.plain_ssh import failure

MOST = 8.0
"""Seconds after which we give up."""
GRACE = 1.0
"""Seconds for tidying up."""


class _TimeOver(BaseException):
    """The alarm. It is no error, so that nobody takes it for one that may be passed over."""


@contextmanager
def over(name: str) -> Iterator[None]:
    """Ends whatever takes longer than ``MOST`` seconds. ``name``: the host.

    Raises:
        Failed: ``too_slow``.

    """
    error = Failed("too_slow", f"no certificate for {name} within {MOST:g} s", hint=f"ssh-jit {name}")
    last = threading.Timer(MOST + GRACE, _leave, (f"ssh-jit: {failure.in_one_line(name, error)}",))
    last.daemon = True
    last.start()
    try:
        with _alarm_set() if hasattr(signal, "setitimer") else nullcontext():
            yield
    except _TimeOver:
        raise error from None
    finally:
        last.cancel()


@contextmanager
def _alarm_set() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _alarm)
    try:
        signal.setitimer(signal.ITIMER_REAL, MOST)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)


def _alarm(_: int, __: FrameType | None) -> NoReturn:
    raise _TimeOver


def _leave(line: str) -> NoReturn:
    with suppress(OSError):
        os.write(2, f"{inert(line)}\n".encode("ascii", "replace"))
    os._exit(ExitCode.REACH)
