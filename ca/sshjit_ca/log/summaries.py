"""One line for people for each entry of the log. Names come from the state that the log folded into."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sshjit import durations, events, names, passkeys, requests
from sshjit.api.log import EntryView
from sshjit.entries import Entry
from sshjit.events import Event
from sshjit_ca.log import fast_reader
from sshjit_ca.log.key_words import key_lines
from sshjit_ca.log.session_words import KNOWN, WHY_OVER
from sshjit_ca.log.summary_words import clock, dialect, moment, quoted, where, who
from sshjit_ca.state import State


def entry_view(state: State, entry: Entry) -> EntryView:
    """An entry as pages and terminals show it."""
    event = fast_reader.read(entry)
    return EntryView(
        index=entry.index,
        time=entry.time,
        kind=entry.kind,
        summary="its details were erased" if event is None else summary(state, event),
        fact=entry.fact.decode("ascii"),
        detail=None if entry.detail is None else entry.detail.decode("ascii"),
    )


def summary(state: State, event: Event) -> str:
    """What happened, in one line; names come from the state that the log folded into."""
    return LINES[type(event)](state, event)


# ----------------------------------------------------------------------- sign-ins, requests, certificates


def _login(_: State, event: events.LoginOpened) -> str:
    how = f"with key {event.key}" if event.key else "in a browser"
    notes = (*["by a token that names no key (unbound)"] * event.unbound, *event.remarks)
    return f"{event.name} ({event.provider}) signed in {how}, until {'; '.join([clock(event.expires), *notes])}"


def _logout(state: State, event: events.LoginClosed) -> str:
    if event.by == event.subject:
        return f"{who(state, event.subject)} {'ended another sign-in of theirs' if event.reason else 'signed out'}"
    return f'{who(state, event.subject)} was signed out by {who(state, event.by)}: "{event.reason}"'


def _asked(state: State, event: events.Asked) -> str:
    subject, place, long = who(state, event.subject), where(event.login, event.hosts), durations.show(event.duration)
    signed = ", not signed" if event.not_signed else ""
    if event.extends is not None:
        return f"{subject} requested {long} more for {place}{signed}{quoted(event.reason)}"
    verb = "used EMERGENCY ACCESS (break-glass) to" if event.break_glass else "requested"
    source = ", on a web page" if event.via == "web" else ""
    what = "" if event.action == "shell" else f" for {event.action}"
    start = "" if event.start is None else f" from {moment(event.start)}"
    return f"{subject} {verb} {place}{what}, {long}{start}{source}{signed}{quoted(event.reason)}"


def _decided(state: State, event: events.Decided) -> str:
    verb = "approved" if event.verdict == "approve" else "denied"
    asked = state.requests[event.request].asked
    place, long = where(asked.login, asked.hosts), durations.show(event.duration or asked.duration)
    signed = f" ({passkeys.by(event)})" if event.verdict == "approve" and not event.signed else ""
    what = f"{event.request}: {place}, {long}, for {who(state, asked.subject)}"
    return f"{who(state, event.subject)} {verb}{signed} {what}{quoted(event.comment)}"


_WHY = {
    "automatic": "rule {rule!r} allowed it",
    "reviewed": "all approvals were given",
    "break_glass": "emergency rule {rule!r} allowed it",
}


def _escalated(state: State, event: events.Escalated) -> str:
    asked = state.requests[event.request].asked
    return f"{where(asked.login, asked.hosts)} waits: {' or '.join(event.roles)} may answer too"


def _opened(state: State, event: events.Opened) -> str:
    asked = state.requests[event.request].asked
    place, subject = where(asked.login, asked.hosts), who(state, asked.subject)
    until = f"until {clock(event.ends)}: {_WHY[event.how].format(rule=asked.rule)}"
    if asked.extends is not None:
        return f"{place} stays open to {subject} {until}"
    return f"{place} {'is' if asked.start is None else f'from {moment(asked.start)} on is'} open to {subject} {until}"


def _closed(state: State, event: events.Closed) -> str:
    asked = state.requests[event.request].asked
    place = where(asked.login, asked.hosts)
    words = requests.sentence(event.state)
    what = f"{place} for {who(state, asked.subject)}" + ("" if asked.extends is None else " (to be extended)")
    by = "by time" if event.by is None and not event.reason else f"by {who(state, event.by)}"
    return f"{what} is {words}, {by}{quoted(event.reason)}"


def _commented(state: State, event: events.Commented) -> str:
    requester = state.requests[event.request].asked.subject
    whose = "their own request" if requester == event.subject else f"the request of {who(state, requester)}"
    return f"{who(state, event.subject)} commented on {whose}{quoted(event.comment)}"


def _reviewed(state: State, event: events.Reviewed) -> str:
    subject, whose = who(state, event.subject), who(state, state.requests[event.request].asked.subject)
    return f"{subject} reviewed the emergency access of {whose}: {event.verdict}{quoted(event.comment)}"


def _issued(_: State, event: events.Issued) -> str:
    place, way = where(event.login, event.hosts), ""
    if event.bastion:
        place, way = where(event.login, (event.bastion,)), f", only to pass through to {', '.join(event.hosts)}"
    certificate = f"{dialect(event)}certificate {event.serial} for {event.person}"
    return f"{certificate}: {place}{way}, until {clock(event.valid_before)}"


def _revoked(state: State, event: events.CertificateRevoked) -> str:
    return f'certificate {event.serial} is revoked by {who(state, event.by)}: "{event.reason}"'


def _turned(state: State, event: events.Turned) -> str:
    times = f" ({event.count} times)" if event.count > 1 else ""
    return f"{who(state, event.subject)} was refused {event.asked}{times}: {event.answer}"


# ----------------------------------------------------------------------------------------------- hosts


def _host_issued(_: State, event: events.HostIssued) -> str:
    return f"{dialect(event)}host certificate {event.serial} for {event.host}"


def _host(_: State, event: events.HostAdded) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in event.labels)
    how = "was enrolled" if event.invitation is None else f"joined by the invitation {event.invitation}"
    return f"host {event.name} ({labels}) at {event.address} port {event.port}{_way(event)} {how}"


def _fleet_invited(_: State, event: events.FleetInvited) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in event.labels)
    many = f"{event.uses} host{'' if event.uses == 1 else 's'}"
    return f"{many} {event.pattern} ({labels}) may join by {event.invitation} until {moment(event.expires)}"


def _invitation_ended(_: State, event: events.InvitationEnded) -> str:
    what = f"{event.invitation} for {event.name}" if event.invitation else f"to host {event.name}"
    return f"the invitation {what} was revoked by the operator{quoted(event.reason)}"


def _join_refused(_: State, event: events.JoinRefused) -> str:
    times = f" ({event.count} times)" if event.count > 1 else ""
    token = f"the token of {event.invitation}" if event.invitation else "its one-time token"
    return f"a machine was refused to join as {event.name} by {token}{times}: {JOIN_PROBLEMS[event.problem]}"


JOIN_PROBLEMS: dict[events.JoinProblem, str] = {
    "used": "the token was used already",
    "revoked": "the invitation was revoked",
    "used_up": "as many hosts have joined by it as may",
    "not_in_pattern": "the invitation is not for this name",
    "name_taken": "a host of this name is enrolled",
    "key_taken": "one of its keys is that of an enrolled host",
}
"""Why a token that was proved does not count, for people."""


def _host_invited(_: State, event: events.HostInvited) -> str:
    return f"host {event.name} may join by a token until {clock(event.expires)}"


def _host_joined(_: State, event: events.HostJoined) -> str:
    return f"host {event.name} joined with {len(event.host_keys)} keys"


def _host_showed(_: State, event: events.HostShowed) -> str:
    shows = "its host certificates" if event.host_certificates else "plain host keys, and no certificates,"
    return f"host {event.name} shows {shows} from now on"


def _host_dialect_set(_: State, event: events.HostDialectSet) -> str:
    trusts = "post-quantum CA keys alone" if event.post_quantum_only else "the other CA keys as well"
    return f"host {event.name} trusts {trusts} from now on, by the operator"


def _host_key_added(_: State, event: events.HostKeyAdded) -> str:
    return f"host {event.name} has one more host key, {event.host_key.partition(' ')[0]}"


def _host_labelled(state: State, event: events.HostLabelled) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in event.labels)
    return f"host {event.name} was labelled {labels} by {who(state, event.by)}"


def _host_changed(state: State, event: events.HostChanged) -> str:
    aliases = f", also {', '.join(event.aliases)}" if event.aliases else ""
    place = f"{event.address} port {event.port}{aliases}{_way(event)}"
    return f"host {event.name} is at {place}, by {who(state, event.by)}"


def _way(event: events.HostAdded | events.HostChanged) -> str:
    via = f", behind the bastion {event.via}" if event.via else ""
    return f"{via}, a bastion by the account {event.jump_login}" if event.jump_login else via


def _host_removed(state: State, event: events.HostRemoved) -> str:
    host = f"host {event.name} ({event.host_id})"
    if event.cause != "removed":
        return f"{host} was removed: {event.reason}"
    return f'{host} was removed by {who(state, event.by)}: "{event.reason}"'


def _host_reported(_: State, event: events.HostReported) -> str:
    said = "; ".join((*(f"ended {grant}" for grant in event.ended), *event.problems)) or "all is well"
    sessions = f" and {event.sessions} sessions" if event.sessions else ""  # of which 0.1.0 could tell
    return f"host {event.name} has bundle {event.bundle}{sessions}: {said}"


_PURPOSES: dict[events.ProbePurpose, str] = {
    "enters": "that only runs `true`",
    "expired": "that was over when it was signed",
    "elsewhere": "for a host that there is not",
    "passes": "that only passes through a bastion",
}


def _probe_issued(_: State, event: events.ProbeIssued) -> str:
    certificate = f"PROBE {dialect(event)}certificate {event.serial}"
    return f"{certificate} {_PURPOSES[event.purpose]}: {event.principal}, until {clock(event.valid_before)}"


def _probed(_: State, event: events.HostsProbed) -> str:
    """The hosts that are not well by name, as many as a line holds, and how many are."""
    bad = [f"{host.name} ({', '.join(host.problems)})" for host in event.hosts if host.verdict != "ok"]
    shown = [*bad[:3], *([f"{len(bad) - 3} more"] if len(bad) > 3 else [])]
    well = len(event.hosts) - len(bad)
    said = [f"{well} host{' enforces' if well == 1 else 's enforce'}"] if well else []
    return f"the operator probed: {'; '.join([*said, *shown])}"


def _session(_: State, event: events.SessionStarted) -> str:
    place, lost = where(event.login, (event.name,)), f"; {event.lost} reports before it are lost" if event.lost else ""
    key_id = "" if event.known == "granted" or not event.key_id else f" ({names.show(event.key_id)})"
    return f"session on {place} from {event.source}{KNOWN[event.known]}: certificate {event.serial}{key_id}{lost}"


def _session_end(_: State, event: events.SessionEnded) -> str:
    place, lost = where(event.login, (event.name,)), f"; {event.lost} reports before it are lost" if event.lost else ""
    return f"session on {place} is over, {WHY_OVER.get(event.why, event.why)}: certificate {event.serial}{lost}"


def _session_report_refused(_: State, event: events.SessionReportRefused) -> str:
    return f"host {event.name} told {event.count} times of a session what no host says; the first time, {event.problem}"


# ---------------------------------------------------------------------------------------- the CA itself


def _started(_: State, event: events.Started) -> str:
    release = f", release {event.release}" if event.release else ""
    return f"the CA of {event.installation} began to write the log (epoch {event.epoch}{release})"


def _policy(_: State, event: events.PolicyLoaded) -> str:
    despite = f", although it breaks {', '.join(event.accepted)}" if event.accepted else ""
    return f"policy {event.digest[:12]} with {event.rules} rules is in force{despite}"


def _provider(_: State, event: events.ProviderBound) -> str:
    return f"people of {event.provider} are those of {event.issuer}, by {event.subject_claim}, from now on"


def _locked(state: State, event: events.Locked) -> str:
    what = who(state, event.target) if event.kind == "person" else event.target or ""
    return f'{event.kind} {what} was locked by {who(state, event.by)}: "{event.reason}"'.replace("  ", " ")


def _unlocked(state: State, event: events.Unlocked) -> str:
    return f'lock {event.lock} was removed by {who(state, event.by)}: "{event.reason}"'


def _key_added(_: State, event: events.KeyAdded) -> str:
    return f"key {event.key} was added for {event.purpose}: {event.reference}"


def _key_activated(_: State, event: events.KeyActivated) -> str:
    how = ", endorsed by the one before it" if event.endorsement else ""
    return f"key {event.key} signs for {event.purpose} from now on{how}"


def _key_deactivated(_: State, event: events.KeyDeactivated) -> str:
    return f"key {event.key} signs no more for {event.purpose}, by the operator"


def _key_retired(_: State, event: events.KeyRetired) -> str:
    return f"key {event.key} was retired for {event.purpose}{', and refused by hosts' if event.revoked else ''}"


def _bundle(_: State, event: events.BundleSigned) -> str:
    return f"bundle {event.sequence} was signed for hosts and laptops"


def _forgot(_: State, event: events.Forgot) -> str:
    return f"{event.erased} details from before {datetime.fromtimestamp(event.before, UTC):%Y-%m-%d} were erased"


def _emergency(_: State, event: events.EmergencyIssued) -> str:
    place, way = where(event.login, event.hosts), ""
    if event.bastion:
        place, way = where(event.login, (event.bastion,)), f", only to pass through to {', '.join(event.hosts)}"
    certificate = f"EMERGENCY {dialect(event)}certificate {event.serial}"
    return f'{certificate}: {place}{way}, until {clock(event.valid_before)}: "{event.reason}"'


def _clock_confirmed(_: State, event: events.ClockConfirmed) -> str:
    return f'the operator confirmed the clock, which had moved by {event.drift:+d} s: "{event.reason}"'


def _restored(_: State, event: events.Restored) -> str:
    return f'the operator restored an older log (epoch {event.epoch}); {event.lost} entries lost: "{event.reason}"'


LINES: dict[type[Event], Callable[[State, Any], str]] = {
    events.LoginOpened: _login,
    events.LoginClosed: _logout,
    events.Asked: _asked,
    events.Decided: _decided,
    events.Escalated: _escalated,
    events.Opened: _opened,
    events.Closed: _closed,
    events.Commented: _commented,
    events.Reviewed: _reviewed,
    events.Issued: _issued,
    events.CertificateRevoked: _revoked,
    events.Turned: _turned,
    **key_lines(who, moment),
    events.HostIssued: _host_issued,
    events.HostAdded: _host,
    events.HostInvited: _host_invited,
    events.HostJoined: _host_joined,
    events.HostLabelled: _host_labelled,
    events.HostShowed: _host_showed,
    events.HostDialectSet: _host_dialect_set,
    events.HostKeyAdded: _host_key_added,
    events.HostRemoved: _host_removed,
    events.HostReported: _host_reported,
    events.SessionStarted: _session,
    events.SessionEnded: _session_end,
    events.SessionReportRefused: _session_report_refused,
    events.HostChanged: _host_changed,
    events.FleetInvited: _fleet_invited,
    events.InvitationEnded: _invitation_ended,
    events.JoinRefused: _join_refused,
    events.ProbeIssued: _probe_issued,
    events.HostsProbed: _probed,
    events.Started: _started,
    events.PolicyLoaded: _policy,
    events.ProviderBound: _provider,
    events.RotaTaken: lambda _, event: f"the rota {event.rota} is the text {event.digest[:12]}, by {event.by}",
    events.Locked: _locked,
    events.Unlocked: _unlocked,
    events.KeyAdded: _key_added,
    events.KeyActivated: _key_activated,
    events.KeyDeactivated: _key_deactivated,
    events.KeyRetired: _key_retired,
    events.BundleSigned: _bundle,
    events.Forgot: _forgot,
    events.EmergencyIssued: _emergency,
    events.ClockConfirmed: _clock_confirmed,
    events.Restored: _restored,
}
"""What tells an event in a line, by its class."""
