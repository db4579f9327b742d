"""Ends one emergency session while the daemon is broken (``sessions/hook.py`` starts it).

It registers the session like the daemon would, so that a daemon that comes back knows it, and ends it when the
certificate ends. Then, and while a daemon is there, it has nothing to do any more.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from sshjit_host import config as configuration
from sshjit_host.errors import HostError
from sshjit_host.formats import user_certificate
from sshjit_host.machine.processes import Table
from sshjit_host.sessions import hook, reports, rules, session_processes
from sshjit_host.sessions.lifecycle import Sessions, clocks

LOOK = 1.0
"""Seconds between two looks."""


def main(run: str, config_path: str, privileged: str, tell: str) -> int:
    """Watch the session that the environment describes until it is over; the exit code.

    ``tell`` is the descriptor at which the hook waits until the session is registered.
    """
    question = json.loads(os.environ.pop("SSH_JIT_SESSION"))
    config = configuration.load(Path(config_path))
    sessions = Sessions(config, _say)
    certificate = user_certificate.of_session(question["auth_info"])[0]
    try:
        session = sessions.register(question, certificate, int(privileged))
    except HostError:
        return 1
    os.write(int(tell), b".")
    os.close(int(tell))
    known = rules.Knowledge()
    while session_processes.alive(session):
        if rules.over(session.terms, known, clocks()):
            break
        session = sessions.settle(session)
        time.sleep(LOOK)
    while not session_processes.end(session, Table(), gently=False):
        time.sleep(LOOK / 4)
    if _daemon_is_back(Path(run)):
        return 0
    sessions.spool.add(reports.ended(session, time.time(), rules.CERTIFICATE), time.time())
    sessions.registry.drop(session)
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _daemon_is_back(run: Path) -> bool:
    try:
        hook.ask(run / hook.SOCKET, {"ask": "status"}, 0.5)
    except (OSError, ValueError):
        return False
    return True
