"""What hosts report of sessions: each event once, held against the log.

The front end only carries it. A certificate that the log does not know, or that is for another host or account, is
told as an alarm (``service/alerts.py``).
"""

from __future__ import annotations

from sshjit import sshkey
from sshjit.api.host_sessions import ReportSessions, SessionsReply
from sshjit_ca import ephemeral
from sshjit_ca.access import hosts, session_reports
from sshjit_ca.context import Context
from sshjit_ca.keys import sshsig


def report_sessions(context: Context, message: ReportSessions) -> SessionsReply:
    """Records the events that are new, in their order. What the host sends again is answered like the first time.

    Raises:
        Refused: ``unknown_host_key``, ``signature_refused``, ``not_fresh``, ``too_soon``, ``too_many``.
        Invalid: ``bad_key``, ``bad_message``, ``bad_signature``, and what ``sshjit.names`` refuses.

    """
    key = sshkey.parse_line(message.host_key)
    host = hosts.registered(context, message.name, (key,))
    context.host_replays.check(host.id, "sessions", message.time, context.now, ephemeral.REPORT_PAUSE)
    text = session_reports.text(context.config.installation, message)
    sshsig.verify(message.signature, key, session_reports.NAMESPACE, text)
    session_reports.check(message)
    taken = context.state.session_events.get(host.id, 0)
    new = [event for event in message.events if event.number > taken]
    context.session_budget.spend(host.id, len(new), context.now)
    context.host_replays.note(host.id, "sessions", message.time, context.now)
    lost = message.lost
    for event in new:
        context.record(session_reports.recorded(host, event, session_reports.judge(context, host, event), lost))
        lost = 0
    return SessionsReply(message.events[-1].number)
