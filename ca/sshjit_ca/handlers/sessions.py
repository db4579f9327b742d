"""What hosts report of sessions: each event once, held against the log.

The front end only carries it. A certificate that the log does not know, or that is for another host or account, is
told as an alarm (``service/alerts.py``). So is an event that no host says: it is passed over and the host goes on,
since a host that has to send it for ever tells of nothing else.
"""

from __future__ import annotations

from sshjit import sshkey
from sshjit.api.host_sessions import ReportSessions, SessionEvent, SessionsReply
from sshjit.errors import Invalid
from sshjit.events import SessionReportRefused
from sshjit_ca import ephemeral
from sshjit_ca.access import hosts, session_reports
from sshjit_ca.context import Context
from sshjit_ca.keys import sshsig
from sshjit_ca.state import Host


def report_sessions(context: Context, message: ReportSessions) -> SessionsReply:
    """Records the events that are new, in their order. What the host sends again is answered like the first time.

    Raises:
        Refused: ``unknown_host_key``, ``signature_refused``, ``not_fresh``, ``too_soon``, ``too_many``.
        Invalid: ``bad_key``, ``bad_message`` for a report of nothing, ``bad_signature``.

    """
    key = sshkey.parse_line(message.host_key)
    host = hosts.registered(context, message.name, (key,))
    context.host_replays.check(host.id, "sessions", message.time, context.now, ephemeral.REPORT_PAUSE)
    text = session_reports.text(context.config.installation, message)
    sshsig.verify(message.signature, key, session_reports.NAMESPACE, text)
    if not message.events:
        raise Invalid("bad_message", "the report tells of nothing")
    taken, _ = context.state.session_events.get(host.id, (0, 0))
    new = [event for event in message.events if event.number > taken or event.number < 0]
    context.session_budget.spend(host.id, len(new), context.now)
    context.host_replays.note(host.id, "sessions", message.time, context.now)
    _record(context, host, new, message.lost if session_reports.counts(message.lost) else 0)
    return SessionsReply(message.events[-1].number)


def _record(context: Context, host: Host, new: list[SessionEvent], lost: int) -> None:
    """Records what the host tells, and at the end, in one entry, what was passed over of it."""
    passed_over, first, newest = 0, "", 0
    for event in new:
        problem = session_reports.problem(event, newest)
        if session_reports.counts(event.number):
            newest = max(newest, event.number)
        if problem:
            passed_over, first = passed_over + 1, first or problem
            continue
        context.record(session_reports.recorded(host, event, session_reports.judge(context, host, event), lost))
        lost = 0
    if passed_over:
        number = max(newest, context.state.session_events.get(host.id, (0, 0))[0])
        context.record(SessionReportRefused(number, passed_over, first, host.id, host.name))
