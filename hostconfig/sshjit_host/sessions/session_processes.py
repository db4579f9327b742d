"""Which processes belong to a session, and how all of them are ended.

A control group knows them all. Where there is none, or where somebody got out of it, what the login started is found
by what it cannot shed: its parents, the audit session that the login began (children inherit it, whatever they do),
and ``SSH_CONNECTION`` in the environment of processes of the same user. All of these are asked each time.
"""

from __future__ import annotations

import os

from sshjit_host.machine import control_groups, processes
from sshjit_host.machine.processes import NO_AUDIT, Process, Table
from sshjit_host.sessions.registry import Session


def alive(session: Session) -> bool:
    """Whether sshd's privileged process of the session is there."""
    process = processes.look(session.pid)
    return process is not None and process.started == session.started


def fenced_members(session: Session) -> set[int]:
    """The processes in the session's control groups."""
    return {pid for group in (session.group, session.scope) if group for pid in control_groups.members(group)}


def members(session: Session, table: Table) -> tuple[list[Process], bool]:
    """The processes of the session, and whether something that others need runs in its control groups too."""
    known = table.known
    roots = fenced_members(session)
    privileged = known.get(session.pid)
    if privileged is not None and privileged.started == session.started:
        roots.add(session.pid)
    for pid, process in known.items():
        by_audit = session.audit != NO_AUDIT and table.audit_session(pid) == session.audit
        same_user = process.uid == session.uid and bool(session.connection)
        if by_audit or (same_user and table.connection(pid) == session.connection):
            roots.add(pid)
    family = table.below(roots) - {1}
    spared = (table.servers(family) | {os.getpid()}) & family
    return [known[pid] for pid in sorted(family - spared)], bool(spared)


def end(session: Session, table: Table, *, gently: bool) -> bool:
    """End the session's processes; whether there were none any more.

    ``gently`` leaves sshd's privileged process alive, which then closes the PAM session and ends by itself.
    """
    family, shared = members(session, table)
    if not family and not _unseen(session, table):
        return True
    if not gently and not shared:
        for group in (session.group, session.scope):
            if group and not control_groups.kill(group):
                # Older kernels: while it is stopped, nothing starts itself anew faster than it is looked at.
                control_groups.freeze(group)
                processes.kill(filter(None, map(processes.look, control_groups.members(group))))
    processes.kill(process for process in family if not (gently and process.pid == session.pid))
    return False


def left_behind(session: Session, table: Table) -> bool:
    """Whether anything of a session is left after sshd's process of it has gone."""
    return bool(members(session, table)[0]) or _unseen(session, table)


def _unseen(session: Session, table: Table) -> bool:
    """Whether something runs in the session's control groups that began after the table was made."""
    return not fenced_members(session) <= table.known.keys()
