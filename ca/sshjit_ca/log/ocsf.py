"""Log entries as OCSF events (Open Cybersecurity Schema Framework), for whatever collects security events.

Three classes of its category Identity & Access Management (3) say what we say: Authentication (3002) for sign-ins, User
Access Management (3005) for windows that open, close, or are refused, Entity Management (3004) for everything else that
is made, changed or ended. What has no place in a class stands under ``unmapped``, so that nothing is bent to fit.
"""

from __future__ import annotations

import json
from typing import Any

from sshjit import events, wire
from sshjit.api.views import RequestState
from sshjit.entries import Entry
from sshjit.events import Event
from sshjit_ca.state import State

VERSION = "1.5.0"
"""Of the schema."""
_AUTHENTICATION, _ENTITY, _ACCESS = 3002, 3004, 3005
_INFORMATIONAL, _LOW, _HIGH = 1, 2, 4
_SUCCESS, _FAILURE = 1, 2
_OPENID = 4
_OTHER = 99
_MADE, _CHANGED, _GONE = 1, 3, 4
_ENTITIES: dict[str, tuple[str, int, str]] = {
    "ask": ("access request", _MADE, "Create"),
    "decision": ("access request", _CHANGED, "Update"),
    "comment": ("access request", _CHANGED, "Update"),
    "review": ("access request", _CHANGED, "Update"),
    "certificate": ("SSH user certificate", _MADE, "Create"),
    "emergency": ("SSH user certificate", _MADE, "Create"),
    "probe-certificate": ("SSH user certificate", _MADE, "Create"),
    "host-certificate": ("SSH host certificate", _MADE, "Create"),
    "revoke": ("SSH user certificate", _OTHER, "Revoke"),
    "host": ("host", _MADE, "Create"),
    "host-join": ("host", _CHANGED, "Update"),
    "host-labels": ("host", _CHANGED, "Update"),
    "host-change": ("host", _CHANGED, "Update"),
    "host-dialect": ("host", _CHANGED, "Update"),
    "host-key": ("host", _CHANGED, "Update"),
    "probe": ("host", _OTHER, "Probe"),
    "host-removal": ("host", _GONE, "Delete"),
    "host-invitation": ("invitation", _MADE, "Create"),
    "fleet-invitation": ("invitation", _MADE, "Create"),
    "invitation-end": ("invitation", _GONE, "Delete"),
    "key": ("CA key", _MADE, "Create"),
    "key-turn": ("CA key", _CHANGED, "Update"),
    "key-rest": ("CA key", _CHANGED, "Update"),
    "key-end": ("CA key", _GONE, "Delete"),
    "hardware-key": ("hardware key", _MADE, "Create"),
    "hardware-key-removal": ("hardware key", _GONE, "Delete"),
    "passkey": ("passkey", _MADE, "Create"),
    "passkey-acceptance": ("passkey", _CHANGED, "Update"),
    "passkey-removal": ("passkey", _GONE, "Delete"),
    "passkey-use": ("passkey", _OTHER, "Use"),
    "policy": ("policy", _CHANGED, "Update"),
    "rota": ("rota", _CHANGED, "Update"),
    "provider": ("identity provider", _MADE, "Create"),
    "lock": ("lock", _MADE, "Create"),
    "unlock": ("lock", _GONE, "Delete"),
}
"""What an entry is about, OCSF's activity, and its name."""


def event_of(entry: Entry, event: Event | None, state: State, summary: str) -> dict[str, Any]:
    """The OCSF event of an entry. ``event`` is ``None`` when its detail was erased."""
    match event:
        case events.LoginOpened():
            fields = _sign_in(event)
        case events.LoginClosed():
            fields = _authentication(2, "Logoff") | {"user": _user(state, event.subject)}
        case events.SessionStarted() | events.SessionEnded():
            fields = _session(event, state)
        case events.Opened() | events.Closed(state=RequestState.ENDED | RequestState.REVOKED | RequestState.LAPSED):
            fields = _window(event, state)
        case events.JoinRefused():
            fields = _class(_ENTITY, _MADE, "Create", status=_FAILURE)
            fields |= {"entity": {"type": "host", "uid": event.name, "data": wire.encode(event)}}
            fields |= {"status_code": event.problem}
        case events.PasskeyRefused():
            fields = _class(_ACCESS, 1, "Assign Privileges", status=_FAILURE)
            fields |= {"user": _user(state, event.subject), "privileges": [event.request]}
            fields |= {"status_code": "passkey_counter", "status_detail": summary}
        case events.Turned():
            fields = _class(_ACCESS, 1, "Assign Privileges", status=_FAILURE, severity=_LOW)
            fields |= {"user": _user(state, event.subject), "privileges": [event.asked or event.message]}
            fields |= {"status_code": event.code, "status_detail": event.answer}
        case _:
            fields = _entity(entry, event, state)
    if alarming(event):
        fields["severity_id"] = _HIGH
    return {
        **fields,
        "time": entry.time * 1000,
        "message": summary,
        "metadata": {
            "version": VERSION,
            "product": {"name": "ssh-jit", "vendor_name": "ssh-jit", "feature": {"name": "log"}},
            "uid": str(entry.index),
            "event_code": entry.kind,
        },
        "unmapped": {"entry": entry.index, "fact": json.loads(entry.fact)},
    }


def alarming(event: Event | None) -> bool:
    """Whether somebody went past the ordinary rules, everything was locked, or a token of hosts is in wrong hands."""
    match event:
        case events.Asked(break_glass=True) | events.Opened(how="break_glass") | events.EmergencyIssued():
            return True
        case events.Locked(kind="everything") | events.JoinRefused() | events.PasskeyRefused():
            return True
        case events.SessionStarted(known="emergency" | "unknown" | "elsewhere" | "recovery"):
            return True
        case events.SessionReportRefused():
            return True
        case _:
            return False


def _class(
    uid: int, activity: int, name: str, *, status: int = _SUCCESS, severity: int = _INFORMATIONAL
) -> dict[str, Any]:
    return {
        "category_uid": 3,
        "class_uid": uid,
        "activity_id": activity,
        "activity_name": name,
        "type_uid": uid * 100 + activity,
        "severity_id": severity,
        "status_id": status,
    }


def _authentication(activity: int, name: str) -> dict[str, Any]:
    return _class(_AUTHENTICATION, activity, name) | {"service": {"name": "ssh-jit"}}


def _sign_in(event: events.LoginOpened) -> dict[str, Any]:
    user: dict[str, Any] = {
        "uid": event.subject,
        "name": event.name,
        "groups": [{"name": each} for each in event.groups],
    }
    if event.email:
        user["email_addr"] = event.email
    fields = _authentication(1, "Logon") | {
        "user": user,
        "is_mfa": event.mfa,
        "is_remote": True,
        "auth_protocol_id": _OPENID,
        "session": {"uid": event.login, "expiration_time": event.expires * 1000},
    }
    return fields | ({"src_endpoint": {"ip": event.address}} if event.address else {})


def _session(event: events.SessionStarted | events.SessionEnded, state: State) -> dict[str, Any]:
    """Somebody logs in to a host, or leaves it."""
    starts = isinstance(event, events.SessionStarted)
    fields = _class(_AUTHENTICATION, 1 if starts else 2, "Logon" if starts else "Logoff")
    subject = state.subject_of(event)
    user = {"uid": event.login, "name": event.login} if subject is None else _user(state, subject)
    fields |= {"service": {"name": "sshd"}, "session": {"uid": event.session}, "is_remote": True}
    fields |= {"user": user, "dst_endpoint": {"uid": event.host_id, "hostname": event.name}}
    if not isinstance(event, events.SessionStarted):
        return fields
    return fields | ({"src_endpoint": {"ip": event.source}} if event.source else {})


def _window(event: events.Opened | events.Closed, state: State) -> dict[str, Any]:
    """A window opens or closes: what it is to whom, as far as the request is still known."""
    opens = isinstance(event, events.Opened)
    fields = _class(_ACCESS, 1 if opens else 2, "Assign Privileges" if opens else "Revoke Privileges")
    request = state.requests.get(event.request)
    if request is None:
        return fields | {"user": {"uid": event.request, "type": "Unknown", "type_id": 0}, "privileges": ["ssh"]}
    asked = request.asked
    hosts = zip(asked.host_ids, asked.hosts, strict=True)
    return fields | {
        "user": _user(state, asked.subject),
        "privileges": [f"ssh:{asked.login}:{asked.action}"],
        "resources": [{"uid": uid, "name": name, "type": "host"} for uid, name in hosts],
    }


def _entity(entry: Entry, event: Event | None, state: State) -> dict[str, Any]:
    kind, activity, name = _ENTITIES.get(entry.kind, (entry.kind.replace("-", " "), _OTHER, entry.kind))
    fields = _class(_ENTITY, activity, name)
    entity: dict[str, Any] = {"type": kind}
    if event is not None:
        data = wire.encode(event)
        entity["data"] = data
        uid = next((data[key] for key in ("request", "host_id", "lock", "digest", "key") if data.get(key)), entry.index)
        entity["uid"] = str(data.get("serial") or uid)
        if subject := state.subject_of(event):
            fields["actor"] = {"user": _user(state, subject)}
        if comment := data.get("comment") or data.get("reason"):
            fields["comment"] = comment
    else:
        entity["uid"] = str(entry.index)
    return fields | {"entity": entity}


def _user(state: State, subject: str) -> dict[str, Any]:
    newest = state.logins.get(state.newest_login.get(subject, ""))
    if newest is None:
        return {"uid": subject}
    told = {"uid": subject, "name": newest.opened.name}
    return told | ({"email_addr": newest.opened.email} if newest.opened.email else {})
