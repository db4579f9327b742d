"""A real ``ssh-jit-ca serve`` that is killed by SIGKILL at the commit of a decision, once a file says so."""

from __future__ import annotations

import sys
from pathlib import Path

_MAIN = """
import os, pathlib, signal, sys
from sshjit import events
from sshjit_ca.__main__ import main
from sshjit_ca.log.journal import Journal

when, decided = pathlib.Path(sys.argv.pop(1)), []
record, commit = Journal.record, Journal.commit

def recording(self, event, now):
    record(self, event, now)
    if isinstance(event, events.Decided) and when.exists():
        decided.append(when.read_text())

def committing(self):
    if decided != ["before"]:
        commit(self)
    if decided:
        os.kill(os.getpid(), signal.SIGKILL)

Journal.record, Journal.commit = recording, committing
sys.exit(main())
"""


def program(when: Path) -> tuple[str, ...]:
    """What to start in the place of the CA. ``when`` says ``before`` or ``after`` the commit; not there: never."""
    return (sys.executable, "-c", _MAIN, str(when))
