"""Sessions that begin and end: written down on disk, fenced in by a control group, and reported.

Whether a session may begin and when it must end is ``sessions/daemon.py``'s to say, or the guard's of an emergency.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.formats.user_certificate import UserCertificate
from sshjit_host.machine import control_groups, files, processes
from sshjit_host.machine.control_groups import Fence
from sshjit_host.sessions import reports, session_processes
from sshjit_host.sessions.registry import Registry, Session, certified, new_id, this_boot
from sshjit_host.sessions.rules import Moment
from sshjit_host.sessions.spool import Spool

Say = Callable[[str], None]


def clocks() -> Moment:
    """Both clocks."""
    return Moment(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))


@dataclass
class Sessions:
    """What is known of sessions, on disk and from the bundle: as much as a session needs to be registered."""

    config: Config
    say: Say
    registry: Registry = field(init=False)
    spool: Spool = field(init=False)
    fence: Fence = field(init=False)

    def __post_init__(self) -> None:
        run = self.config.run
        files.private_folder(run)
        self.registry = Registry(run / "sessions")
        self.registry.prepare()
        self.spool = Spool(self.config.home / "reports")
        self.spool.prepare()
        self.fence = Fence(run)

    def register(self, question: dict[str, Any], certificate: UserCertificate, pid: int) -> Session:
        """Write a session down, and put a fence around it. Raises ``HostError`` if that cannot be done."""
        privileged = processes.look(pid)
        if privileged is None or privileged.uid != os.geteuid():
            raise HostError("what asks is no sshd")
        if not privileged.name.startswith("sshd"):
            raise HostError(f"what asks was started by {privileged.name}, not by sshd")
        now, identity = clocks(), new_id()
        session = Session(
            id=identity,
            boot=this_boot(),
            pid=pid,
            started=privileged.started,
            user=str(question["user"]),
            uid=int(question["uid"]),
            connection=str(question["connection"]),
            **certified(certificate),
            opened_wall=now.wall,
            opened_boot=now.boot,
            server_group=processes.control_group(privileged.parent),
            server_audit=processes.audit_session(privileged.parent),
        )
        self.registry.keep(session)
        group = self.fence.enclose(identity, pid)
        session = self.registry.with_changes(session, group=group)
        self._report(reports.started(session), now.wall)
        return session

    def settle(self, session: Session) -> Session:
        """The session with the scope and the audit session that PAM gave it since it was registered."""
        if not session_processes.alive(session):
            return session
        scope = session.scope or self.fence.scope(session.pid, session.server_group)
        audit = processes.audit_session(session.pid)
        own = audit if audit != session.server_audit else session.audit
        return self.registry.with_changes(session, scope=scope, audit=own)

    def close(self, session: Session, why: str) -> None:
        """Forget a session that is over, and report it."""
        self._report(reports.ended(session, time.time(), why), time.time())
        self.registry.drop(session)
        if session.group:
            control_groups.remove(session.group)

    def _report(self, event: dict[str, Any], now: float) -> None:
        try:
            self.spool.add(event, now)
        except HostError as error:  # a full disk keeps nobody out, and no session open
            self.say(f"warning: the report of a session cannot be kept: {error.message}")
